//! One connection to one node of the broker: TCP, TLS and login. Reads everything that may rotate
//! (URLs, user, password, certificates) again at each connect.
//!
//! Called by the supervisor. Every wait has a deadline. Errors name the node and the fix, and never
//! contain a secret.

mod guard;
mod stream;
pub mod url;
#[cfg(test)]
mod url_tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, ErrorKind};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::deadline::deadline;
use crate::net::authority::split_list;
use crate::net::dial::{Addresses, GoodAddresses};
use crate::net::secret::Secret;
use crate::net::tls::words::{Peer, explain, tls_error};
use crate::net::tls::{TlsFiles, TlsProblem, Verify, client_config};
use crate::net::{cut, io_words};
use crate::rabbitmq::connect::stream::{BrokerReactor, BrokerStream, HangUp};
use crate::rabbitmq::connect::url::{AmqpUrl, parse};

/// The limit for TCP and TLS, and again for the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A dead peer is noticed within two to three intervals.
const HEARTBEAT_SECONDS: u16 = 8;
/// RabbitMQ's default. Set beforehand, so that lapin allocates its buffers of 4 MiB only once, as
/// untouched pages. Otherwise they would grow after the negotiation, which touches all of them.
const FRAME_BYTES_MAX: u32 = 131_072;

/// How to log in to the broker. `Debug` hides secrets.
#[derive(Debug, Clone)]
pub struct BrokerAddress {
    /// URLs of the nodes; each value may contain several, separated by commas or newlines.
    pub urls: Vec<Secret>,
    /// Overrides the URLs' user.
    pub user: Option<Secret>,
    /// Overrides the URLs' password.
    pub password: Option<Secret>,
    /// Override the URLs' certificate files.
    pub files: TlsFiles,
    /// What worked before.
    pub good: GoodAddresses,
}

impl BrokerAddress {
    /// Whether a password can change while the relay runs: it is in a file, or in the file of a URL.
    pub(crate) fn reads_files(&self) -> bool {
        let is_file = |secret: &Secret| matches!(secret, Secret::File(_));
        self.urls.iter().chain(&self.password).any(is_file)
    }
}

/// A node, with the present contents of every file. Has no `Debug`, because it contains the
/// password.
#[derive(Clone)]
pub(crate) struct Node {
    url: AmqpUrl,
    files: TlsFiles,
    good: GoodAddresses,
}

/// Why there is no connection at one address, and whether the broker itself said so, which the others would repeat.
struct Refusal {
    words: String,
    is_answer: bool,
}

impl From<String> for Refusal {
    fn from(words: String) -> Self {
        Self { words, is_answer: false }
    }
}

