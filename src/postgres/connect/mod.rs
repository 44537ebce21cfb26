//! How to reach PostgreSQL, and one connection to it. Reads everything that may rotate (URL, user,
//! password, certificates) again at each connect.
//!
//! Used by the pool, the listener and the commands. Never connects to a server that refuses writes,
//! or with less TLS than the URL asks for. Every wait has a deadline, and no error or log line
//! contains a secret.

mod guard;
mod key_values;
mod open;
pub mod url;
#[cfg(test)]
mod url_tests;
pub(crate) mod words;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode as DriverSslMode, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, NoTls};

use crate::net::dial::{Addresses, GoodAddresses};
use crate::net::secret::Secret;
use crate::net::tls::{TlsFiles, TlsProblem, Verify, client_config};
use crate::postgres::connect::open::{Opened, open};
use crate::postgres::connect::url::{DatabaseUrl, SslMode, parse};
pub use crate::postgres::connect::words::chain;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// How to reach the database. `Debug` hides secrets.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// The URL.
    pub url: Secret,
    /// Overrides the URL's user.
    pub user: Option<Secret>,
    /// Overrides the URL's password.
    pub password: Option<Secret>,
    /// Override the URL's certificate files.
    pub files: TlsFiles,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Whether a server that refuses writes is acceptable.
    any_server: bool,
    /// What worked before.
    good: GoodAddresses,
    /// What was already logged.
    said: Arc<Mutex<Said>>,
}

/// The messages of a connection. The connection lives while they are read.
pub(crate) type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

/// Why there is no connection.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// The URL, or a file, cannot be used as it is now.
    #[error("{0}")]
    Settings(String),
    /// The server, or the network: each host with its error.
    #[error("{0}")]
    Server(String),
    /// No host takes writes, and one of them answered.
    #[error("{0}")]
    ReadOnly(String),
}

/// Why one host does not do.
#[derive(Debug, Default)]
struct Refusal {
    words: String,
    is_read_only: bool,
}

impl Refusal {
    /// For any other reason.
    fn of(words: String) -> Self {
        Self { words, is_read_only: false }
    }
}

#[derive(Debug, Default)]
struct Said {
    /// The last connection that was logged; `None` after a failure.
    connected: Option<String>,
    /// Where that was, for requests to cancel; `None` for a socket.
    address: Option<SocketAddr>,
    unverified: bool,
}

impl DatabaseSettings {
    /// Does not read or connect anything yet.
    pub fn new(
        url: Secret,
        user: Option<Secret>,
        password: Option<Secret>,
        files: TlsFiles,
        application_name: &str,
    ) -> Self {
        let application_name = application_name.to_owned();
        let good = GoodAddresses::default();
        Self { url, user, password, files, application_name, any_server: false, good, said: Arc::default() }
    }

    /// The same address, but accepting any server that answers, even a standby.
    pub fn any_server(&self, application_name: String) -> Self {
        Self { application_name, any_server: true, said: Arc::default(), ..self.clone() }
    }

    /// For reading commands, which also look at a server that takes no writes.
    pub fn for_reading(&self) -> Self {
        self.any_server(self.application_name.clone())
    }

    /// Whether the URL names several hosts.
    pub fn has_several_hosts(&self) -> bool {
        self.target().is_ok_and(|target| target.url.nodes().len() > 1)
    }

    /// Whether both lead to the same hosts and ports.
    pub fn leads_to(&self, other: &Self) -> bool {
        let places =
            |settings: &Self| settings.target().map(|target| target.url.nodes().iter().map(place).collect::<Vec<_>>());
        matches!((places(self), places(other)), (Ok(here), Ok(there)) if here == there)
    }

    /// Checks the URL as it is now, without connecting.
    pub fn check_url(&self) -> Result<(), ConnectError> {
        self.target().map(|_| ())
    }

    /// Checks URL and certificate files as they are now, without connecting.
    pub fn check(&self) -> Result<(), TlsProblem> {
        let target = self.target().map_err(|error| error.to_string())?;
        target.tls().map(|_| ())
    }

