//! Sets right what a database clock that was ahead has left in the future. Called by `upkeep`, on every
//! replica: the election of one is among what such a time keeps from happening.

use tokio_postgres::types::Type;

use super::Upkeep;
use crate::outbox::hints::Cause;
use crate::outbox::store::StoreError;
use crate::postgres::call;

/// Waits that one statement makes due.
const CHUNK: i64 = 1_000;

/// Makes due what was not to be due for longer than any pause that a relay asks for.
pub(super) async fn run(upkeep: &Upkeep) -> Result<(), StoreError> {
    let pause_max_ms = i64::try_from(upkeep.pause_max.as_millis()).unwrap_or(i64::MAX);
    let (mut jobs, mut waits, mut holds) = (0, 0, 0);
    loop {
        let batch = upkeep.store.begin_upkeep().await?;
        let params: [call::Param<'_>; 2] = [(&pause_max_ms, Type::INT8), (&CHUNK, Type::INT8)];
        let sql = &upkeep.store.queries().repair_times;
        let row = call::one(batch.client(), "looking for times in the future", sql, &params).await?;
        batch.commit().await?;
        let repaired: i64 = row.get("waits");
        jobs += row.get::<_, i64>("jobs");
        waits += repaired;
        holds += row.get::<_, i64>("probes");
        if repaired < CHUNK {
            break;
        }
    }
    if jobs + waits + holds > 0 {
        tracing::warn!(jobs, waits, holds, "the database's clock was ahead; what it had put off is due now");
        upkeep.hints.give(Cause::Poll);
    }
    Ok(())
}
