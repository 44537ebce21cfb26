//! One command's connection to the outbox: bounded in time, with the schema checked.
//!
//! Reading commands see one snapshot and change nothing, whatever they run: their transaction is read only. Changing commands open a
//! transaction for each step. Everything is transaction-local, so that it passes a pooler in transaction mode.

pub mod read;
pub mod step;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use crate::config::command::CommandConfig;
use crate::deadline::deadline;
use crate::error::AppError;
use crate::outbox::store::StoreError;
use crate::postgres::call;
use crate::postgres::connect::{ConnectError, chain};
use crate::postgres::queries::Queries;
use crate::postgres::schema::check_schema;

/// Reading commands give up after this long (design section 7).
const READ_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The server's limit of `begin_read.sql`, less what clocks differ by.
const READ_STATEMENT_TIMEOUT: Duration = Duration::from_millis(1_900);
const CHANGE_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Above the server's own limits for a step, which then speak first.
pub(crate) const STEP_CALL_DEADLINE: Duration = Duration::from_secs(25);
/// A cancel request is a connection of its own, and only shortens a wait that is bounded anyway.
const CANCEL_DEADLINE: Duration = Duration::from_secs(2);

/// A connection whose schema is there and not too new.
pub struct Session {
    /// For the queries.
    pub client: Client,
    /// In the session's schema.
    pub queries: Arc<Queries>,
    /// Of the outbox tables.
    pub schema: String,
    /// Whether a transaction may be open: begun, and neither committed nor surely rolled back.
    may_be_open: AtomicBool,
}

impl Session {
    /// For reading: a snapshot that stays the same until the end, and 2 s for every statement.
    pub async fn read(config: &CommandConfig) -> Result<Self, AppError> {
        let session = Self::look(config).await?;
        session.check_schema().await?;
        Ok(session)
    }

    /// The same where the outbox tables may be missing.
    pub async fn look(config: &CommandConfig) -> Result<Self, AppError> {
        let session = Self::connect(config, READ_CONNECT_TIMEOUT).await?;
        call::batch(&session.client, "opening a transaction", &session.queries.begin_read).await?;
        Ok(session)
    }

    /// Refuses tables that are missing or not of this program's version.
    pub async fn check_schema(&self) -> Result<(), AppError> {
        let started = Instant::now();
        check_schema(&self.client, &self.queries, &self.schema).await.map_err(|error| match error {
            // One row of a tiny table: only a lock takes that long.
            StoreError::Failed { .. } if started.elapsed() >= READ_STATEMENT_TIMEOUT => AppError::Unreachable(format!(
                "gave up after 2 s while reading the schema version: something has locked the outbox tables of '{}'",
                self.schema
            )),
            StoreError::Failed { .. }
            | StoreError::Unreachable(_)
            | StoreError::Schema(_)
            | StoreError::MarksRefused { .. } => error.into(),
        })
    }

    /// For changing: nothing is open yet; see `begin`.
    pub async fn change(config: &CommandConfig) -> Result<Self, AppError> {
        let session = Self::connect(config, CHANGE_CONNECT_TIMEOUT).await?;
        session.begin().await?;
        check_schema(&session.client, &session.queries, &session.schema).await?;
        session.commit().await?;
        Ok(session)
    }

    async fn connect(config: &CommandConfig, limit: Duration) -> Result<Self, AppError> {
        let connecting = deadline(limit, "connecting to the database", config.database.connect()).await;
        let connected = connecting.map_err(|error| AppError::Unreachable(error.to_string()))?;
        let (client, _) = connected.map_err(|error| match error {
            ConnectError::Settings(error) => AppError::Config(vec![error]),
            ConnectError::Server(error) => AppError::Unreachable(format!("the database cannot be reached: {error}")),
        })?;
        let (queries, schema) = (Queries::new(&config.schema), config.schema.clone());
        Ok(Self { client, queries, schema, may_be_open: AtomicBool::new(false) })
    }

    /// Opens a transaction that changes; what is not committed before the session ends did not happen.
    pub async fn begin(&self) -> Result<(), AppError> {
        self.begin_with(&self.queries.begin_change).await
    }

    /// Opens a transaction. One that was left open, because its step was dropped or got no answer in time, is rolled back before: BEGIN
    /// within it would only warn, and the next COMMIT would keep what it had done.
    pub(crate) async fn begin_with(&self, sql: &str) -> Result<(), AppError> {
        if self.may_be_open.load(Ordering::Relaxed) {
            self.abandon().await?;
        }
        self.may_be_open.store(true, Ordering::Relaxed);
        self.run("opening a transaction", sql).await
    }

    /// Commits what was begun.
    pub async fn commit(&self) -> Result<(), AppError> {
        self.run("committing", "COMMIT").await?;
        self.may_be_open.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Gives up what was begun.
    pub async fn roll_back(&self) -> Result<(), AppError> {
        self.run("rolling back", "ROLLBACK").await?;
        self.may_be_open.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Gives up what was begun while a statement of it may still run: the statement is cancelled, and the ROLLBACK comes after its end,
    /// for which the server has a limit of its own.
    pub(crate) async fn abandon(&self) -> Result<(), AppError> {
        let cancel = self.client.cancel_token();
        // Over TLS the driver refuses; then the statement runs to its end or its limit.
        match deadline(CANCEL_DEADLINE, "cancelling a statement", Box::pin(cancel.cancel_query(NoTls))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = chain(&error), "a statement cannot be cancelled"),
            Err(error) => tracing::debug!(%error, "a statement cannot be cancelled"),
        }
        match self.roll_back().await {
            // The cancel request came late and met the ROLLBACK itself.
            Err(AppError::No(_)) => self.roll_back().await,
            done => done,
        }
    }

    async fn run(&self, action: &'static str, sql: &str) -> Result<(), AppError> {
        Ok(call::batch_within(STEP_CALL_DEADLINE, &self.client, action, sql).await?)
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreachable(_) => Self::Unreachable(error.to_string()),
            StoreError::Failed { .. } | StoreError::Schema(_) | StoreError::MarksRefused { .. } => {
                Self::No(error.to_string())
            }
        }
    }
}
