//! Single database calls: unnamed statements, each with a deadline. Errors say what was being done.
//!
//! Used by the store, the batch and the upkeep.

use std::future::Future;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::deadline::deadline;
use crate::outbox::store::StoreError;
use crate::postgres::connect::chain;

/// Longer than the server's statement timeout of 5 s, so that the server's error comes first.
const CALL_DEADLINE: Duration = Duration::from_secs(8);

/// A value and its type. With both, a statement needs one round trip and no name.
pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// All rows.
pub(crate) async fn rows(
    client: &Client,
    action: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Vec<Row>, StoreError> {
    bounded(CALL_DEADLINE, action, client.query_typed(sql, params)).await
}

/// All rows of an operator's statement, which may take longer than the relay's.
pub(crate) async fn rows_within(
    limit: Duration,
    client: &Client,
    action: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Vec<Row>, StoreError> {
    bounded(limit, action, client.query_typed(sql, params)).await
}

/// The first row, if there is one.
pub(crate) async fn row(
    client: &Client,
    action: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Option<Row>, StoreError> {
    bounded(CALL_DEADLINE, action, client.query_typed_opt(sql, params)).await
}

/// The only row.
pub(crate) async fn one(
    client: &Client,
    action: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Row, StoreError> {
    bounded(CALL_DEADLINE, action, client.query_typed_one(sql, params)).await
}

/// The number of changed rows.
pub(crate) async fn execute(
    client: &Client,
    action: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<u64, StoreError> {
    bounded(CALL_DEADLINE, action, client.execute_typed(sql, params)).await
}

/// The number of rows changed by an operator's statement, which may take longer than the relay's.
pub(crate) async fn execute_within(
    limit: Duration,
    client: &Client,
    action: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<u64, StoreError> {
    bounded(limit, action, client.execute_typed(sql, params)).await
}

/// Statements without parameters or rows, in one round trip.
pub(crate) async fn batch(client: &Client, action: &'static str, sql: &str) -> Result<(), StoreError> {
    bounded(CALL_DEADLINE, action, client.batch_execute(sql)).await
}

/// The same for an operator's statements, which may take longer than the relay's.
pub(crate) async fn batch_within(
    limit: Duration,
    client: &Client,
    action: &'static str,
    sql: &str,
) -> Result<(), StoreError> {
    bounded(limit, action, client.batch_execute(sql)).await
}

async fn bounded<T>(
    limit: Duration,
    action: &'static str,
    call: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    match deadline(limit, action, call).await {
        Ok(Ok(value)) => Ok(value),
        // The same error whatever was being done: one outage, one log line.
        Ok(Err(error)) if error.is_closed() => Err(StoreError::Unreachable(chain(&error))),
        Ok(Err(error)) if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
            Err(StoreError::ReadOnly(chain(&error)))
        }
        Ok(Err(error)) => {
            let passing = error.code().is_some_and(|code| {
                [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE]
                    .contains(code)
            });
            Err(StoreError::Failed { action, error: chain(&error), passing })
        }
        Err(error) => Err(StoreError::Unreachable(error.to_string())),
    }
}
