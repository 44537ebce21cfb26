//! The rows of the matrix: each is one fault with its rounds, and what it may cost. `tests/matrix` runs all of them (`make faults`), the
//! suite those that are marked quick, with fewer rounds (`tests/faults`).

pub mod row;
pub mod scene;

mod bad_rows;
mod broker;
mod cluster;
mod crashes;
mod database;
mod exchange;
mod failover;
mod flows;
mod killed;
mod network;
mod relays;
mod replay;

use row::Row;

/// Every row, the long ones first.
pub fn all() -> Vec<Row> {
    let families = [
        crashes::slow(),
        broker::rows(),
        relays::rows(),
        cluster::rows(),
        database::rows(),
        failover::rows(),
        exchange::rows(),
        flows::rows(),
        bad_rows::rows(),
        replay::rows(),
        killed::rows(),
        network::rows(),
        crashes::quick(),
    ];
    families.into_iter().flatten().collect()
}
