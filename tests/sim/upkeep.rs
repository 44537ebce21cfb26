//! What `upkeep` does for the tables, on the simulated ones: floors that move, the sweep below them, waits that nothing would end.
//!
//! The real upkeep works on PostgreSQL alone, behind no seam; its statements are done here again, so that claims see floors that move.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::defects::Defect;
use crate::world::{Ms, Sim, World};

const TICK: Ms = 500;
/// Ticks from one sweep to the next.
const SWEEP: u64 = 12;

/// A bound, and who may have been given a seq below it and has not ended.
struct Observed {
    bound: i64,
    writers: BTreeSet<u64>,
}

/// Runs until `stop`.
pub async fn upkeep(sim: Arc<Sim>, stop: CancellationToken) {
    let mut observed: Option<Observed> = None;
    let mut tick = 0_u64;
    while !stop.is_cancelled() {
        sim.pause(TICK).await;
        tick += 1;
        let now = sim.now();
        let mut world = sim.lock();
        if world.table.weather.is_down {
            continue;
        }
        observe(&sim, &mut world, &mut observed);
        let free: Vec<i16> = world.table.lanes().into_iter().filter(|lane| world.table.is_free(*lane, now)).collect();
        world.table.move_floors(&free);
        if tick.is_multiple_of(SWEEP) {
            sweep(&sim, &mut world, now);
        }
    }
}

/// One observation at a time, which ripens once its writers have ended.
fn observe(sim: &Sim, world: &mut World, observed: &mut Option<Observed>) {
    let table = &mut world.table;
    let seen =
        observed.get_or_insert_with(|| Observed { bound: table.last_seq + 1, writers: table.running_xids.clone() });
    if sim.has(Defect::FloorIsEager) || seen.writers.is_disjoint(&table.running_xids) {
        table.ripe_bound = seen.bound;
        sim.say(|| format!("   the floors may move to {}", seen.bound));
        *observed = None;
    }
}

/// `end_orphaned_waits`, `sweep_late` and `lower_floor`.
fn sweep(sim: &Sim, world: &mut World, now: Ms) {
    let table = &mut world.table;
    table.end_orphaned_waits(now);
    if sim.has(Defect::FloorIsEager) {
        return;
    }
    let late: Vec<(i16, i64)> = table
        .rows
        .iter()
        .filter(|row| row.is_pending() && row.seq < table.floor(row.lane) && !table.waits.contains_key(&row.key))
        .map(|row| (row.lane, row.seq))
        .collect();
    for (lane, seq) in late {
        if !table.is_free(lane, now) {
            continue;
        }
        table.lower_floor(lane, seq);
        sim.say(|| format!("   the sweep brings the floor of lane {lane} down to {seq}"));
    }
}
