//! The connection pool to PostgreSQL: bounded, with a deadline for every wait, and down to one
//! connection when there is nothing to do. Made by `app`; the store and the upkeep take connections
//! from it.

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
use crate::postgres::connect::words::chain;
use crate::postgres::connect::{ConnectError, DatabaseSettings};

const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the deadline of one host, so that its error is reported. Several hosts must share
/// it.
const CREATE_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that are idle for this long are closed.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// Longer than a short query takes.
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
    /// A pool of at most `connections`. Does not connect yet.
    pub fn new(settings: DatabaseSettings, connections: usize) -> Self {
        let failure = Failure::default();
        let connects = Connects::default();
        let connector = Connector { settings, failure: failure.clone(), connects: connects.clone() };
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        // Each connect makes a new configuration; this one is never used.
        let manager = Manager::from_connect(Config::new(), connector, manager_config);
        let pool = Pool::builder(manager)
            .max_size(connections)
            // The other order would use all connections in turn, so that none would ever be idle.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_TIMEOUT))
            .create_timeout(Some(CREATE_TIMEOUT))
            .build()
            .expect("a pool with a runtime and timeouts always builds");
        Self { pool, failure, turn: Arc::default(), connects }
    }

    /// Takes a connection, within the pool's deadlines.
    pub async fn connection(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => match self.failure.last() {
                Some(ConnectError::ReadOnly(words)) => StoreError::ReadOnly(words),
                Some(ConnectError::Server(words) | ConnectError::Settings(words)) => StoreError::Unreachable(words),
                None => StoreError::Unreachable(chain(&error)),
            },
            PoolError::Timeout(kind) => StoreError::Unreachable(format!("no connection in time ({kind:?})")),
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                StoreError::Unreachable(error.to_string())
            }
        })
    }

    /// How often this pool has connected. After each connect, the server may be a different one.
    pub(crate) fn connects(&self) -> &Connects {
        &self.connects
    }

    /// Waits a moment for the other's turn to end, so that the upkeep and an idle relay share one
    /// connection. If it takes longer, both continue without it.
    pub(crate) async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        deadline(TURN_TIMEOUT, "waiting for a turn", self.turn.lock()).await.ok()
    }

    /// Closes connections that have been idle for too long.
    pub fn close_idle(&self) {
        self.pool.retain(|_, metrics| metrics.last_used() < IDLE_MAX);
    }
}

/// Counts connects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connects(Arc<AtomicU64>);

impl Connects {
    /// Counts one connect.
    pub(crate) fn connected(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of connects so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why the last connect failed. The pool only passes on errors of the driver, and most of ours are
/// not: a file that cannot be read, or the errors of several hosts.
#[derive(Debug, Clone, Default)]
struct Failure(Arc<Mutex<Option<ConnectError>>>);

impl Failure {
    fn last(&self) -> Option<ConnectError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stores the error, and makes a driver's error that stands for it.
    fn keep(&self, error: ConnectError) -> tokio_postgres::Error {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        "port=none".parse::<Config>().expect_err("a port that is not a number is refused")
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
            let connected = self.settings.connect().await.map_err(|error| self.failure.keep(error))?;
            self.connects.connected();
            Ok(connected)
        }
        .boxed()
    }
}
