//! The statements of one reading command. Each says what it looks for, and all of them share a time
//! limit.
//!
//! Optional parts of an answer run in a savepoint with a shorter limit. If one takes too long, the
//! answer says so instead.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::commands::session::Session;
use crate::config::command::CommandConfig;
use crate::deadline::deadline;
use crate::error::AppError;
use crate::postgres::call::Param;
use crate::postgres::connect::chain;

/// The limit for all statements of one command, after connecting.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// A session with a time limit.
pub(crate) struct Reader {
    /// The snapshot.
    pub session: Session,
    end: Instant,
}

/// An optional part of an answer.
pub(crate) enum Part<T> {
    /// What was found.
    Found(T),
    /// It took too long.
    GivenUp,
}

impl Reader {
    /// Connects, and starts the time limit.
    pub(crate) async fn open(config: &CommandConfig) -> Result<Self, AppError> {
        Ok(Self::new(Session::read(config).await?))
    }

    /// Starts the time limit on an open session.
    pub(crate) fn new(session: Session) -> Self {
        Self::with_limit(session, LOOK_LIMIT)
    }

    /// The same with the caller's limit.
    pub(crate) fn with_limit(session: Session, limit: Duration) -> Self {
        Self { session, end: Instant::now() + limit }
    }

    /// All rows of a required statement; `action` says what it looks for.
    pub(crate) async fn rows(
        &self,
        action: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, AppError> {
        let left = self.end.saturating_duration_since(Instant::now());
        match deadline(left, action, self.session.client.query_typed(sql, params)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => Err(refused(action, &error)),
            Err(_) => Err(given_up(action)),
        }
    }

    /// The only row of such a statement.
    pub(crate) async fn one(&self, action: &'static str, sql: &str, params: &[Param<'_>]) -> Result<Row, AppError> {
        let mut rows = self.rows(action, sql, params).await?;
        rows.pop().ok_or_else(|| AppError::Bug(format!("{action}: no row")))
    }

    /// Sets a claim's planner settings for the next statements: walk an index in order, without
    /// first collecting everything pending in a bitmap.
    pub(crate) async fn plan_as_claim(&self) -> Result<(), AppError> {
        self.run("setting a claim's planner settings", &self.session.queries.plan_claim).await
    }

    /// All rows of a statement that may take at most `limit`, and is skipped if it takes longer.
    pub(crate) async fn part(
        &self,
        limit: Duration,
        action: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Part<Vec<Row>>, AppError> {
        let limit = limit.min(self.end.saturating_duration_since(Instant::now()));
        if limit < Duration::from_millis(10) {
            return Ok(Part::GivenUp);
        }
        let open = format!("SAVEPOINT part; SET LOCAL statement_timeout = '{}ms'", limit.as_millis());
        self.run(action, &open).await?;
        let rows = match self.rows_or_error(action, sql, params).await? {
            Ok(rows) => Part::Found(rows),
            Err(error) if is_given_up(&error) => Part::GivenUp,
            Err(error) => return Err(refused(action, &error)),
        };
        // Rolled back even after success: it changed nothing, and this also resets the limit.
        self.run(action, "ROLLBACK TO part; RELEASE part").await?;
        Ok(rows)
    }

    async fn rows_or_error(
        &self,
        action: &'static str,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Result<Vec<Row>, tokio_postgres::Error>, AppError> {
        let left = self.end.saturating_duration_since(Instant::now());
        // A little longer than the server's own limit, so that the connection stays usable.
        let left = left + Duration::from_millis(200);
        deadline(left, action, self.session.client.query_typed(sql, params)).await.map_err(|_| given_up(action))
    }

    async fn run(&self, action: &'static str, sql: &str) -> Result<(), AppError> {
        let left = self.end.saturating_duration_since(Instant::now()) + Duration::from_millis(200);
        match deadline(left, action, self.session.client.batch_execute(sql)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(refused(action, &error)),
            Err(_) => Err(given_up(action)),
        }
    }
}

fn given_up(action: &str) -> AppError {
    AppError::Unreachable(format!(
        "gave up after 2 s while {action}: the database is too slow, or something has locked the outbox tables (to find it: SELECT pid, state, xact_start, application_name FROM pg_stat_activity ORDER BY xact_start)"
    ))
}

fn is_given_up(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE)
}

fn refused(action: &str, error: &tokio_postgres::Error) -> AppError {
    if is_given_up(error) {
        given_up(action)
    } else if error.is_closed() || error.code().is_none() {
        AppError::Unreachable(format!("lost the database while {action}: {}", chain(error)))
    } else if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        AppError::No(format!(
            "{action}: {}; the role needs USAGE on the schema, SELECT on its tables and sequences, and no row-level security",
            chain(error)
        ))
    } else {
        AppError::No(format!("{action}: {}", chain(error)))
    }
}
