//! The holds, for the gauge of held routes and for `/status`. Every replica reads the few rows of
//! `outbox.holds` every few seconds, even while it claims nothing. Called by `upkeep`, with what the
//! transaction of its election has read.

use tokio_postgres::Row;

use super::Upkeep;
use crate::outbox::hold::Holds;
use crate::postgres::rows;

/// Sets the gauge of each route, and the count of holds.
pub(super) fn seen(upkeep: &Upkeep, holds: &[Row]) {
    upkeep.vitals.saw_holds(holds.len());
    let holds = Holds::new(holds.iter().filter_map(rows::hold).collect());
    for route in upkeep.routes.all() {
        upkeep.metrics.route_held(&route.name, holds.iter().any(|hold| upkeep.routes.is_held_by(route, &hold.scope)));
    }
}
