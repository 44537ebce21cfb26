//! The connection pool to PostgreSQL: bounded, with a deadline on every wait, and empty but for one connection when there is nothing
//! to do. Made by `app`; the store, the upkeep and the listener take connections from its settings.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Runtime};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::task::JoinHandle;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, NoTls};

use crate::link::secret::Secret;
use crate::relay::store::StoreError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that nobody has used for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// From the URL, completed by `settings`.
    pub config: Config,
    /// Overrules the URL's password; read again at each connect.
    pub password: Option<Secret>,
}

impl DatabaseSettings {
    /// Completes what the URL says: keepalives and timeouts against half-open connections (hazard A23), never a standby (A22).
    pub fn new(mut config: Config, password: Option<Secret>, application_name: &str) -> Self {
        config
            .application_name(application_name)
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives(true)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(10))
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Self { config, password }
    }

    /// The configuration with the password as it is now.
    pub fn now(&self) -> Result<Config, String> {
        let mut config = self.config.clone();
        if let Some(password) = &self.password {
            config.password(password.read().map_err(|error| error.to_string())?);
        }
        Ok(config)
    }

    /// One connection, driven by a task that ends with it. The pool's, and that of commands; LISTEN drives its own.
    pub async fn connect(&self) -> Result<(Client, JoinHandle<()>), ConnectError> {
        let config = self.now().map_err(ConnectError::Secret)?;
        let (client, connection) = config.connect(NoTls).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = chain(&error), "a database connection ended");
            }
        });
        Ok((client, task))
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file that holds a secret cannot be read.
    #[error("{0}")]
    Secret(String),
    /// The server, or the way to it.
    #[error("{}", chain(.0))]
    Server(#[from] tokio_postgres::Error),
}

/// Connections for the batches and the upkeep.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
}

impl Database {
    /// A pool of at most `connections`; nothing is connected yet.
    pub fn new(settings: DatabaseSettings, connections: usize) -> Self {
        let config = settings.config.clone();
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(config, FreshPassword(settings), manager_config);
        let pool = Pool::builder(manager)
            .max_size(connections)
            // The other order would use every connection in turn, so that none would ever be idle.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT * 2))
            .recycle_timeout(Some(CONNECT_TIMEOUT))
            .build()
            .expect("a pool with a runtime and timeouts always builds");
        Self { pool }
    }

    /// A connection, within the pool's deadlines.
    pub async fn connection(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| StoreError::Unreachable(chain(&error)))
    }

    /// Closes connections that have been idle for long.
    pub fn close_idle(&self) {
        self.pool.retain(|_, metrics| metrics.last_used() < IDLE_MAX);
    }
}

/// An error and its causes, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// Connects with the password read anew.
struct FreshPassword(DatabaseSettings);

impl deadpool_postgres::Connect for FreshPassword {
    fn connect(&self, _config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        async move {
            match self.0.connect().await {
                Ok(connected) => Ok(connected),
                Err(ConnectError::Server(error)) => Err(error),
                // The pool's error type has no room for it: the server's refusal of the URL's own password is what follows.
                Err(ConnectError::Secret(error)) => {
                    tracing::warn!(error, "the database password cannot be read");
                    DatabaseSettings { config: self.0.config.clone(), password: None }.connect().await.map_err(
                        |error| match error {
                            ConnectError::Server(error) => error,
                            ConnectError::Secret(_) => unreachable!("there is no secret to read"),
                        },
                    )
                }
            }
        }
        .boxed()
    }
}
