//! The pool: bounded in connections, in the time it waits for one, and in what the server does for each.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Config, NoTls};

use crate::settings::Settings;

/// For a connection that is in use; longer means that there are too few.
const WAIT: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(3);
const RECYCLE: Duration = Duration::from_secs(2);
/// Data that the server's machine does not acknowledge for so long ends the connection.
const SILENCE: Duration = Duration::from_secs(10);
/// A transaction that the service has forgotten ends by itself.
const IDLE_IN_TRANSACTION_SECONDS: u16 = 30;

pub fn pool(settings: &Settings, size: u16) -> Result<Pool, String> {
    let mut config: Config = settings.database_url.parse().map_err(|_| "the database URL cannot be read".to_owned())?;
    let (statement, lock) = (settings.statement_seconds_max, settings.lock_seconds_max);
    let idle = IDLE_IN_TRANSACTION_SECONDS;
    config.application_name("order-service").connect_timeout(CONNECT).tcp_user_timeout(SILENCE).options(format!(
        "-c statement_timeout={statement}s -c lock_timeout={lock}s -c idle_in_transaction_session_timeout={idle}s"
    ));
    let recycling_method = RecyclingMethod::Fast;
    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method });
    let pool = Pool::builder(manager)
        .max_size(size.into())
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(CONNECT))
        .recycle_timeout(Some(RECYCLE))
        .runtime(Runtime::Tokio1)
        .build();
    pool.map_err(|error| format!("the pool cannot be made: {error}"))
}