    /// Opens one connection, driven by a task that ends with it.
    pub async fn connect(&self) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let (client, mut messages) = self.open().await?;
        let task = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                if let Err(error) = message {
                    tracing::debug!(error = chain(&error), "a database connection ended");
                    return;
                }
            }
        });
        Ok((client, task))
    }

    /// Opens one connection, which its owner drives by reading its messages.
    pub(crate) async fn open(&self) -> Result<(Client, Messages), ConnectError> {
        // On the heap: TLS and login make a large future, and every caller would carry it.
        let opened = Box::pin(self.try_hosts()).await;
        if opened.is_err() {
            self.said().connected = None;
        }
        opened
    }

    async fn try_hosts(&self) -> Result<(Client, Messages), ConnectError> {
        let target = self.target()?;
        if target.is_unverified() && !std::mem::replace(&mut self.said().unverified, true) {
            tracing::warn!("the database server's certificate is not verified; add sslmode=verify-full to the URL");
        }
        let attempts = target.tls().map_err(|problem| ConnectError::Settings(problem.into()))?;
        let mut errors = Vec::new();
        let mut is_read_only = false;
        for mut node in target.url.nodes() {
            complete(&mut node, &self.application_name);
            if self.any_server {
                node.target_session_attrs(TargetSessionAttrs::Any);
            }
            let place = place(&node);
            match open(&node, &attempts, &self.good).await {
                Ok(Opened { client, messages, address }) => {
                    self.connected_to(&node, &place, address);
                    return Ok((client, messages));
                }
                Err(refusal) => {
                    is_read_only |= refusal.is_read_only;
                    errors.push(format!("{place}: {}", refusal.words));
                }
            }
        }
        let words = errors.join("; ");
        Err(if is_read_only { ConnectError::ReadOnly(words) } else { ConnectError::Server(words) })
    }

    /// Cancels the statement of the last connection that was opened. Over TLS the driver refuses this; the statement then
    /// runs to its end or its limit.
    pub(crate) async fn cancel(&self, token: CancelToken) -> Result<(), tokio_postgres::Error> {
        let address = self.said().address;
        let dialled = match address {
            Some(address) => Addresses::only(address, CONNECT_TIMEOUT).dial().await.ok(),
            None => None,
        };
        match dialled {
            Some((stream, _)) => token.cancel_query_raw(stream, NoTls).await,
            None => token.cancel_query(NoTls).await,
        }
    }

    /// Where to connect, with the present contents of every file.
    fn target(&self) -> Result<Target, ConnectError> {
        let read = |secret: &Secret| secret.read().map_err(|error| ConnectError::Settings(error.to_string()));
        let mut url = parse(read(&self.url)?.trim()).map_err(|error| {
            ConnectError::Settings(match &self.url {
                Secret::Text(_) => error,
                Secret::File(path) => format!("the file '{}': {error}", path.display()),
            })
        })?;
        if let Some(user) = &self.user {
            url.config.user(read(user)?);
        }
        if let Some(password) = &self.password {
            url.config.password(read(password)?);
        }
        let files = self.files.clone().or(&url.files);
        // Whoever names an authority wants its certificate checked.
        let safe = url.is_remote() || files.ca.is_some() || url.system_roots;
        let default = if safe { SslMode::VerifyFull } else { SslMode::Prefer };
        let ssl_mode = url.ssl_mode.unwrap_or(default);
        Ok(Target { url, files, ssl_mode })
    }

    /// Logs once per host, and each time it is back, because an idle relay reconnects now and then.
    fn connected_to(&self, node: &Config, place: &str, address: Option<SocketAddr>) {
        let user = node.get_user().unwrap_or_default();
        let connected = format!("{place}/{} as {user}", node.get_dbname().unwrap_or(user));
        let mut said = self.said();
        said.address = address;
        if said.connected.as_ref() != Some(&connected) {
            tracing::info!("connected to the database {connected}");
            said.connected = Some(connected);
        }
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A URL, completed by the values that override its parts.
struct Target {
    url: DatabaseUrl,
    files: TlsFiles,
    ssl_mode: SslMode,
}

/// One way to try: the driver's mode, and its TLS configuration.
type Attempt = (DriverSslMode, Option<rustls::ClientConfig>);

impl Target {
    /// The attempts for one host, in order.
    fn tls(&self) -> Result<Vec<Attempt>, TlsProblem> {
        let config = |verify| client_config(&self.files, verify).map(Some);
        let plain = || (DriverSslMode::Disable, None);
        Ok(match self.ssl_mode {
            SslMode::Disable => vec![plain()],
            SslMode::Allow => vec![plain(), (DriverSslMode::Require, config(Verify::Nothing)?)],
            SslMode::Prefer => vec![(DriverSslMode::Prefer, config(Verify::Nothing)?), plain()],
            SslMode::Require if self.files.ca.is_none() => vec![(DriverSslMode::Require, config(Verify::Nothing)?)],
            SslMode::VerifyCa | SslMode::Require if self.url.system_roots => {
                return Err("sslrootcert=system needs sslmode=verify-full: anybody can get a certificate from a public authority"
                    .to_owned()
                    .into());
            }
            SslMode::VerifyCa if self.files.ca.is_none() => {
                return Err("sslmode=verify-ca needs an authority: --database-ca-file or sslrootcert; or use sslmode=verify-full"
                    .to_owned()
                    .into());
            }
            SslMode::Require | SslMode::VerifyCa => vec![(DriverSslMode::Require, config(Verify::Chain)?)],
            SslMode::VerifyFull => vec![(DriverSslMode::Require, config(Verify::Full)?)],
        })
    }

    fn is_unverified(&self) -> bool {
        let verifies = match self.ssl_mode {
            // No TLS is asked for, so nothing can seem to be verified.
            SslMode::Disable | SslMode::VerifyCa | SslMode::VerifyFull => true,
            SslMode::Require => self.files.ca.is_some(),
            SslMode::Allow | SslMode::Prefer => !self.url.is_remote(),
        };
        !verifies
    }
}

/// Never a standby, where claims may work and marks fail.
fn complete(node: &mut Config, application_name: &str) {
    let asked = node.get_connect_timeout().copied().filter(|timeout| !timeout.is_zero());
    node.application_name(application_name)
        .connect_timeout(asked.unwrap_or(CONNECT_TIMEOUT).min(CONNECT_TIMEOUT_MAX))
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
}

fn place(node: &Config) -> String {
    let port = node.get_ports().first().copied().unwrap_or(5432);
    match node.get_hosts().first() {
        Some(Host::Tcp(host)) if host.contains(':') => format!("[{host}]:{port}"),
        Some(Host::Tcp(host)) => format!("{host}:{port}"),
        Some(Host::Unix(path)) => format!("{}:{port}", path.display()),
        None => "?".to_owned(),
    }
}
