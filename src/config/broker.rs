//! How to reach the broker: AMQP URLs, and the user, password and certificates given separately.

use crate::cli::services::BrokerArgs;
use crate::config::problems::Problems;
use crate::net::dial::GoodAddresses;
use crate::net::secret::Secret;
use crate::net::tls::TlsFiles;
use crate::rabbitmq::connect::BrokerAddress;
use crate::rabbitmq::supervisor::{BrokerSettings, Declared};

pub(super) fn broker(
    problems: &mut Problems,
    args: &BrokerArgs,
    declare: Declared,
    connection_name: String,
) -> Option<BrokerSettings> {
    let address = address(problems, args)?;
    Some(BrokerSettings { address, connection_name, declare })
}

/// The broker's address and login.
pub(super) fn address(problems: &mut Problems, args: &BrokerArgs) -> Option<BrokerAddress> {
    const FLAG: &str = "amqp-url";
    let user = problems.secret("amqp-user", args.amqp_user.as_ref(), args.amqp_user_file.as_ref());
    let password = problems.secret("amqp-password", args.amqp_password.as_ref(), args.amqp_password_file.as_ref());
    let urls = match (&args.amqp_urls[..], &args.amqp_url_file) {
        ([], None) => {
            problems.add(FLAG, "missing (or OUTBOX_AMQP_URL)");
            return None;
        }
        ([], file) => vec![problems.secret(FLAG, None, file.as_ref())?],
        (urls, None) => urls.iter().map(|url| Secret::from(url.as_str())).collect(),
        (_, Some(_)) => {
            problems.add(FLAG, "given together with --amqp-url-file; use only one of them");
            return None;
        }
    };
    let files =
        TlsFiles { ca: args.amqp_ca_file.clone(), cert: args.amqp_cert_file.clone(), key: args.amqp_key_file.clone() };
    let address = BrokerAddress { urls, user, password, files, good: GoodAddresses::default() };
    match address.check_urls() {
        Ok(()) => {
            if let Err(error) = address.check() {
                problems.add_tls(FLAG, "amqp", &address.files, &error);
            }
            Some(address)
        }
        Err(error) => {
            problems.add(FLAG, error);
            None
        }
    }
}
