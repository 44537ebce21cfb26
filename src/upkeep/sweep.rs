//! The sweep below the floors: a safety net for rows that commit after a floor has passed them, and
//! for waits that nothing else would end. Called by `upkeep`.

use tokio_postgres::types::Type;

use super::Upkeep;
use crate::outbox::hints::Cause;
use crate::outbox::store::StoreError;
use crate::postgres::call;

/// Lowers floors to what it finds, so that the next claim takes it.
pub(super) async fn run(upkeep: &Upkeep) -> Result<(), StoreError> {
    let queries = upkeep.store.queries();
    let batch = upkeep.store.begin_upkeep().await?;
    call::execute(batch.client(), "ending orphaned waits", &queries.end_orphaned_waits, &[]).await?;
    let late = call::rows(batch.client(), "sweeping below the floors", &queries.sweep_late, &[]).await?;
    batch.commit().await?;
    for row in &late {
        let (lane, seq, events): (i16, i64, i64) = (row.get(0), row.get(1), row.get(2));
        let batch = upkeep.store.begin_upkeep().await?;
        let lock: [call::Param<'_>; 1] = [(&i32::from(lane), Type::INT4)];
        call::rows(batch.client(), "locking a lane", &queries.lock_lane, &lock).await?;
        let params: [call::Param<'_>; 2] = [(&lane, Type::INT2), (&seq, Type::INT8)];
        call::execute(batch.client(), "lowering a floor", &queries.lower_floor, &params).await?;
        batch.commit().await?;
        upkeep.metrics.late_rows(u64::try_from(events).unwrap_or(0));
        tracing::info!(lane, seq, events, "events committed late, below the lane's floor");
        upkeep.hints.give(Cause::Poll);
    }
    Ok(())
}
