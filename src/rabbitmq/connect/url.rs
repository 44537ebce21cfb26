//! AMQP URLs as people paste them, with RabbitMQ's query parameters, IPv6 literals, and clear
//! errors for what is not supported.
//!
//! Called by `broker_connect` at each connect, because URLs may be in a file that changes. Never
//! repeats the URL, which may contain a password.

use std::net::Ipv6Addr;
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};

use crate::net::tls::TlsFiles;
use crate::net::{authority, is_loopback};

/// A parsed URL. Has no `Debug`, because it contains the password.
#[derive(Clone)]
pub struct AmqpUrl {
    /// The part for lapin, without the TLS parameters.
    pub uri: AMQPUri,
    /// Whether a user is named, or none is needed.
    pub has_user: bool,
    /// `cacertfile`, `certfile` and `keyfile`.
    pub files: TlsFiles,
    /// `server_name_indication`: the name that the certificate must have, if it is not the host's.
    pub server_name: Option<String>,
    /// `connection_timeout`.
    pub connect_timeout: Option<Duration>,
}

const EXAMPLE: &str = "not an AMQP URL such as amqp://user@host:5672/vhost";
const CONNECT_TIMEOUT_MS_MAX: u64 = 120_000;

/// Parses a URL. The error says what is wrong and how to fix it.
pub fn parse(text: &str) -> Result<AmqpUrl, String> {
    authority::check(text)?;
    let mut uri: AMQPUri = text.parse().map_err(|error: String| {
        // Some of the parser's errors repeat parts of the URL.
        let words =
            if error.contains("scheme") { "the scheme is neither amqp nor amqps" } else { "it cannot be parsed" };
        format!("{EXAMPLE}: {words}; characters such as @ : / ? # in user, password or vhost must be percent-encoded")
    })?;
    let authority = text.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
        // lapin's own parser would take it for `localhost`.
        let address: Ipv6Addr =
            literal.parse().map_err(|_| format!("{EXAMPLE}: the brackets do not contain an IPv6 address"))?;
        uri.authority.host = address.to_string();
    } else if host.is_empty() || host.starts_with(':') {
        return Err("names no host".to_owned());
    }
    if uri.vhost.is_empty() {
        uri.vhost = "/".into();
    }
    let has_user = !user.split(':').next().unwrap_or_default().is_empty()
        || uri.query.auth_mechanism == Some(SASLMechanism::External)
        || is_loopback(&uri.authority.host);
    let mut url = AmqpUrl { uri, has_user, files: TlsFiles::default(), server_name: None, connect_timeout: None };
    let query = text.split_once('?').map_or("", |(_, query)| query);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        url.take(name, &decode(value)?)?;
    }
    if url.uri.query.heartbeat == Some(0) {
        return Err("heartbeat=0 would leave a dead connection unnoticed; remove it".to_owned());
    }
    Ok(url)
}

/// Decodes percents only. Form encoding also writes spaces as `+`, but no path or name here needs
/// that.
fn decode(value: &str) -> Result<String, String> {
    let decoded = percent_encoding::percent_decode_str(value).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| format!("{EXAMPLE}: a parameter is not UTF-8"))
}

impl AmqpUrl {
    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        let encrypted = self.uri.scheme == AMQPScheme::AMQPS;
        match (name, value) {
            ("cacertfile" | "certfile" | "keyfile" | "server_name_indication" | "verify", _) if !encrypted => {
                return Err(format!("'{name}' needs TLS: write amqps:// instead of amqp://"));
            }
            ("cacertfile", file) => self.files.ca = Some(file.into()),
            ("certfile", file) => self.files.cert = Some(file.into()),
            ("keyfile", file) => self.files.key = Some(file.into()),
            ("verify", "verify_peer") => {}
            ("verify", _) => {
                return Err("verify=verify_none would publish to anybody who answers; remove it, and name a private authority with --amqp-ca-file"
                    .to_owned());
            }
            ("server_name_indication", "" | "disable") => {
                return Err("server_name_indication=disable would accept any certificate of an authority; remove it, or set the certificate's name"
                    .to_owned());
            }
            ("server_name_indication", name) => self.server_name = Some(name.to_owned()),
            ("connection_timeout", text) => match text.parse() {
                Ok(ms @ 1..=CONNECT_TIMEOUT_MS_MAX) => self.connect_timeout = Some(Duration::from_millis(ms)),
                Ok(_) | Err(_) => {
                    return Err(format!("connection_timeout must be 1 to {CONNECT_TIMEOUT_MS_MAX} (milliseconds)"));
                }
            },
            // lapin has read these. `depth` and the server's options do not apply to us.
            ("heartbeat" | "channel_max" | "frame_max" | "auth_mechanism" | "depth" | "fail_if_no_peer_cert", _) => {}
            ("password", _) => return Err("'password' is for the key file; use a key without one".to_owned()),
            (name, _) if name.len() <= 40 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                return Err(format!("unknown parameter '{name}'; remove it"));
            }
            // It may be part of a password that was not percent-encoded.
            _ => return Err("unknown parameter after the ?; remove it".to_owned()),
        }
        Ok(())
    }
}
