//! PostgreSQL URLs and libpq's `key=value` strings as people paste them. Handles libpq's TLS
//! parameters, which the driver does not know, and explains parameters of other tools.
//!
//! Called at each connect, because the URL may be in a file that changes. Never repeats the URL,
//! which may contain a password.

use std::borrow::Cow;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};

use crate::net::tls::TlsFiles;
use crate::net::{authority, is_loopback};

/// libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS only if the server insists.
    Allow,
    /// TLS if the server offers it.
    Prefer,
    /// TLS without checking the certificate; with a CA file like `VerifyCa`.
    Require,
    /// TLS to a server whose certificate was issued by the CA file.
    VerifyCa,
    /// TLS, with a certificate for the host's name.
    VerifyFull,
}

/// A parsed URL. Has no `Debug`, because it contains the password.
pub struct DatabaseUrl {
    /// The part for the driver.
    pub config: Config,
    /// How to use TLS; `None` if the URL does not say.
    pub ssl_mode: Option<SslMode>,
    /// `sslrootcert`, `sslcert` and `sslkey`.
    pub files: TlsFiles,
    /// `sslrootcert=system`: only the built-in authorities.
    pub system_roots: bool,
}

/// An unknown name may be part of a password, so it is not shown unless it resembles a parameter.
const DOUBTFUL: &str =
    "unknown parameter; remove it, or percent-encode & and = in a password (quote it where it contains spaces)";
const EXAMPLE: &str = "not a PostgreSQL URL such as postgres://user@host:5432/database";

/// Parses a URL. The error says what is wrong and how to fix it.
pub fn parse(text: &str) -> Result<DatabaseUrl, String> {
    authority::check(text)?;
    let (head, parameters) = split(text)?;
    let mut ours = Ours::default();
    let mut rest = Vec::new();
    for parameter in parameters {
        if !ours.take(&parameter)? {
            rest.push(parameter);
        }
    }
    let is_url = !head.is_empty();
    let text = if is_url { as_url(head, &rest) } else { as_pairs(&rest) };
    let config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
        // The driver's error does not repeat any value.
        let mut words = String::new();
        if let Some(cause) = std::error::Error::source(&error) {
            words = format!(": {cause}");
        }
        format!("{EXAMPLE}{words}; characters such as @ : / ? # in user or password must be percent-encoded")
    })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err("names no host".to_owned());
    }
    let has_blank =
        |host: &Host| matches!(host, Host::Tcp(name) if name.is_empty() || name.contains(char::is_whitespace));
    if config.get_hosts().iter().any(has_blank) {
        return Err(format!("{EXAMPLE}: a host is empty or contains spaces"));
    }
    if config.get_target_session_attrs() == TargetSessionAttrs::ReadOnly {
        return Err("target_session_attrs=read-only is not possible, because the relay writes; remove it".to_owned());
    }
    Ok(DatabaseUrl { config, ssl_mode: ours.ssl_mode, files: ours.files, system_roots: ours.system_roots })
}

impl DatabaseUrl {
    /// One configuration per host, in the order in which to try them.
    pub(crate) fn nodes(&self) -> Vec<Config> {
        let config = &self.config;
        let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
        let mut nodes: Vec<Config> = (0..hosts.len().max(addresses.len()))
            .map(|at| {
                let mut node = without_hosts(config);
                match (hosts.get(at), addresses.get(at)) {
                    (Some(Host::Tcp(host)), address) => {
                        node.host(host);
                        if let Some(address) = address {
                            node.hostaddr(*address);
                        }
                    }
                    (Some(Host::Unix(path)), _) => {
                        node.host_path(path);
                    }
                    (None, Some(address)) => {
                        node.host(address.to_string());
                    }
                    (None, None) => {}
                }
                node.port(ports.get(at).or(ports.first()).copied().unwrap_or(5432));
                node
            })
            .collect();
        if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            fastrand::shuffle(&mut nodes);
        }
        nodes
    }

    /// Whether a host is another machine, judging by its name and address. The address decides
    /// where a connection goes, the name which certificate it must have.
    pub(crate) fn is_remote(&self) -> bool {
        let is_remote = |host: &Host| match host {
            Host::Tcp(name) => !is_loopback(name),
            Host::Unix(_) => false,
        };
        self.config.get_hosts().iter().any(is_remote)
            || self.config.get_hostaddrs().iter().any(|address| !address.is_loopback())
    }
}

/// Everything except the server's address.
fn without_hosts(config: &Config) -> Config {
    let mut copy = Config::new();
    if let Some(user) = config.get_user() {
        copy.user(user);
    }
    if let Some(password) = config.get_password() {
        copy.password(password);
    }
    if let Some(name) = config.get_dbname() {
        copy.dbname(name);
    }
    if let Some(options) = config.get_options() {
        copy.options(options);
    }
    copy.load_balance_hosts(config.get_load_balance_hosts());
    copy.ssl_negotiation(config.get_ssl_negotiation()).channel_binding(config.get_channel_binding());
    copy.connect_timeout(config.get_connect_timeout().copied().unwrap_or(Duration::ZERO));
    copy
}

/// A parameter: its name, its value, and its original text.
struct Parameter<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    raw: &'a str,
}

