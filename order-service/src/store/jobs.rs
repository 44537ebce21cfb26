//! Turns of the slow jobs. A row for each job elects the replica that does it: who finds it due and locks it. A turn is one transaction, so
//! the turn of a replica that dies is done by another one from where the last turn ended.

use deadpool_postgres::{Object, Transaction};
use order_domain::Event;
use tokio_postgres::types::Type;

use super::{Parameter, Store, StoreError, one};

const ADD: &str = include_str!("../../sql/add_job.sql");
const CLAIM: &str = include_str!("../../sql/claim_job.sql");
const FINISH: &str = include_str!("../../sql/finish_job.sql");

/// A slow job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Looks again at orders that were placed without a check.
    Verify,
    /// Compares stock with Inventory.
    Reconcile,
    /// Asks for the details of everything that is sold.
    Refresh,
}

impl Job {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reconcile => "reconcile",
            Self::Refresh => "refresh",
        }
    }
}

/// What comes after a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// When the job is due again.
    pub seconds: f64,
    /// From where on; empty begins anew.
    pub progress: String,
}

impl Turn {
    /// The job has come to its end, and begins anew then.
    pub fn done(seconds: f64) -> Self {
        Self { seconds, progress: String::new() }
    }

    /// It goes on from there.
    pub fn on(seconds: f64, progress: impl Into<String>) -> Self {
        Self { seconds, progress: progress.into() }
    }
}

/// How far the job has come, where it is due and nobody else does it. It stays ours until the transaction ends.
pub async fn claim(transaction: &Transaction<'_>, job: Job) -> Result<Option<String>, StoreError> {
    let row = one(transaction, CLAIM, &[(&job.as_str(), Type::TEXT)]).await?;
    row.map(|row| row.try_get(0)).transpose().map_err(StoreError::from)
}

/// Ends a turn.
pub async fn finish(transaction: Transaction<'_>, job: Job, turn: &Turn) -> Result<(), StoreError> {
    let parameters: [Parameter<'_>; 3] =
        [(&job.as_str(), Type::TEXT), (&turn.seconds, Type::FLOAT8), (&turn.progress, Type::TEXT)];
    one(&transaction, FINISH, &parameters).await?;
    transaction.commit().await.map_err(StoreError::at_commit)
}

impl Store {
    /// Has a job be due for the first time in `seconds`, unless it is known.
    pub async fn add_job(&self, job: Job, seconds: f64) -> Result<(), StoreError> {
        let parameters: [Parameter<'_>; 2] = [(&job.as_str(), Type::TEXT), (&seconds, Type::FLOAT8)];
        self.client().await?.query_typed(ADD, &parameters).await?;
        Ok(())
    }

    /// A connection for a turn.
    pub async fn connection(&self) -> Result<Object, StoreError> {
        self.client().await
    }

    /// Puts an event into the outbox that belongs to no order.
    pub async fn emit(&self, transaction: &Transaction<'_>, events: &[Event]) -> Result<(), StoreError> {
        order_domain::postgres::append_to(&self.outbox, transaction, events).await?;
        Ok(())
    }
}
