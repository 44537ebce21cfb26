//! The holds, for the gauge of held routes and for `/status`. Every replica reads the few rows of
//! `outbox.holds` every other second, even while it claims nothing. Called by `upkeep`, in the
//! transaction of its election.

use super::Upkeep;
use crate::outbox::hold::Holds;
use crate::outbox::store::StoreError;
use crate::postgres::batch::PgBatch;
use crate::postgres::{call, rows};

/// Sets the gauge of each route, and the count of holds.
pub(super) async fn look(upkeep: &Upkeep, batch: &PgBatch) -> Result<(), StoreError> {
    let holds = call::rows(batch.client(), "reading the holds", &upkeep.store.queries().list_holds, &[]).await?;
    upkeep.vitals.saw_holds(holds.len());
    let holds = Holds::new(holds.iter().filter_map(rows::hold).collect());
    for route in upkeep.routes.all() {
        upkeep.metrics.route_held(&route.name, holds.iter().any(|hold| upkeep.routes.is_held_by(route, &hold.scope)));
    }
    Ok(())
}
