//! Observes how far the floors may move, and moves those of lanes that nobody holds. Batches move
//! their own (`postgres::floors`).
//!
//! Called by `upkeep`. Never waits for a lane.

use tokio_postgres::types::Type;

use super::{Ran, Upkeep};
use crate::outbox::store::StoreError;
use crate::postgres::batch::PgBatch;
use crate::postgres::call;
use crate::postgres::floors;
use crate::postgres::floors::{Seen, Writer};

/// Runs on every replica: each one's batches move floors, although only one replica is elected to
/// move the rest. Moves the floors of idle lanes that are far behind. `None` if no batch has
/// settled since the last look, so that nothing was asked.
pub(super) async fn observe(upkeep: &Upkeep) -> Result<Option<Seen>, StoreError> {
    let floors = upkeep.store.floors();
    if !floors.is_wanted() {
        return Ok(None);
    }
    let _turn = upkeep.store.database().turn().await;
    let batch = upkeep.store.begin_upkeep().await?;
    let server = floors.server();
    // The order matters: whoever takes a seq below the one just read is then seen writing, unless
    // it has ended.
    let behind = look(upkeep, &batch).await?;
    let writers = call::rows(batch.client(), "looking for writers", &upkeep.store.queries().writers, &[]).await?;
    batch.commit().await?;
    let writers: Vec<Writer> =
        writers.iter().map(|row| Writer { transaction: row.get(0), is_prepared: row.get(1) }).collect();
    let seen = floors.observe(server, behind.next, &writers);
    if seen == Seen::Ripe {
        move_idle(upkeep, &behind.lanes, floors::STEP).await?;
    }
    Ok(Some(seen))
}

/// Moves the floors of idle lanes all the way. Does nothing if every floor has caught up.
pub(super) async fn run(upkeep: &Upkeep, behind: &Behind) -> Result<Ran, StoreError> {
    if behind.lanes.is_empty() {
        return Ok(Ran::Nothing);
    }
    let step = upkeep.store.floors().are_behind(behind.next);
    move_idle(upkeep, &behind.lanes, step).await?;
    Ok(Ran::Done)
}

async fn move_idle(upkeep: &Upkeep, behind: &[i16], step: i64) -> Result<(), StoreError> {
    let floors = upkeep.store.floors();
    let Some(mut due) = floors.due(behind) else { return Ok(()) };
    let batch = upkeep.store.begin_upkeep().await?;
    let queries = upkeep.store.queries();
    let params: [call::Param<'_>; 1] = [(&due.lanes, Type::INT2_ARRAY)];
    let locked = call::rows(batch.client(), "locking idle lanes", &queries.try_lock_lanes, &params).await?;
    due.lanes = locked.iter().map(|row| row.get(0)).collect();
    floors.move_held(&batch, queries, &due, step).await?;
    batch.commit().await
}

/// How far the floors are behind.
#[derive(Debug)]
pub(super) struct Behind {
    /// The seq that is next.
    next: i64,
    /// The lanes whose floor is below it.
    lanes: Vec<i16>,
}

/// Looks how far the floors are behind.
pub(super) async fn look(upkeep: &Upkeep, batch: &PgBatch) -> Result<Behind, StoreError> {
    let row = call::one(batch.client(), "looking at the floors", &upkeep.store.queries().lanes_behind, &[]).await?;
    Ok(Behind { next: row.get(0), lanes: row.get(1) })
}
