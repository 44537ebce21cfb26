//! One step of a changing command: a transaction under lane locks, repeated if a second try may
//! succeed.
//!
//! Used by every command that changes rows. A step is committed completely or not at all, and no
//! lock outlives it.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;

use crate::commands::session::{STEP_CALL_DEADLINE, Session};
use crate::error::AppError;
use crate::outbox::store::{Cause, StoreError};
use crate::postgres::call;
use crate::postgres::call::Param;

/// Longer than the server's own limit for a selection, so that the server's error comes first.
const SELECTION_CALL_DEADLINE: Duration = Duration::from_secs(65);
/// Nobody holds a lane for longer than a batch, except a frozen relay, until its transaction is
/// ended.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

impl Session {
    /// Runs `work` in its own transaction and commits it.
    pub(crate) async fn step<T>(&self, work: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, AppError> {
        self.step_unless(&CancellationToken::new(), work).await
    }

    /// The same, but rolled back at once when `given_up` is cancelled. A COMMIT under way is not
    /// given up, because nobody could say whether it happened.
    pub(crate) async fn step_unless<T>(
        &self,
        given_up: &CancellationToken,
        work: impl AsyncFn() -> Result<T, StoreError>,
    ) -> Result<T, AppError> {
        let mut attempt = 1;
        loop {
            self.begin().await?;
            let Some(done) = given_up.run_until_cancelled(Box::pin(work())).await else {
                let given_up = "interrupted twice; the current chunk was not committed";
                return Err(match self.abandon().await {
                    Ok(()) => AppError::No(format!("{given_up} and was rolled back")),
                    Err(error) => AppError::No(format!(
                        "{given_up}; the server rolls it back when it sees the end of the connection ({error})"
                    )),
                });
            };
            match done {
                Ok(value) => {
                    self.commit().await?;
                    return Ok(value);
                }
                // No answer: the next transaction on this session, if any, first rolls back.
                Err(error @ StoreError::Unreachable(_)) => return Err(error.into()),
                Err(StoreError::Failed { cause: Cause::Passing, .. }) if attempt < ATTEMPTS => {
                    self.roll_back().await?;
                    tokio::time::sleep(PAUSE.mul_f64(f64::from(attempt) * (0.5 + fastrand::f64()))).await;
                    attempt += 1;
                }
                Err(error) => {
                    self.roll_back().await?;
                    return Err(if let StoreError::Failed { cause: Cause::Passing, .. } = error {
                        AppError::No(format!(
                            "{error}; tried {ATTEMPTS} times. Something keeps holding the lock: look for a transaction that stays open, or a frozen relay"
                        ))
                    } else {
                        error.into()
                    });
                }
            }
        }
    }

    /// Locks lanes until the step ends, so that no batch is under way in them or starts.
    pub(crate) async fn lock_lanes(&self, lanes: impl IntoIterator<Item = i16>) -> Result<(), StoreError> {
        let mut lanes: Vec<i16> = lanes.into_iter().collect();
        lanes.sort_unstable();
        lanes.dedup();
        let params: [Param<'_>; 1] = [(&lanes, Type::INT2_ARRAY)];
        self.rows("locking lanes", &self.queries.lock_lanes, &params).await.map(|_| ())
    }

    /// All rows of a statement in a step.
    pub(crate) async fn rows(
        &self,
        action: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        call::rows_within(STEP_CALL_DEADLINE, &self.client, action, sql, params).await
    }

    /// How many rows a statement in a step changed.
    pub(crate) async fn execute(
        &self,
        action: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<u64, StoreError> {
        call::execute_within(STEP_CALL_DEADLINE, &self.client, action, sql, params).await
    }

    /// All rows of one reading statement that may read a whole table, outside of any step.
    pub(crate) async fn select(
        &self,
        action: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, AppError> {
        self.begin_with(&self.queries.begin_selection).await?;
        let rows = match call::rows_within(SELECTION_CALL_DEADLINE, &self.client, action, sql, params).await {
            Ok(rows) => rows,
            Err(error @ StoreError::Unreachable(_)) => return Err(error.into()),
            Err(error) => {
                self.roll_back().await?;
                return Err(error.into());
            }
        };
        self.commit().await?;
        Ok(rows)
    }
}
