//! Observes how far the floors may move, and moves those of lanes that nobody holds; batches move their own (`link::floors`).
//!
//! Called by `upkeep`. Never waits for a lane.

use tokio_postgres::types::Type;

use super::Upkeep;
use crate::link::call;
use crate::relay::store::StoreError;

/// What one look found.
struct Behind {
    /// The server that was looked at, as `Floors` counts them.
    server: u64,
    /// The seq that is handed out next.
    next: i64,
    /// The lanes whose floor is below it.
    lanes: Vec<i16>,
}

/// Observes, where the replica's own batches will move floors, although another one is elected to move the others.
pub(super) async fn observe(upkeep: &Upkeep) -> Result<(), StoreError> {
    if upkeep.store.floors().is_busy() {
        let behind = look(upkeep).await?;
        note(upkeep, &behind).await?;
    }
    Ok(())
}

/// Observes, and moves the floors of idle lanes; nothing at all where every floor has caught up.
pub(super) async fn run(upkeep: &Upkeep) -> Result<(), StoreError> {
    let behind = look(upkeep).await?;
    if behind.lanes.is_empty() {
        return Ok(());
    }
    note(upkeep, &behind).await?;
    let floors = upkeep.store.floors();
    let Some(mut due) = floors.due(&behind.lanes) else { return Ok(()) };
    let batch = upkeep.store.begin_upkeep().await?;
    let queries = upkeep.store.queries();
    let params: [call::Param<'_>; 1] = [(&due.lanes, Type::INT2_ARRAY)];
    let locked = call::rows(batch.client(), "locking idle lanes", &queries.try_lock_lanes, &params).await?;
    due.lanes = locked.iter().map(|row| row.get(0)).collect();
    floors.move_held(&batch, queries, &due).await?;
    batch.commit().await
}

async fn look(upkeep: &Upkeep) -> Result<Behind, StoreError> {
    let batch = upkeep.store.begin_upkeep().await?;
    let server = upkeep.store.floors().server();
    let row = call::one(batch.client(), "looking at the floors", &upkeep.store.queries().lanes_behind, &[]).await?;
    batch.commit().await?;
    Ok(Behind { server, next: row.get(0), lanes: row.get(1) })
}

/// Notes what is next, with a transaction id that is taken after it.
async fn note(upkeep: &Upkeep, behind: &Behind) -> Result<(), StoreError> {
    let batch = upkeep.store.begin_upkeep().await?;
    let row = call::one(batch.client(), "taking a transaction id", &upkeep.store.queries().next_xid, &[]).await?;
    batch.commit().await?;
    upkeep.store.floors().observe(behind.server, behind.next, row.get(0));
    Ok(())
}
