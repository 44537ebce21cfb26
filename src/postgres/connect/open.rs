//! One connection to one host: TCP to the addresses of its name, TLS if asked for, login, and whether the server takes writes. Called by
//! `connect`.
//!
//! Each address has its own limits. The driver would try one address after the other, and would make room for any message before the login.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::poll_fn;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Connection, Error, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::deadline::deadline;
use crate::net::dial::{Addresses, GoodAddresses};
use crate::net::io_words;
use crate::postgres::connect::guard::{Guarded, GuardedTls};
use crate::postgres::connect::words::{READ_ONLY, connect_words, is_read_only};
use crate::postgres::connect::{Attempt, CONNECT_TIMEOUT, Messages, Refusal};

/// The limit of one address after TCP: TLS and login together.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(8);
/// Against half-open connections (hazard A23).
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);

/// A connection, and where it leads; `None` for a socket.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) messages: Messages,
    pub(super) address: Option<SocketAddr>,
}

/// Why there is no connection.
enum Failed {
    Driver(Error),
    ReadOnly,
    Words(String),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl Failed {
    fn refusal(&self, host: &str) -> Refusal {
        match self {
            Self::Driver(error) => Refusal { words: connect_words(error, host), is_read_only: is_read_only(error) },
            Self::ReadOnly => Refusal { words: READ_ONLY.to_owned(), is_read_only: true },
            Self::Words(words) => Refusal::of(words.clone()),
        }
    }

    /// Whether the other attempt may succeed: the handshake failed, or the server does not accept logins this way.
    fn depends_on_tls(&self) -> bool {
        use tokio_postgres::error::SqlState;
        match self {
            Self::ReadOnly | Self::Words(_) => false,
            Self::Driver(error) => match error.code() {
                Some(code) => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                None => error.to_string().contains("TLS"),
            },
        }
    }
}

/// Tries the addresses of the node's host until one takes the login.
pub(super) async fn open(node: &Config, attempts: &[Attempt], good: &GoodAddresses) -> Result<Opened, Refusal> {
    let host = match node.get_hosts().first() {
        Some(Host::Tcp(host)) => host.as_str(),
        Some(Host::Unix(_)) | None => return open_socket(node).await,
    };
    let mut addresses = addresses(node, host, good).await.map_err(Refusal::of)?;
    let (mut errors, mut is_read_only) = (Vec::new(), false);
    while addresses.are_left() {
        let (stream, address) = match addresses.dial().await {
            Ok(dialled) => dialled,
            Err(error) => {
                errors.push(error);
                break;
            }
        };
        match deadline(LOGIN_TIMEOUT, "the login", open_address(node, host, stream, address, attempts)).await {
            Ok(Ok((client, messages))) => {
                good.remember(host, address);
                return Ok(Opened { client, messages, address: Some(address) });
            }
            Ok(Err(refusal)) => {
                is_read_only |= refusal.is_read_only;
                errors.push(addresses.placed(address, &refusal.words));
            }
            Err(error) => errors.push(addresses.placed(address, &error.to_string())),
        }
    }
    Err(Refusal { words: errors.join(", "), is_read_only })
}

async fn addresses(node: &Config, host: &str, good: &GoodAddresses) -> Result<Addresses, String> {
    let limit = node.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
    let port = node.get_ports().first().copied().unwrap_or(5432);
    if let Some(address) = node.get_hostaddrs().first() {
        return Ok(Addresses::only(SocketAddr::new(*address, port), limit));
    }
    let addresses = Addresses::look_up(host, port, limit, good).await?;
    Ok(if node.get_load_balance_hosts() == LoadBalanceHosts::Random { addresses.shuffled() } else { addresses })
}

/// As in libpq: a socket is on this machine, whatever sslmode says.
async fn open_socket(node: &Config) -> Result<Opened, Refusal> {
    let connecting = async {
        let (client, connection) = node.connect(NoTls).await.map_err(|error| Failed::Driver(error).refusal(""))?;
        Ok(Opened { client, messages: messages(connection), address: None })
    };
    deadline(LOGIN_TIMEOUT, "the login", connecting).await.map_err(|error| Refusal::of(error.to_string()))?
}

/// Tries one address with each attempt until one succeeds. There are two only if TLS is optional.
async fn open_address(
    node: &Config,
    host: &str,
    stream: TcpStream,
    address: SocketAddr,
    attempts: &[Attempt],
) -> Result<(Client, Messages), Refusal> {
    let mut first = None;
    let mut dialled = Some(stream);
    for (mode, tls) in attempts {
        let stream = match dialled.take() {
            Some(stream) => stream,
            None => Addresses::only(address, LOGIN_TIMEOUT).dial().await.map_err(Refusal::of)?.0,
        };
        set_options(&stream).map_err(|error| Refusal::of(io_words(&error)))?;
        let mut node = node.clone();
        node.ssl_mode(*mode);
        let attempted = match tls {
            None => log_in(&node, stream, NoTls).await,
            Some(config) => {
                let mut config = config.clone();
                if node.get_ssl_negotiation() == SslNegotiation::Direct {
                    config.alpn_protocols = vec![b"postgresql".to_vec()];
                }
                match encryption(config, host) {
                    Ok(tls) => log_in(&node, stream, tls).await,
                    Err(words) => Err(Failed::Words(words)),
                }
            }
        };
        match attempted {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                let refusal = error.refusal(host);
                if !error.depends_on_tls() {
                    return Err(first.unwrap_or(refusal));
                }
                first.get_or_insert(refusal);
            }
        }
    }
    Err(first.unwrap_or_default())
}

