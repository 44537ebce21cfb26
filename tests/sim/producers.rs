//! The order service: transactions that insert rows and commit them, some of them late or never.

use std::sync::Arc;

use crate::events::Kind;
use crate::table::Row;
use crate::world::{Ms, Sim};

/// What the producers of a run do.
#[derive(Debug, Clone, Copy)]
pub struct Trade {
    pub keys: u64,
    pub lanes: u64,
    pub transactions: u64,
    /// Over so long.
    pub span: Ms,
    /// One row in so many is bad; 0 is none.
    pub bad_one_in: u64,
    /// One transaction in so many commits late.
    pub late_one_in: u64,
}

/// Starts every transaction; returns when all have ended.
pub async fn trade(sim: Arc<Sim>, trade: Trade) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..trade.transactions {
        let at = sim.roll(0..trade.span.max(1));
        tasks.spawn(transaction(Arc::clone(&sim), trade, at));
    }
    while tasks.join_next().await.is_some() {}
}

async fn transaction(sim: Arc<Sim>, trade: Trade, at: Ms) {
    sim.pause(at).await;
    let (xid, numbers, lasts, commits) = {
        let mut world = sim.lock();
        let world = &mut *world;
        world.table.last_xid += 1;
        let xid = world.table.last_xid;
        world.table.running_xids.insert(xid);
        let dice = &mut world.dice;
        let rows = dice.u64(1..=4);
        let numbers: Vec<usize> = (0..rows)
            .map(|_| {
                let key = dice.u64(0..trade.keys);
                world.table.last_seq += 1;
                let is_bad = trade.bad_one_in > 0 && dice.u64(0..trade.bad_one_in) == 0;
                let kinds: &[Kind] = if is_bad { &Kind::BAD } else { &Kind::GOOD };
                let row = Row {
                    seq: world.table.last_seq,
                    lane: i16::try_from(key % trade.lanes).expect("few"),
                    key: format!("k{key}"),
                    kind: kinds[dice.usize(0..kinds.len())],
                    committed: None,
                    published_at: None,
                    moved: false,
                };
                world.table.rows.push(row);
                world.table.rows.len() - 1
            })
            .collect();
        let lasts = if dice.u64(0..trade.late_one_in) == 0 { dice.u64(100..8_000) } else { dice.u64(0..20) };
        (xid, numbers, lasts, dice.u64(0..25) > 0)
    };
    sim.pause(lasts).await;
    let mut world = sim.lock();
    world.table.running_xids.remove(&xid);
    if !commits {
        return;
    }
    world.table.commits += 1;
    let commit = (sim.now(), world.table.commits);
    for number in &numbers {
        world.table.rows[*number].committed = Some(commit);
    }
    let told: Vec<String> = numbers
        .iter()
        .map(|number| {
            let row = world.table.row(*number);
            format!("e{number} {} {:?}", row.key, row.kind)
        })
        .collect();
    drop(world);
    sim.say(|| format!("   commits {}", told.join(", ")));
}
