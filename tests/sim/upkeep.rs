//! What `upkeep` does for the tables, on the simulated ones: floors that move, the sweep below them, waits that nothing would end.
//!
//! The real upkeep works on PostgreSQL alone, behind no seam; its statements are done here again, so that claims see floors that move.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::defects::Defect;
use crate::world::{Ms, Sim, World};

const TICK: Ms = 2_000;
const GRACE: Ms = 3_000;

struct Observation {
    bound: i64,
    next_xid: u64,
    at: Ms,
}

/// Runs until `stop`.
pub async fn upkeep(sim: Arc<Sim>, stop: CancellationToken) {
    let mut observed: BTreeMap<i16, Observation> = BTreeMap::new();
    let mut round = 0_u64;
    while !stop.is_cancelled() {
        sim.pause(TICK).await;
        round += 1;
        let now = sim.now();
        let mut world = sim.lock();
        if world.table.weather.is_down {
            continue;
        }
        let mut renewed = Vec::new();
        for lane in world.table.lanes() {
            move_floor(&sim, &mut world, lane, &mut observed, &mut renewed, now);
        }
        world.table.last_xid += 1;
        let next_xid = world.table.last_xid;
        for (lane, bound) in renewed {
            observed.insert(lane, Observation { bound, next_xid, at: now });
        }
        if round.is_multiple_of(3) {
            sweep(&sim, &mut world, now);
        }
    }
}

/// `move_floors`, under the lane's lock.
fn move_floor(
    sim: &Sim,
    world: &mut World,
    lane: i16,
    observed: &mut BTreeMap<i16, Observation>,
    renewed: &mut Vec<(i16, i64)>,
    now: Ms,
) {
    let table = &mut world.table;
    if table.lane_locks.get(&lane).is_some_and(|owner| table.is_alive(*owner, now)) {
        return;
    }
    let head = table.rows_above_floor(lane).map(|row| row.seq).min();
    let xmin = table.running_xids.first().copied().unwrap_or(table.last_xid + 1);
    let is_eager = sim.has(Defect::FloorIsEager);
    let seen = observed.get(&lane);
    let ripe = seen.filter(|seen| now - seen.at >= GRACE);
    let reached = ripe.is_some_and(|seen| xmin >= seen.next_xid || is_eager);
    if let Some(seen) = ripe.filter(|_| reached) {
        let to = head.map_or(seen.bound, |head| head.min(seen.bound));
        if table.floor(lane) < to {
            table.floors.insert(lane, to);
            sim.say(|| format!("   floor of lane {lane} moves to {to}"));
        }
    }
    if seen.is_none() || reached {
        let next = table.last_seq + 1;
        renewed.push((lane, head.map_or(next, |head| head.min(next))));
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
        if table.lane_locks.get(&lane).is_some_and(|owner| table.is_alive(*owner, now)) {
            continue;
        }
        table.lower_floor(lane, seq);
        sim.say(|| format!("   the sweep brings the floor of lane {lane} down to {seq}"));
    }
}
