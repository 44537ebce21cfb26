//! The gauge of held routes: every replica reads the few rows of `outbox.holds` every other second, also while it claims nothing. Called
//! by `upkeep`.

use super::Upkeep;
use crate::link::{call, rows};
use crate::relay::destination::Holds;
use crate::relay::store::StoreError;

/// Sets the gauge of each route.
pub async fn run(upkeep: &Upkeep) -> Result<(), StoreError> {
    let batch = upkeep.store.begin_upkeep().await?;
    let holds = call::rows(batch.client(), "reading the holds", &upkeep.store.queries().list_holds, &[]).await?;
    batch.commit().await?;
    let holds = Holds::new(holds.iter().filter_map(rows::hold).collect());
    for route in upkeep.routes.all() {
        upkeep.metrics.route_held(&route.name, holds.iter().any(|hold| route.is_held_by(&hold.scope)));
    }
    Ok(())
}
