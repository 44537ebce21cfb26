//! The service's tables. A command is one transaction: lock the order, decide, write it back, append its events last.
//! Statements are unnamed and typed: one round trip each, and poolers in transaction mode pass them.

mod pool;
mod error;
mod place;
mod change;
mod read;
mod migrate;

use deadpool_postgres::{Pool, Transaction};
use order_domain::outbox::Outbox;
use order_domain::value::id::OrderId;
use order_domain::{Event, Order};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

pub use self::error::StoreError;
pub use self::place::NewRequest;
pub use self::read::{Page, Summary};
use crate::settings::Settings;

/// A parameter and its type.
type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

pub struct Store {
    pool: Pool,
    outbox: Outbox,
}

impl Store {
    /// Connects when something is asked for.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let outbox = Outbox::in_schema(&settings.outbox_schema).map_err(|e| format!("--outbox-schema: {e}"))?;
        Ok(Self { pool: pool::pool(settings)?, outbox })
    }

    /// A connection of the pool, for one transaction or one question.
    async fn client(&self) -> Result<deadpool_postgres::Object, StoreError> {
        self.pool.get().await.map_err(StoreError::from)
    }

    /// The end of every command: the events, and then the COMMIT that makes order and events true together.
    async fn finish(&self, transaction: Transaction<'_>, events: &[Event]) -> Result<(), StoreError> {
        order_domain::postgres::append_to(&self.outbox, &transaction, events).await?;
        transaction.commit().await.map_err(StoreError::at_commit)
    }
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

fn not_found(id: &OrderId) -> StoreError {
    StoreError::NotFound(id.clone())
}