/// The URL without its query, and the query's parameters. In a `key=value` string, everything is a
/// parameter.
fn split(text: &str) -> Result<(&str, Vec<Parameter<'_>>), String> {
    let Some(start) =
        ["postgres://", "postgresql://"].iter().find(|scheme| text.starts_with(**scheme)).map(|s| s.len())
    else {
        let looks_like_url = text.contains("://");
        let pairs = if looks_like_url { None } else { crate::postgres::connect::key_values::pairs(text) };
        let pairs = pairs.filter(|pairs| !pairs.is_empty()).ok_or_else(|| EXAMPLE.to_owned())?;
        let parameter = |(name, value): (&'_ str, String)| Parameter {
            name: Cow::Owned(name.to_owned()),
            value: Cow::Owned(value),
            raw: "",
        };
        return Ok(("", pairs.into_iter().map(parameter).collect()));
    };
    let Some(query) = text[start..].find('?').map(|at| start + at) else { return Ok((text, Vec::new())) };
    let parameters = text[query + 1..].split('&').filter(|raw| !raw.is_empty());
    let parameters: Option<Vec<_>> = parameters
        .map(|raw| {
            let (name, value) = raw.split_once('=')?;
            Some(Parameter { name: decode(name)?, value: decode(value)?, raw })
        })
        .collect();
    let parameters = parameters.ok_or_else(|| format!("{EXAMPLE}: a parameter after the ? has no value"))?;
    Ok((&text[..query], parameters))
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok()
}

fn as_url(head: &str, parameters: &[Parameter<'_>]) -> String {
    let query: Vec<&str> = parameters.iter().map(|parameter| parameter.raw).collect();
    if query.is_empty() { head.to_owned() } else { format!("{head}?{}", query.join("&")) }
}

fn as_pairs(parameters: &[Parameter<'_>]) -> String {
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    parameters.iter().map(|Parameter { name, value, .. }| format!("{name}='{}' ", quoted(value))).collect()
}

/// The parameters that the driver does not know.
#[derive(Default)]
struct Ours {
    ssl_mode: Option<SslMode>,
    files: TlsFiles,
    system_roots: bool,
}

impl Ours {
    /// Returns whether it has handled the parameter; otherwise it is for the driver.
    fn take(&mut self, Parameter { name, value, .. }: &Parameter<'_>) -> Result<bool, String> {
        match (name.as_ref(), value.as_ref()) {
            ("sslmode", value) => self.ssl_mode = Some(ssl_mode(value)?),
            ("sslrootcert", "system") => self.system_roots = true,
            ("sslrootcert", value) => self.files.ca = Some(value.into()),
            ("sslcert", value) => self.files.cert = Some(value.into()),
            ("sslkey", value) => self.files.key = Some(value.into()),
            // These already are the way they ask for.
            ("gssencmode", "disable" | "prefer") | ("sslcompression", "0") | ("sslcrl", "") => {}
            ("fallback_application_name" | "application_name", _) => {}
            ("client_encoding", value) if value.eq_ignore_ascii_case("utf8") || value.eq_ignore_ascii_case("utf-8") => {
            }
            ("target_session_attrs", "any" | "primary" | "read-write") => {}
            ("target_session_attrs", _) => {
                return Err("this target_session_attrs is not possible, because the relay writes; remove it".to_owned());
            }
            (
                "user"
                | "password"
                | "dbname"
                | "host"
                | "hostaddr"
                | "port"
                | "options"
                | "sslnegotiation"
                | "connect_timeout"
                | "tcp_user_timeout"
                | "keepalives"
                | "keepalives_idle"
                | "keepalives_interval"
                | "keepalives_retries"
                | "channel_binding"
                | "load_balance_hosts",
                _,
            ) => return Ok(false),
            (name, _) => return Err(not_understood(name)),
        }
        Ok(true)
    }
}

fn ssl_mode(value: &str) -> Result<SslMode, String> {
    Ok(match value {
        "disable" => SslMode::Disable,
        "allow" => SslMode::Allow,
        "prefer" => SslMode::Prefer,
        "require" => SslMode::Require,
        "verify-ca" => SslMode::VerifyCa,
        "verify-full" => SslMode::VerifyFull,
        _ => return Err("sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full".to_owned()),
    })
}

/// What people mistype; the others are too rare.
const PARAMETERS: [&str; 15] = [
    "user",
    "password",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "connect_timeout",
    "tcp_user_timeout",
    "target_session_attrs",
    "application_name",
];

fn not_understood(name: &str) -> String {
    let fix = match name {
        "schema" | "currentSchema" | "search_path" => "use --schema",
        "pgbouncer" | "prepareThreshold" | "statement_cache_capacity" | "prepared_statements" | "binary_parameters" => {
            "remove it: the relay works behind a pooler without it"
        }
        "connection_limit" | "pool_timeout" | "pool_size" | "pool_max_conns" | "max_connections" => {
            "remove it: --workers limits the connections"
        }
        "ssl" | "sslaccept" | "tls" | "useSSL" => "use sslmode instead",
        "sslidentity" | "sslpassword" => "use a key without a password, with --database-key-file",
        "sslcrl" | "sslcrldir" => "remove it: revocation lists are not checked",
        "gssencmode" | "krbsrvname" | "gsslib" | "gssdelegation" => "remove it: the relay does not support GSSAPI",
        "service" | "servicefile" => "put the service's values into the URL",
        "passfile" => "use --database-password-file",
        "client_encoding" => "remove it: the encoding is always UTF-8",
        "statement_timeout" | "lock_timeout" => "remove it: the relay sets its own timeouts",
        _ => {
            return match PARAMETERS.into_iter().find(|known| strsim::osa_distance(known, name) <= 2) {
                Some(known) => format!("unknown parameter, perhaps '{known}' is meant"),
                None => DOUBTFUL.to_owned(),
            };
        }
    };
    format!("unknown parameter '{name}'; {fix}")
}
