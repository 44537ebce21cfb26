//! The sweep below the floors: a safety net for rows that commit after a floor has passed them, and
//! for waits that nothing else would end. Called by `upkeep`.

use tokio_postgres::types::Type;

use super::{Ran, Upkeep};
use crate::outbox::hints::Cause;
use crate::outbox::store::{Store, StoreError};
use crate::postgres::batch::PgBatch;
use crate::postgres::call;
use crate::postgres::queries::Queries;

/// Waits that one turn looks at: each is two looks into an index, and a slow one an update (0.3 ms).
const PAGE: i64 = 5_000;

/// Lowers floors to what it finds, so that the next claim takes it.
/// `after` is the key where the last turn left off with more waits to look at.
pub(super) async fn run(upkeep: &Upkeep, after: Option<String>) -> Result<Ran, StoreError> {
    let queries = upkeep.store.queries();
    let after = after.unwrap_or_default();
    // It reads waits before it writes them: without the locks of both, a REINDEX between the two is a deadlock (measured).
    let mut batch = upkeep.store.begin().await?;
    let gone = call::rows(batch.client(), "looking for lifted holds", &queries.gone_holds, &[]).await?;
    if !gone.is_empty() {
        // First, in chunks: what is left to the look for orphans is all done in one statement.
        batch.commit().await?;
        for hold in gone.iter().map(|row| row.get(0)) {
            upkeep.store.lift_waits(hold).await?;
        }
        batch = upkeep.store.begin().await?;
    }
    // What takes locks comes last.
    let (late, after) = tokio::try_join!(
        biased;
        call::rows(batch.client(), "sweeping below the floors", &queries.sweep_late, &[]),
        end_orphans(&batch, queries, &after)
    )?;
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
    Ok(after.map_or(Ran::Done, |after| Ran::More { after: Some(after) }))
}

/// Makes waits due that nothing will end, in one page of the table; answers where the next one begins, unless this was the last.
async fn end_orphans(batch: &PgBatch, queries: &Queries, after: &str) -> Result<Option<String>, StoreError> {
    let params: [call::Param<'_>; 2] = [(&after, Type::TEXT), (&PAGE, Type::INT8)];
    let row = call::one(batch.client(), "ending orphaned waits", &queries.end_orphaned_waits, &params).await?;
    let (up_to, found): (Option<String>, i64) = (row.get("up_to"), row.get("found"));
    Ok(up_to.filter(|_| found >= PAGE))
}