fn set_options(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))
}

type Encryption = GuardedTls<<MakeRustlsConnect as MakeTlsConnect<Guarded<TcpStream>>>::TlsConnect>;

fn encryption(config: rustls::ClientConfig, host: &str) -> Result<Encryption, String> {
    let mut maker = MakeRustlsConnect::new(config);
    let tls = MakeTlsConnect::<Guarded<TcpStream>>::make_tls_connect(&mut maker, host);
    tls.map(GuardedTls).map_err(|error| error.to_string())
}

async fn log_in<T>(node: &Config, stream: TcpStream, tls: T) -> Result<(Client, Messages), Failed>
where
    T: TlsConnect<Guarded<TcpStream>>,
    T::Stream: Send + 'static,
{
    let asks_for_tls =
        node.get_ssl_mode() != SslMode::Disable && node.get_ssl_negotiation() == SslNegotiation::Postgres;
    let is_encrypted_at_once = node.get_ssl_negotiation() == SslNegotiation::Direct;
    let stream = Guarded::new(stream, asks_for_tls).unless(is_encrypted_at_once);
    let (client, connection) = node.connect_raw(stream, tls).await?;
    let mut messages = messages(connection);
    if node.get_target_session_attrs() != TargetSessionAttrs::Any && takes_no_writes(&client, &mut messages).await? {
        return Err(Failed::ReadOnly);
    }
    Ok((client, messages))
}

fn messages<S, T>(mut connection: Connection<S, T>) -> Messages
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    poll_fn(move |context| connection.poll_message(context)).boxed()
}

/// As the driver asks for `target_session_attrs`.
async fn takes_no_writes(client: &Client, messages: &mut Messages) -> Result<bool, Failed> {
    let asking = client.simple_query("SHOW transaction_read_only");
    tokio::pin!(asking);
    let rows = loop {
        tokio::select! {
            biased;
            rows = &mut asking => break rows?,
            message = messages.next() => match message {
                Some(message) => {
                    message?;
                }
                None => return Err(Failed::Words("the server closed the connection after the login".to_owned())),
            },
        }
    };
    Ok(rows.iter().any(|row| matches!(row, SimpleQueryMessage::Row(row) if row.get(0) == Some("on"))))
}
