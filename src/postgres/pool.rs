//! The connection pool to PostgreSQL: bounded, with a deadline on every wait, and empty but for one connection when there is nothing
//! to do. Made by `app`; the store and the upkeep take connections from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Connect, Manager, ManagerConfig, Pool, PoolError, QueueMode, RecyclingMethod, Runtime};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::MutexGuard;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};

use crate::deadline::deadline;
use crate::outbox::store::StoreError;
use crate::postgres::connect::DatabaseSettings;
use crate::postgres::connect::words::chain;

const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Above the deadline of one host, so that its error is heard; where several are tried, those that fit in.
const CREATE_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection that nobody has used for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// A short question is over by then.
const TURN_TIMEOUT: Duration = Duration::from_millis(5);

type Turn = tokio::sync::Mutex<()>;

/// Connections for the batches and the upkeep.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    failure: Failure,
    turn: Arc<Turn>,
    connects: Connects,
}

/// A connection of the pool.
pub type Object = deadpool_postgres::Object;

impl Database {
    /// A pool of at most `connections`; nothing is connected yet.
    pub fn new(settings: DatabaseSettings, connections: usize) -> Self {
        let failure = Failure::default();
        let connects = Connects::default();
        let connector = Connector { settings, failure: failure.clone(), connects: connects.clone() };
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        // The configuration is made anew at each connect; this one is never used.
        let manager = Manager::from_connect(Config::new(), connector, manager_config);
        let pool = Pool::builder(manager)
            .max_size(connections)
            // The other order would use every connection in turn, so that none would ever be idle.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_TIMEOUT))
            .create_timeout(Some(CREATE_TIMEOUT))
            .build()
            .expect("a pool with a runtime and timeouts always builds");
        Self { pool, failure, turn: Arc::default(), connects }
    }

    /// A connection, within the pool's deadlines.
    pub async fn connection(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| {
            StoreError::Unreachable(match error {
                PoolError::Backend(error) => self.failure.last().unwrap_or_else(|| chain(&error)),
                PoolError::Timeout(kind) => format!("no connection in time ({kind:?})"),
                PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => error.to_string(),
            })
        })
    }

    /// How often this pool has connected: after each, the server may be another one.
    pub(crate) fn connects(&self) -> &Connects {
        &self.connects
    }

    /// Waits a moment for the other one's turn to end, so that the upkeep and a relay at rest share one connection; both go on without it
    /// where it takes longer.
    pub(crate) async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        deadline(TURN_TIMEOUT, "waiting for a turn", self.turn.lock()).await.ok()
    }

    /// Closes connections that have been idle for long.
    pub fn close_idle(&self) {
        self.pool.retain(|_, metrics| metrics.last_used() < IDLE_MAX);
    }
}

/// Counts connects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connects(Arc<AtomicU64>);

impl Connects {
    /// One more.
    pub(crate) fn connected(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many until now.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why the last connect failed. The pool passes on errors of the driver only, and most of ours are none: a file that cannot be read, what
/// each of several hosts said.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps `words`, and makes the error that stands for them.
    fn keep(&self, words: String) -> tokio_postgres::Error {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
        "port=none".parse::<Config>().expect_err("a port that is no number is refused")
    }
}

/// Makes the pool's connections.
struct Connector {
    settings: DatabaseSettings,
    failure: Failure,
    connects: Connects,
}

impl Connect for Connector {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        async move {
            let connected = self.settings.connect().await.map_err(|error| self.failure.keep(error.to_string()))?;
            self.connects.connected();
            Ok(connected)
        }
        .boxed()
    }
}
