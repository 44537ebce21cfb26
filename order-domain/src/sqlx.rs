//! The writer for `sqlx`, on any of its runtimes.
//!
//! ```no_run
//! # use order_domain::Decision;
//! # async fn write(pool: &sqlx::PgPool, decision: Decision) -> Result<(), Box<dyn std::error::Error>> {
//! let mut transaction = pool.begin().await?;
//! // The order is locked, decided on and written back here; then:
//! order_domain::sqlx::append(&mut transaction, &decision.events).await?;
//! transaction.commit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Statements are prepared once for each connection, so that an append is one round trip. Behind a pooler in transaction
//! mode connect with `PgConnectOptions::statement_cache_capacity(0)`, as for every other statement of sqlx.

use ::sqlx::{Error, Postgres, Transaction};

use crate::event::{Aggregate, Event};
use crate::outbox::{AppendError, Columns, Outbox, PAUSE, PAUSES_SECONDS};

/// Writes `events` into the outbox as a part of `transaction`: they are sent if it commits, and never were if it does
/// not. Lock the aggregate first and append last; [`crate::outbox`] says why, and what is checked.
pub async fn append(transaction: &mut Transaction<'_, Postgres>, events: &[Event]) -> Result<(), AppendError<Error>> {
    append_to(&Outbox::default(), transaction, events).await
}

/// The same into an outbox in another schema.
pub async fn append_to(
    outbox: &Outbox,
    transaction: &mut Transaction<'_, Postgres>,
    events: &[Event],
) -> Result<(), AppendError<Error>> {
    if events.is_empty() {
        return Ok(());
    }
    let columns = Columns::of(events)?;
    let mut pauses = PAUSES_SECONDS.iter();
    loop {
        if write(outbox, transaction, &columns).await? > 0 {
            return Ok(());
        }
        let Some(pause) = pauses.next() else {
            return Err(AppendError::not_locked(events));
        };
        ::sqlx::query(PAUSE).bind(pause).execute(&mut **transaction).await?;
    }
}

async fn write(outbox: &Outbox, transaction: &mut Transaction<'_, Postgres>, columns: &Columns) -> Result<i64, Error> {
    let statement = ::sqlx::query_scalar(outbox.append);
    statement
        .bind(&columns.ids)
        .bind(&columns.aggregate_types)
        .bind(&columns.aggregate_ids)
        .bind(&columns.event_types)
        .bind(&columns.versions)
        .bind(&columns.payloads)
        .bind(&columns.headers)
        .bind(&columns.correlation_ids)
        .bind(&columns.times)
        .fetch_one(&mut **transaction)
        .await
}

/// Claims an aggregate that has no row which could be locked, until `transaction` ends. Waits for another transaction that
/// has claimed it or appended to it, as long as `lock_timeout` allows.
pub async fn lock(
    outbox: &Outbox,
    transaction: &mut Transaction<'_, Postgres>,
    aggregate: &Aggregate,
) -> Result<(), Error> {
    let statement = ::sqlx::query(outbox.lock);
    statement.bind(aggregate.id()).execute(&mut **transaction).await?;
    Ok(())
}
