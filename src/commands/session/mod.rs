//! One command's connection to the outbox, with time limits and a checked schema.
//!
//! Reading commands use one snapshot in a read-only transaction, so they cannot change anything.
//! Changing commands open a transaction per step. All settings are local to a transaction, so that
//! a pooler in transaction mode works.

pub mod read;
pub mod step;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::Client;

use crate::config::command::CommandConfig;
use crate::deadline::deadline;
use crate::error::AppError;
use crate::outbox::store::StoreError;
use crate::postgres::call;
use crate::postgres::connect::{ConnectError, DatabaseSettings, chain};
use crate::postgres::queries::Queries;
use crate::postgres::schema::check_schema;

/// How long reading commands wait to connect.
const READ_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The server's limit in `begin_read.sql`, minus a margin for the clocks.
const READ_STATEMENT_TIMEOUT: Duration = Duration::from_millis(1_900);
const CHANGE_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the server's own limits for a step, so that the server's error comes first.
pub(crate) const STEP_CALL_DEADLINE: Duration = Duration::from_secs(25);
/// A cancel request needs its own connection, and only shortens a wait that has a limit anyway.
const CANCEL_DEADLINE: Duration = Duration::from_secs(2);

/// A connection whose schema exists and is not too new.
pub struct Session {
    /// Runs the queries.
    pub client: Client,
    /// Where it is connected to.
    database: DatabaseSettings,
    /// The queries, for the session's schema.
    pub queries: Arc<Queries>,
    /// The schema of the outbox tables.
    pub schema: String,
    /// Whether a transaction may be open: begun, but neither committed nor certainly rolled back.
    may_be_open: AtomicBool,
}

impl Session {
    /// For reading: one snapshot until the end, and 2 s for each statement.
    pub async fn read(config: &CommandConfig) -> Result<Self, AppError> {
        let session = Self::look(config).await?;
        session.check_schema().await?;
        Ok(session)
    }

    /// The same if the outbox tables may be missing.
    pub async fn look(config: &CommandConfig) -> Result<Self, AppError> {
        let session = Self::connect_to_read(config).await?;
        call::batch(&session.client, "opening a transaction", &session.queries.begin_read).await?;
        Ok(session)
    }

    /// Refuses tables that are missing, or have a version that this program does not support.
    pub async fn check_schema(&self) -> Result<(), AppError> {
        let started = Instant::now();
        check_schema(&self.client, &self.queries, &self.schema).await.map_err(|error| match error {
            // This reads one row of a tiny table, so only a lock takes that long.
            StoreError::Failed { .. } if started.elapsed() >= READ_STATEMENT_TIMEOUT => AppError::Unreachable(format!(
                "gave up after 2 s while reading the schema version: something has locked the outbox tables of '{}'",
                self.schema
            )),
            StoreError::Failed { .. }
            | StoreError::Unreachable(_)
            | StoreError::ReadOnly(_)
            | StoreError::Schema(_)
            | StoreError::MarksRefused { .. } => error.into(),
        })
    }

    /// For changing: opens no transaction yet; see `begin`.
    pub async fn change(config: &CommandConfig) -> Result<Self, AppError> {
        let session = Self::connect(config, &config.database, CHANGE_CONNECT_TIMEOUT).await?;
        session.begin().await?;
        check_schema(&session.client, &session.queries, &session.schema).await?;
        session.commit().await?;
        Ok(session)
    }

    /// A server that takes writes if there is one, because it knows the latest; otherwise any that answers.
    async fn connect_to_read(config: &CommandConfig) -> Result<Self, AppError> {
        let any = config.database.for_reading();
        if config.database.has_several_hosts()
            && let Ok(session) = Self::connect(config, &config.database, READ_CONNECT_TIMEOUT).await
        {
            return Ok(session);
        }
        Self::connect(config, &any, READ_CONNECT_TIMEOUT).await
    }

    async fn connect(config: &CommandConfig, database: &DatabaseSettings, limit: Duration) -> Result<Self, AppError> {
        let connecting = deadline(limit, "connecting to the database", database.connect()).await;
        let connected = connecting.map_err(|error| AppError::Unreachable(error.to_string()))?;
        let (client, _) = connected.map_err(|error| match error {
            ConnectError::Settings(error) => AppError::Config(vec![error]),
            ConnectError::Server(error) | ConnectError::ReadOnly(error) => {
                AppError::Unreachable(format!("the database cannot be reached: {error}"))
            }
        })?;
        let (queries, schema) = (Queries::new(&config.schema), config.schema.clone());
        let database = config.database.clone();
        Ok(Self { client, database, queries, schema, may_be_open: AtomicBool::new(false) })
    }

    /// Opens a transaction for changes. Whatever is not committed before the session ends is rolled
    /// back.
    pub async fn begin(&self) -> Result<(), AppError> {
        self.begin_with(&self.queries.begin_change).await
    }

    /// Opens a transaction. First rolls back one that was left open because its step was dropped or
    /// got no answer in time: BEGIN inside it would only warn, and the next COMMIT would keep its
    /// changes.
    pub(crate) async fn begin_with(&self, sql: &str) -> Result<(), AppError> {
        if self.may_be_open.load(Ordering::Relaxed) {
            self.abandon().await?;
        }
        self.may_be_open.store(true, Ordering::Relaxed);
        self.run("opening a transaction", sql).await
    }

    /// Commits the transaction.
    pub async fn commit(&self) -> Result<(), AppError> {
        self.run("committing", "COMMIT").await?;
        self.may_be_open.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Rolls back the transaction.
    pub async fn roll_back(&self) -> Result<(), AppError> {
        self.run("rolling back", "ROLLBACK").await?;
        self.may_be_open.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Rolls back while a statement may still be running: cancels the statement, and sends the
    /// ROLLBACK after it ends, for which the server has its own limit.
    pub(crate) async fn abandon(&self) -> Result<(), AppError> {
        let cancel = self.client.cancel_token();
        match deadline(CANCEL_DEADLINE, "cancelling a statement", Box::pin(self.database.cancel(cancel))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = chain(&error), "cannot cancel a statement"),
            Err(error) => tracing::debug!(%error, "cannot cancel a statement"),
        }
        match self.roll_back().await {
            // The cancel request came too late and cancelled the ROLLBACK itself.
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
            StoreError::Failed { .. }
            | StoreError::ReadOnly(_)
            | StoreError::Schema(_)
            | StoreError::MarksRefused { .. } => Self::No(error.to_string()),
        }
    }
}
