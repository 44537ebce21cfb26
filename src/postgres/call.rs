//! Single database calls: unnamed statements, each with a deadline. Errors say what was being done.
//!
//! Used by the store, the batch and the upkeep.

use std::future::Future;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::deadline::deadline;
use crate::outbox::store::{Cause, StoreError};
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
            let cause = error.code().map_or(Cause::Other, cause);
            Err(StoreError::Failed { action, error: chain(&error), cause })
        }
        Err(error) => Err(StoreError::Unreachable(error.to_string())),
    }
}

/// What a failure is about, by its SQLSTATE alone: servers speak many languages.
fn cause(code: &SqlState) -> Cause {
    match code {
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE => {
            Cause::Passing
        }
        &SqlState::QUERY_CANCELED => Cause::Slow,
        &SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN | &SqlState::INVALID_SCHEMA_NAME => Cause::Missing,
        &SqlState::OUT_OF_MEMORY => Cause::Row,
        // Data exceptions, limits of the server, and internal errors, data corruption among them.
        other if matches!(other.code().get(..2), Some("22" | "54" | "XX")) => Cause::Row,
        _ => Cause::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_judged_by_its_code() {
        let of = |code| cause(&SqlState::from_code(code));
        for code in ["22021", "22P05", "22P02", "54000", "54001", "53200", "XX000", "XX001", "XX002"] {
            assert_eq!(of(code), Cause::Row, "{code}");
        }
        assert_eq!([of("40001"), of("40P01"), of("55P03")], [Cause::Passing; 3]);
        assert_eq!([of("42P01"), of("3F000")], [Cause::Missing; 2]);
        assert_eq!(of("57014"), Cause::Slow);
        for code in ["42501", "25006", "53100", "P0001", "57P01"] {
            assert_eq!(of(code), Cause::Other, "{code}");
        }
    }
}
