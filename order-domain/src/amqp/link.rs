//! The connection to RabbitMQ that all consumers share: connects, watches it, and connects again. Each connection is a
//! generation of its own, because nothing may be acknowledged on another connection than it came from; lapin's recovery,
//! which would hide the change, stays off.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures_util::StreamExt as _;
use lapin::{Connection, ConnectionProperties, Event};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::deadline::{ANSWER_TIMEOUT, deadline};
use super::wire::short;

const HEARTBEAT_SECONDS: u16 = 8;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A connection that lasted this long was a good one: the next try comes at once.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Makes connections. A service that verifies TLS in its own way, or reads secrets from files, implements it;
/// [`AmqpUrl`] is enough for the rest.
pub trait Connector: Send + Sync + 'static {
    /// A new connection, shown as `name` in the broker's management pages. Its wait is bounded by the caller. The error must
    /// not have the password in it.
    fn connect(&self, name: &str) -> impl Future<Output = Result<Connection, String>> + Send;
}

/// Connects by a URL, `amqp://user:password@host:port/vhost`; `amqps` needs one of lapin's TLS features.
#[derive(Clone)]
pub struct AmqpUrl(String);

impl AmqpUrl {
    /// Takes the URL as it is.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }
}

impl std::fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AmqpUrl(hidden)")
    }
}

impl Connector for AmqpUrl {
    async fn connect(&self, name: &str) -> Result<Connection, String> {
        let mut uri: lapin::uri::AMQPUri = self.0.parse().map_err(|_| "the URL is not one of AMQP".to_owned())?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        Connection::connect_uri(uri, properties).await.map_err(|error| error.to_string())
    }
}

/// A connection, and which one it is.
#[derive(Clone)]
pub(super) struct Live {
    pub generation: u64,
    pub connection: Arc<Connection>,
}

/// The connection as consumers see it.
#[derive(Clone)]
pub(super) struct Link {
    live: watch::Sender<Option<Live>>,
    given_up: mpsc::UnboundedSender<(u64, String)>,
}

/// The same, for whoever keeps it up.
pub(super) struct Supervisor {
    live: watch::Sender<Option<Live>>,
    given_up: mpsc::UnboundedReceiver<(u64, String)>,
}

/// Both ends.
pub(super) fn link() -> (Link, Supervisor) {
    let live = watch::Sender::new(None);
    let (sender, receiver) = mpsc::unbounded_channel();
    (Link { live: live.clone(), given_up: sender }, Supervisor { live, given_up: receiver })
}

impl Link {
    /// The next connection that is up.
    pub async fn live(&self) -> Live {
        let mut live = self.live.subscribe();
        match live.wait_for(Option::is_some).await.map(|live| live.clone()) {
            Ok(Some(live)) => live,
            // Nobody keeps it up any more, so none will come.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Returns when the connection of `generation` is not the present one any more.
    pub async fn ended(&self, generation: u64) {
        let mut live = self.live.subscribe();
        let is_other = |live: &Option<Live>| live.as_ref().is_none_or(|live| live.generation != generation);
        // An error: nobody keeps it up any more, which is an end too.
        drop(live.wait_for(is_other).await);
    }

    /// The connection of `generation` does not answer: have another one.
    pub fn give_up(&self, generation: u64, why: &str) {
        // An error: the supervisor has ended, and the connection with it.
        drop(self.given_up.send((generation, why.to_owned())));
    }
}

impl Supervisor {
    /// Keeps a connection up until `stop`, then closes it.
    pub async fn run(mut self, connector: impl Connector, name: &str, stop: CancellationToken) {
        let mut generation = 0;
        let backoff = ExponentialBuilder::default()
            .with_min_delay(PAUSE_MIN)
            .with_max_delay(PAUSE_MAX)
            .with_jitter()
            .without_max_times();
        let mut pauses = backoff.build();
        loop {
            let connecting = deadline(ANSWER_TIMEOUT, "connecting", connector.connect(name));
            let connected = tokio::select! {
                () = stop.cancelled() => return,
                connected = connecting => connected.and_then(|connected| connected),
            };
            match connected {
                Ok(connection) => {
                    generation += 1;
                    tracing::info!(generation, "connected to the broker");
                    let up_since = tokio::time::Instant::now();
                    let why = self.watch_over(connection, generation, &stop).await;
                    if stop.is_cancelled() {
                        return;
                    }
                    tracing::warn!(generation, error = why, "the connection to the broker ended");
                    if up_since.elapsed() >= GOOD_FOR {
                        pauses = backoff.build();
                    }
                }
                Err(error) => tracing::warn!(error, "cannot connect to the broker; trying again"),
            }
            let pause = pauses.next().unwrap_or(PAUSE_MAX).min(PAUSE_MAX);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Serves one connection until it ends, is given up or the service stops. Returns why.
    async fn watch_over(&mut self, connection: Connection, generation: u64, stop: &CancellationToken) -> String {
        let mut events = Box::pin(connection.events_listener());
        let connection = Arc::new(connection);
        self.live.send_replace(Some(Live { generation, connection: Arc::clone(&connection) }));
        let why = loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::Error(error)) if connection.status().connected() => {
                        tracing::debug!(generation, %error, "a channel ended");
                    }
                    Some(Event::Error(error)) => break error.to_string(),
                    Some(_) => {}
                    None => break "its events ended".to_owned(),
                },
                given_up = self.given_up.recv() => match given_up {
                    Some((which, why)) if which == generation => break why,
                    Some(_) => {}
                    None => break "nobody uses it any more".to_owned(),
                },
                () = stop.cancelled() => break "the service ends".to_owned(),
            }
        };
        self.live.send_replace(None);
        if stop.is_cancelled() {
            let closing = connection.close(200, short("the service ends"));
            match deadline(CLOSE_TIMEOUT, "closing the connection", closing).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "the connection did not close in good order"),
                Err(error) => tracing::debug!(error, "the connection did not close in good order"),
            }
        }
        why
    }
}
