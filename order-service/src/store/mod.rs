//! The service's tables. A command is one transaction: lock the order, decide, write it back, append its events last.
//! Statements are unnamed and typed: one round trip each, and poolers in transaction mode pass them.

mod pool;
mod error;
mod place;
mod change;
mod notify;
mod dead_letters;
mod hear;
mod allocations;
mod reports;
mod products;
mod reviews;
pub mod jobs;
mod unverified;
mod reconciled;
mod replies;
mod beside;
mod read;
mod migrate;

use std::sync::Arc;

use deadpool_postgres::{Pool, Transaction};
use order_domain::outbox::Outbox;
use order_domain::value::id::{CorrelationId, OrderId};
use order_domain::{Event, Order};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

pub use self::beside::{Notification, RaisedReview, Whole};
pub use self::dead_letters::{Closing, DeadLetterPage, DeadLetterSummary, Shown};
pub use self::error::StoreError;
pub use self::hear::HeardOrder;
pub use self::jobs::{Job, Turn};
pub use self::notify::{NotificationRequest, Requested};
pub use self::place::{Beside, NewRequest};
pub use self::read::{Page, Summary};
pub use self::unverified::Unverified;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// A parameter and its type.
type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

pub struct Store {
    pool: Pool,
    outbox: Outbox,
    metrics: Arc<Metrics>,
}

impl Store {
    /// Connects when something is asked for, with at most `connections`.
    pub fn new(settings: &Settings, connections: u16, metrics: Arc<Metrics>) -> Result<Self, String> {
        let outbox = Outbox::in_schema(&settings.outbox_schema).map_err(|e| format!("--outbox-schema: {e}"))?;
        Ok(Self { pool: pool::pool(settings, connections)?, outbox, metrics })
    }

    /// A connection of the pool, for one transaction or one question.
    async fn client(&self) -> Result<deadpool_postgres::Object, StoreError> {
        self.pool.get().await.map_err(StoreError::from)
    }

    /// The end of every command: what it asks the Notification Service for is written down, then comes [`Self::append`].
    async fn finish(&self, transaction: Transaction<'_>, events: &[Event]) -> Result<(), StoreError> {
        notify::record(&transaction, events).await?;
        self.append(transaction, events).await
    }

    /// The events, and then the COMMIT that makes order and events true together. One line in the log says what was decided.
    async fn append(&self, transaction: Transaction<'_>, events: &[Event]) -> Result<(), StoreError> {
        order_domain::postgres::append_to(&self.outbox, &transaction, events).await?;
        transaction.commit().await.map_err(StoreError::at_commit)?;
        decided(events);
        for asked in events.iter().filter_map(notify::asked) {
            self.metrics.requested(&asked.notification_type);
        }
        Ok(())
    }
}

/// Tells the log which events a decision has made: ids and types, nothing of what they say.
fn decided(events: &[Event]) {
    let Some(first) = events.first() else { return };
    let order_id = first.aggregate().id();
    let correlation_id = first.correlation_id().map(CorrelationId::as_str);
    let types: Vec<&str> = events.iter().map(|event| event.event_type().as_str()).collect();
    let ids: Vec<String> = events.iter().map(|event| event.id().to_string()).collect();
    let (event_types, event_ids) = (types.join(","), ids.join(","));
    tracing::info!(order_id, event_types, event_ids, correlation_id, "decided");
}

/// The row that there is, or none.
async fn one(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Option<Row>, StoreError> {
    Ok(transaction.query_typed(sql, parameters).await?.pop())
}

/// What a column of JSON text holds.
fn order(row: &Row) -> Result<Order, StoreError> {
    let body: String = row.try_get(0)?;
    serde_json::from_str(&body).map_err(|e| StoreError::Broken(format!("a stored order cannot be read: {e}").into()))
}

/// A value as a column of JSON text holds it.
fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Broken(e.into()))
}

/// What another column of JSON text holds.
fn parsed<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|e| StoreError::Broken(format!("a stored state cannot be read: {e}").into()))
}

fn not_found(id: &OrderId) -> StoreError {
    StoreError::NotFound(id.clone())
}
