//! The writer for `tokio_postgres` (and `deadpool_postgres`, whose transactions are the same underneath).
//!
//! ```no_run
//! # use order_domain::{Context, Order};
//! # async fn cancel(client: &mut tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let transaction = client.transaction().await?;
//! // 1. Lock the order.
//! let row = transaction.query_one("SELECT body::text FROM orders WHERE id = $1 FOR UPDATE", &[&"order-1"]).await?;
//! let order: Order = serde_json::from_str(row.get(0))?;
//! // 2. Decide, and write it back.
//! let decision = order.cancel("changed my mind", &Context::now())?;
//! let body = serde_json::to_string(&decision.order)?;
//! transaction.execute("UPDATE orders SET body = $2::text::json WHERE id = $1", &[&"order-1", &body]).await?;
//! // 3. Append what others are told.
//! order_domain::postgres::append(&transaction, &decision.events).await?;
//! transaction.commit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Statements are unnamed: nothing is left behind on the connection, and poolers in transaction mode pass them.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Transaction};

use crate::event::{Aggregate, Event};
use crate::outbox::{AppendError, Columns, Outbox, PAUSE, PAUSES_SECONDS};

/// Writes `events` into the outbox as a part of `transaction`: they are sent if it commits, and never were if it does
/// not. Lock the aggregate first and append last; [`crate::outbox`] says why, and what is checked.
pub async fn append(transaction: &Transaction<'_>, events: &[Event]) -> Result<(), AppendError<Error>> {
    append_to(&Outbox::default(), transaction, events).await
}

/// The same into an outbox in another schema.
pub async fn append_to(
    outbox: &Outbox,
    transaction: &Transaction<'_>,
    events: &[Event],
) -> Result<(), AppendError<Error>> {
    if events.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(events)?;
    let parameters: [(&(dyn ToSql + Sync), Type); 9] = [
        (&columns.ids, Type::TEXT_ARRAY),
        (&columns.aggregate_types, Type::TEXT_ARRAY),
        (&columns.aggregate_ids, Type::TEXT_ARRAY),
        (&columns.event_types, Type::TEXT_ARRAY),
        (&columns.versions, Type::TEXT_ARRAY),
        (&columns.payloads, Type::TEXT_ARRAY),
        (&columns.headers, Type::TEXT_ARRAY),
        (&columns.correlation_ids, Type::TEXT_ARRAY),
        (&columns.times, Type::TEXT_ARRAY),
    ];
    let mut pauses = PAUSES_SECONDS.iter();
    loop {
        let rows = transaction.query_typed(outbox.append, &parameters).await?;
        let written: i64 = rows.first().expect("a count is one row").try_get(0)?;
        if written > 0 {
            return Ok(());
        }
        let Some(pause) = pauses.next() else {
            return Err(AppendError::not_locked(events));
        };
        transaction.query_typed(PAUSE, &[(pause, Type::FLOAT8)]).await?;
    }
}

/// Claims an aggregate that has no row which could be locked, until `transaction` ends. Waits for another transaction that
/// has claimed it or appended to it, as long as `lock_timeout` allows.
pub async fn lock(outbox: &Outbox, transaction: &Transaction<'_>, aggregate: &Aggregate) -> Result<(), Error> {
    transaction.query_typed(outbox.lock, &[(&aggregate.id(), Type::TEXT)]).await?;
    Ok(())
}
