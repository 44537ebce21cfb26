//! How to reach the broker: AMQP URLs as pasted, user and password beside them.

use lapin::uri::{AMQPScheme, AMQPUri};

use crate::cli::services::BrokerArgs;
use crate::config::problems::Problems;
use crate::link::broker::{BrokerSettings, Exchange};

pub(super) fn broker(
    problems: &mut Problems,
    args: &BrokerArgs,
    declare: Vec<Exchange>,
    connection_name: String,
) -> Option<BrokerSettings> {
    let password = problems.secret("amqp-password", args.amqp_password.as_ref(), args.amqp_password_file.as_ref());
    if args.amqp_urls.is_empty() {
        problems.add("amqp-url", "missing (or OUTBOX_AMQP_URL)");
        return None;
    }
    let uris: Vec<AMQPUri> = args.amqp_urls.iter().filter_map(|url| amqp_url(problems, url)).collect();
    (uris.len() == args.amqp_urls.len()).then(|| BrokerSettings {
        uris,
        user: args.amqp_user.clone(),
        password,
        connection_name,
        declare,
    })
}

/// Reads an AMQP URL as people paste it: a trailing `/` is the vhost `/`, and IPv6 literals are addresses, which lapin's own parser
/// takes for `localhost`.
pub(super) fn amqp_url(problems: &mut Problems, url: &str) -> Option<AMQPUri> {
    let mut uri: AMQPUri = match url.parse() {
        Ok(uri) => uri,
        Err(error) => {
            let error: String = error;
            // The parser repeats parts of the URL in some of its words, and a URL may hold a password.
            let words = if error.contains("scheme") { "the scheme is not amqp" } else { "it cannot be read" };
            problems.add("amqp-url", format_args!("no AMQP URL such as amqp://user@host:5672/vhost: {words}"));
            return None;
        }
    };
    if uri.scheme == AMQPScheme::AMQPS {
        problems.add("amqp-url", "TLS is not built into this version; use amqp:// where the network is trusted");
        return None;
    }
    if let Some(host) = ipv6_literal(url) {
        host.clone_into(&mut uri.authority.host);
    }
    if uri.vhost.is_empty() {
        uri.vhost = "/".into();
    }
    Some(uri)
}

fn ipv6_literal(url: &str) -> Option<&str> {
    let authority = url.split("://").nth(1)?.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    host.strip_prefix('[')?.split(']').next()
}
