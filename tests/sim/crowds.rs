//! Crowds: thousands of waiting keys, a key with thousands of events, a hold whose lane is busy. Scenarios written by hand, because a roll of
//! the dice makes few keys; the relays, the upkeep and the statements are those of every other run.

use std::future::Future;
use std::sync::Arc;

use outbox_relay::ops::metrics::Metrics;
use outbox_relay::relay::settle::OnDeadLetter;
use tokio_util::sync::CancellationToken;

use crate::events::{Kind, route_table};
use crate::process::{Setup, Slot, keep};
use crate::rabbit::{Mood, names};
use crate::table::{Number, Row};
use crate::upkeep::upkeep;
use crate::wire::stir;
use crate::world::{Log, Ms, Sim};

const SETUP: Setup = Setup { workers: 2, batch: 500, lanes: 16, on_dead_letter: OnDeadLetter::Continue };
/// What others may have to wait.
const NOT_LONG: Ms = 1_000;

/// Plays `scene` with one relay on a paused clock.
fn play<F: Future<Output = ()>>(seed: u64, scene: impl FnOnce(Arc<Sim>) -> F) {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(async {
        let sim = Sim::new(seed, None, Log::None);
        let routes = route_table();
        let metrics = Arc::new(Metrics::new(routes.series(), routes.sha()));
        let (over, stop) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(upkeep(Arc::clone(&sim), stop.clone()));
        let keeper = tokio::spawn(keep(Arc::clone(&sim), SETUP, metrics, Arc::new(Slot::default()), over.clone()));
        scene(Arc::clone(&sim)).await;
        over.cancel();
        keeper.await.expect("the simulation itself does not panic");
        stop.cancel();
    });
}

fn commit(sim: &Sim, key: String, lane: i16, kind: Kind) -> Number {
    let now = sim.now();
    let table = &mut sim.lock().table;
    table.last_seq += 1;
    table.commits += 1;
    let committed = Some((now, table.commits));
    table.rows.push(Row { seq: table.last_seq, lane, key, kind, committed, published_at: None, moved: false });
    table.rows.len() - 1
}

fn pending(sim: &Sim, numbers: &[Number]) -> usize {
    let world = sim.lock();
    numbers.iter().filter(|number| world.table.row(**number).is_pending()).count()
}

/// Polls until it is so, for as long as `within` in virtual time.
async fn eventually(sim: &Sim, within: Ms, what: &str, is_so: impl Fn() -> bool) {
    let since = sim.now();
    while !is_so() {
        assert!(sim.now() - since < within, "not within {within} ms: {what}");
        sim.pause(100).await;
    }
}

/// The longest that one of them took from its commit to its mark.
async fn worst_lag(sim: &Sim, numbers: &[Number]) -> Ms {
    eventually(sim, 60_000, "the others leave", || pending(sim, numbers) == 0).await;
    let world = sim.lock();
    let lag = |number: &Number| {
        let row = world.table.row(*number);
        let committed = row.committed.map_or(0, |(at, _)| at);
        row.published_at.map_or(Ms::MAX, |at| at - committed)
    };
    numbers.iter().map(lag).max().unwrap_or(0)
}

#[test]
fn six_thousand_keys_of_a_hold_are_lifted_where_one_update_of_all_would_be_cut_off() {
    play(1, async |sim| {
        sim.lock().rabbit.missing.insert("e".to_owned());
        let crowd: Vec<Number> =
            (0..6_000).map(|n| commit(&sim, format!("k{n}"), i16::try_from(n % 8).expect("few"), Kind::A)).collect();
        let waiting = || sim.lock().table.waits.len();
        eventually(&sim, 600_000, "all of them wait", || waiting() == crowd.len()).await;
        {
            let mut world = sim.lock();
            world.table.weather.waits_per_ms = 1;
            world.rabbit.missing.remove("e");
            stir(&world);
        }
        eventually(&sim, 300_000, "all of them have left", || pending(&sim, &crowd) == 0).await;
        assert!(sim.lock().table.holds.is_empty());
    });
}

#[test]
fn keys_without_a_route_delay_nobody_however_many_there_are() {
    play(2, async |sim| {
        for n in 0..1_500 {
            commit(&sim, format!("odd{n}"), i16::try_from(n % 8).expect("few"), Kind::NoRoute);
        }
        eventually(&sim, 120_000, "all of them wait", || sim.lock().table.waits.len() == 1_500).await;
        let mut live = Vec::new();
        // Longer than the pause after which they were once looked at again.
        for n in 0..200 {
            live.push(commit(&sim, format!("live{n}"), i16::try_from(n % 8).expect("few"), Kind::A));
            sim.pause(200).await;
        }
        let lag = worst_lag(&sim, &live).await;
        assert!(lag < NOT_LONG, "{lag} ms");
    });
}

#[test]
fn a_key_with_two_thousand_events_does_not_delay_another_key_of_its_lane() {
    play(3, async |sim| {
        let hot: Vec<Number> = (0..2_000).map(|_| commit(&sim, "hot".to_owned(), 0, Kind::A)).collect();
        let mut others = Vec::new();
        for n in 0..20 {
            others.push(commit(&sim, format!("cold{n}"), 0, Kind::A));
            sim.pause(100).await;
        }
        let lag = worst_lag(&sim, &others).await;
        assert!(lag < NOT_LONG, "{lag} ms");
        assert!(pending(&sim, &hot) > 0, "the key with many events was done first, which says nothing");
    });
}

#[test]
fn sixteen_lanes_with_a_backlog_of_one_key_each_leave_a_seventeenth_its_turn() {
    play(4, async |sim| {
        for n in 0..16 * 300 {
            let lane = i16::try_from(n % 16).expect("few");
            commit(&sim, format!("hot{lane}"), lane, Kind::A);
        }
        let mut others = Vec::new();
        for n in 0..20 {
            others.push(commit(&sim, format!("cold{n}"), 40, Kind::A));
            sim.pause(100).await;
        }
        let lag = worst_lag(&sim, &others).await;
        assert!(lag < NOT_LONG, "{lag} ms");
    });
}

#[test]
fn a_due_hold_whose_only_lane_is_busy_keeps_no_other_hold_from_its_probe() {
    play(5, async |sim| {
        let places = [Kind::A, Kind::B].map(|kind| names(&kind.ways("k0")[0].0));
        for place in &places {
            sim.lock().rabbit.moods.insert(place.clone(), Mood::Nacks);
        }
        let (first, second) = (commit(&sim, "first".into(), 0, Kind::A), commit(&sim, "second".into(), 1, Kind::B));
        eventually(&sim, 60_000, "both wait for a hold", || sim.lock().table.holds.len() == 2).await;
        // A command works in the first one's lane.
        let lock = || {
            let now = sim.now();
            let mut world = sim.lock();
            let tx = world.table.begin(usize::MAX, now);
            if world.table.try_lock_lane(tx, 0, now) {
                world.table.txs.get_mut(&tx).expect("it has just begun").is_busy = true;
                return Some(tx);
            }
            world.table.end(tx);
            None
        };
        let busy = loop {
            if let Some(tx) = lock() {
                break tx;
            }
            sim.pause(7).await;
        };
        for place in &places {
            sim.lock().rabbit.moods.remove(place);
        }
        stir(&sim.lock());
        eventually(&sim, 15_000, "the second has left", || pending(&sim, &[second]) == 0).await;
        assert_eq!(pending(&sim, &[first]), 1, "its lane is busy");
        sim.lock().table.end(busy);
        eventually(&sim, 15_000, "the first has left", || pending(&sim, &[first]) == 0).await;
    });
}
