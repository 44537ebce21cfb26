//! One step of a changing command: a transaction under lane locks, repeated where the same again may succeed.
//!
//! Used by every command that changes rows. A step is committed whole or did not happen; no lock outlives it.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;

use crate::commands::session::{STEP_CALL_DEADLINE, Session};
use crate::error::AppError;
use crate::outbox::store::StoreError;
use crate::postgres::call;
use crate::postgres::call::Param;

/// Above the server's own limit for a selection, which then speaks first.
const SELECTION_CALL_DEADLINE: Duration = Duration::from_secs(65);
/// A lane is held for a batch at the longest, and by a frozen relay until its transaction is cut off.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

impl Session {
    /// Runs `work` in a transaction of its own and commits it.
    pub(crate) async fn step<T>(&self, work: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, AppError> {
        self.step_unless(&CancellationToken::new(), work).await
    }

    /// The same, rolled back at once when it is given up meanwhile. A COMMIT that is under way is not given up: nobody could say whether it
    /// happened.
    pub(crate) async fn step_unless<T>(
        &self,
        given_up: &CancellationToken,
        work: impl AsyncFn() -> Result<T, StoreError>,
    ) -> Result<T, AppError> {
        let mut attempt = 1;
        loop {
            self.begin().await?;
            let Some(done) = given_up.run_until_cancelled(Box::pin(work())).await else {
                let given_up = "interrupted twice; the chunk at hand was not committed";
                return Err(match self.abandon().await {
                    Ok(()) => AppError::No(format!("{given_up} and is rolled back")),
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
                // No answer: what comes next on this session, if anything can, first rolls back.
                Err(error @ StoreError::Unreachable(_)) => return Err(error.into()),
                Err(StoreError::Failed { passing: true, .. }) if attempt < ATTEMPTS => {
                    self.roll_back().await?;
                    tokio::time::sleep(PAUSE.mul_f64(f64::from(attempt) * (0.5 + fastrand::f64()))).await;
                    attempt += 1;
                }
                Err(error) => {
                    self.roll_back().await?;
                    return Err(if let StoreError::Failed { passing: true, .. } = error {
                        AppError::No(format!(
                            "{error}; tried {ATTEMPTS} times. Something holds it for long: look for a transaction that stays open, or a relay that is frozen"
                        ))
                    } else {
                        error.into()
                    });
                }
            }
        }
    }

    /// Locks lanes until the step ends: no batch is under way in them then, and none begins.
    pub(crate) async fn lock_lanes(&self, lanes: impl IntoIterator<Item = i16>) -> Result<(), StoreError> {
        let mut lanes: Vec<i16> = lanes.into_iter().collect();
        lanes.sort_unstable();
        lanes.dedup();
        let params: [Param<'_>; 1] = [(&lanes, Type::INT2_ARRAY)];
        self.rows("locking lanes", &self.queries.lock_lanes, &params).await.map(|_| ())
    }

    /// All rows of a statement of a step.
    pub(crate) async fn rows(
        &self,
        action: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        call::rows_within(STEP_CALL_DEADLINE, &self.client, action, sql, params).await
    }

    /// How many rows a statement of a step changed.
    pub(crate) async fn execute(
        &self,
        action: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<u64, StoreError> {
        call::execute_within(STEP_CALL_DEADLINE, &self.client, action, sql, params).await
    }

    /// All rows of one reading statement that may walk a whole table, outside of any step.
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