/// How to encrypt, and the name that the certificate must have; `None` for `amqp://`.
type Tls = Option<(TlsConnector, ServerName<'static>)>;

impl BrokerAddress {
    /// Checks the URLs as they are now, without connecting.
    pub fn check_urls(&self) -> Result<(), String> {
        self.nodes().map(|_| ())
    }

    /// Checks URLs and certificate files as they are now, without connecting.
    pub fn check(&self) -> Result<(), TlsProblem> {
        self.nodes()?.iter().try_for_each(|node| node.tls().map(|_| ()))
    }

    /// Every node.
    pub(crate) fn nodes(&self) -> Result<Vec<Node>, String> {
        let read = |secret: &Secret| secret.read().map_err(|error| error.to_string());
        let user = self.user.as_ref().map(read).transpose()?;
        let password = self.password.as_ref().map(read).transpose()?;
        let mut nodes = Vec::new();
        for secret in &self.urls {
            let text = read(secret)?;
            let placed = |error| match secret {
                Secret::Text(_) => error,
                Secret::File(path) => format!("the file '{}': {error}", path.display()),
            };
            for text in split_list(&text).map_err(placed)? {
                let mut url = parse(text).map_err(placed)?;
                if !url.has_user && user.is_none() {
                    return Err("names no user, and RabbitMQ accepts its guest only from its own host; write amqps://USER@host, or pass --amqp-user"
                        .to_owned());
                }
                let login = &mut url.uri.authority.userinfo;
                if let Some(user) = &user {
                    login.username.clone_from(user);
                }
                if let Some(password) = &password {
                    login.password.clone_from(password);
                }
                url.uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
                url.uri.query.frame_max.get_or_insert(FRAME_BYTES_MAX);
                // 0 is no limit.
                if let Some(channels) = url.uri.query.channel_max.as_mut().filter(|channels| **channels > 0) {
                    *channels = channels.saturating_add(CHANNELS_OF_LIBRARY);
                }
                let files = self.files.clone().or(&url.files);
                nodes.push(Node { url, files, good: self.good.clone() });
            }
        }
        if nodes.is_empty() { Err("names no node".to_owned()) } else { Ok(nodes) }
    }
}

impl Node {
    /// Its address, as the log shows it.
    pub(crate) fn place(&self) -> String {
        let AMQPUri { authority, .. } = &self.url.uri;
        if authority.host.contains(':') {
            format!("[{}]:{}", authority.host, authority.port)
        } else {
            format!("{}:{}", authority.host, authority.port)
        }
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.url.uri.scheme == AMQPScheme::AMQPS
    }

    /// User and password.
    pub(crate) fn credentials(&self) -> (&str, &str) {
        let login = &self.url.uri.authority.userinfo;
        (&login.username, &login.password)
    }

    /// Which vhost, as whom.
    pub(crate) fn login(&self) -> String {
        format!("vhost '{}' as {}", self.url.uri.vhost, self.url.uri.authority.userinfo.username)
    }

    /// Connects and logs in, at the first address of its name where that works.
    pub(crate) async fn connect(self, properties: ConnectionProperties) -> Result<Connection, String> {
        let limit = self.url.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        let tls = self.tls()?;
        let AMQPUri { authority, .. } = &self.url.uri;
        let mut addresses = Addresses::look_up(&authority.host, authority.port, limit, &self.good).await?;
        let mut errors = Vec::new();
        while addresses.are_left() {
            let (stream, address) = match addresses.dial().await {
                Ok(dialled) => dialled,
                Err(error) => {
                    errors.push(error);
                    break;
                }
            };
            match self.log_in(stream, &tls, properties.clone(), limit).await {
                Ok(connection) => {
                    self.good.remember(&authority.host, address);
                    return Ok(connection);
                }
                Err(Refusal { words, is_answer }) => {
                    errors.push(addresses.placed(address, &words));
                    if is_answer {
                        break;
                    }
                }
            }
        }
        Err(errors.join(", "))
    }

    async fn log_in(
        &self,
        stream: TcpStream,
        tls: &Tls,
        properties: ConnectionProperties,
        limit: Duration,
    ) -> Result<Connection, Refusal> {
        let encrypted = deadline(limit, "connecting", self.encrypted(stream, tls)).await;
        let (stream, hang_up) = encrypted.map_err(|error| error.to_string())??;
        let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), BrokerReactor(Tokio::current())));
        let stream = Arc::new(Mutex::new(Some(stream)));
        let give = async move |_: AMQPUri, _: Runtime<_>| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            stream
                .map(AsyncTcpStream::Plain)
                .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into())
        };
        let login = Connection::connector(self.url.uri.clone(), runtime, give, properties);
        let connected = deadline(limit, "the login", login).await.map_err(|error| error.to_string())?;
        let connection = connected.map_err(|error| Refusal {
            words: cut(self.login_words(&error)),
            is_answer: matches!(error.kind(), ErrorKind::ProtocolError(_)),
        })?;
        hang_up.never();
        Ok(connection)
    }

    async fn encrypted(&self, stream: TcpStream, tls: &Tls) -> Result<(BrokerStream, HangUp), String> {
        stream.set_nodelay(true).map_err(|error| io_words(&error))?;
        let hang_up = HangUp::of(&stream).map_err(|error| io_words(&error))?;
        let Some((connector, name)) = tls else { return Ok((stream.into(), hang_up)) };
        match connector.connect(name.clone(), stream).await {
            Ok(stream) => Ok((stream.into(), hang_up)),
            Err(error) => Err(cut(self.io_words(&error))),
        }
    }

    fn tls(&self) -> Result<Tls, TlsProblem> {
        match self.url.uri.scheme {
            AMQPScheme::AMQP => Ok(None),
            AMQPScheme::AMQPS => {
                let name = self.server_name().to_owned();
                let server = ServerName::try_from(name)
                    .map_err(|error| format!("the host's name is not valid for TLS: {error}"))?;
                let config = client_config(&self.files, Verify::Full)?;
                Ok(Some((TlsConnector::from(Arc::new(config)), server)))
            }
        }
    }

    fn server_name(&self) -> &str {
        self.url.server_name.as_deref().unwrap_or(&self.url.uri.authority.host)
    }

    fn io_words(&self, error: &std::io::Error) -> String {
        match tls_error(error) {
            Some(error) => explain(error, Peer { host: self.server_name(), flags: "amqp" }),
            None if error.kind() == std::io::ErrorKind::UnexpectedEof && self.url.uri.scheme == AMQPScheme::AMQPS => {
                "the server closed the connection during the TLS handshake; it may not speak TLS on this port"
                    .to_owned()
            }
            None => io_words(error),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "an enum of a library, and it grows")]
    fn login_words(&self, error: &lapin::Error) -> String {
        use std::io::ErrorKind::{BrokenPipe as Pipe, ConnectionAborted as Aborted, ConnectionReset as Reset};
        let user = &self.url.uri.authority.userinfo.username;
        match error.kind() {
            ErrorKind::IOError(error) => match error.kind() {
                // A server that refuses our certificate, or wants one, says so after the handshake.
                // What we have sent by then can make its answer get lost.
                Reset | Aborted | Pipe if self.url.uri.scheme == AMQPScheme::AMQPS && self.files.cert.is_none() => {
                    "the broker ended the connection right after the handshake; it may require a client certificate (--amqp-cert-file \
                     and --amqp-key-file)"
                        .to_owned()
                }
                Reset | Aborted | Pipe => "the broker ended the connection during the login; its log says why".to_owned(),
                _ => self.io_words(error),
            },
            ErrorKind::ProtocolError(error) if error.get_id() == ACCESS_REFUSED => format!(
                "the broker refused the login of user '{user}'; check the URL's user and password, --amqp-user and --amqp-password, and their files"
            ),
            ErrorKind::ProtocolError(error) if error.get_id() == NOT_ALLOWED => {
                not_allowed(&error.get_message().to_string(), user)
            }
            _ => error.to_string(),
        }
    }
}

/// RabbitMQ refuses with one code what a missing vhost, missing permissions and limits of connections have in common.
fn not_allowed(text: &str, user: &str) -> String {
    // Only its words tell them apart, and RabbitMQ's are not translated.
    if text.contains("connection limit") {
        return format!(
            "{text}; the vhost, the node or user '{user}' has no connection left: raise the limit (rabbitmqctl set_vhost_limits, set_user_limits)"
        );
    }
    format!("{text}; create the vhost, or give user '{user}' access with: rabbitmqctl set_permissions")
}

/// lapin counts the connection's own channel 0 among those that `channel_max` allows, and gives one less.
pub(super) const CHANNELS_OF_LIBRARY: u16 = 1;
const ACCESS_REFUSED: u16 = 403;
const NOT_ALLOWED: u16 = 530;
