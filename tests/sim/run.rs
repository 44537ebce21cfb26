//! One run: a scenario from a seed, the relays and the order service in it, and the verdict.

use std::sync::Arc;

use outbox_relay::ops::metrics::Metrics;
use outbox_relay::outbox::destination::Destination;
use outbox_relay::relay::settle::OnDeadLetter;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::checker;
use crate::defects::Defect;
use crate::events::route_table;
use crate::faults::{FIRST_OF_DESTINATIONS, Fault, KINDS, strike};
use crate::process::{Setup, Slot, keep};
use crate::producers::{Trade, trade};
use crate::rabbit::Delivery;
use crate::upkeep::upkeep;
use crate::world::{Log, Ms, Sim};

/// A run has to be quiet so long after the last fault; a destination that kept a probe is probed again only after up to 300 s.
const QUIET_WITHIN: Ms = 400_000;

/// What a seed makes of a run.
#[derive(Debug)]
pub struct Scenario {
    pub replicas: usize,
    pub setup: Setup,
    pub trade: Trade,
    pub faults: Vec<(Ms, Fault)>,
}

impl Scenario {
    pub fn roll(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let span = dice.u64(1_000..30_000);
        let on_dead_letter = if dice.u64(0..6) == 0 { OnDeadLetter::Wait } else { OnDeadLetter::Continue };
        let setup = Setup {
            workers: dice.usize(1..=3),
            batch: [5, 20, 500][dice.usize(0..3)],
            lanes: [1, 2, 16][dice.usize(0..3)],
            on_dead_letter,
        };
        let trade = Trade {
            keys: dice.u64(2..14),
            lanes: dice.u64(1..6),
            transactions: dice.u64(5..40),
            span,
            bad_one_in: [0, 0, 8, 20][dice.usize(0..4)],
            late_one_in: [4, 30][dice.usize(0..2)],
        };
        // Every fourth run only has destinations that are not well.
        let first = if dice.u64(0..4) == 0 { FIRST_OF_DESTINATIONS } else { 0 };
        let faults = dice.u64(0..=4);
        let faults = (0..faults).map(|_| {
            let (at, kind) = (dice.u64(0..span + 5_000), dice.u64(first..KINDS));
            (at, Fault::roll(kind, &mut dice))
        });
        let faults = faults.collect();
        Self { replicas: dice.usize(1..=3), setup, trade, faults }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What is wrong.
    pub found: Vec<String>,
    pub log: Vec<String>,
    pub virtual_ms: Ms,
    pub published: usize,
    pub dead_lettered: usize,
    pub duplicates: usize,
}

/// Runs a seed on a paused clock of its own.
pub fn run(seed: u64, defect: Option<Defect>, log: Log) -> Outcome {
    let scenario = Scenario::roll(seed);
    // The relay's own jitter draws from the thread's dice.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(play(seed, scenario, defect, log))
}

async fn play(seed: u64, scenario: Scenario, defect: Option<Defect>, log: Log) -> Outcome {
    let sim = Sim::new(seed, defect, log);
    sim.say(|| format!("seed {seed}: {scenario:?}"));
    let routes = route_table();
    let metrics = Arc::new(Metrics::new(routes.series(), routes.sha()));
    let (over, stop) = (CancellationToken::new(), CancellationToken::new());
    tokio::spawn(upkeep(Arc::clone(&sim), stop.clone()));
    let slots: Vec<Arc<Slot>> = (0..scenario.replicas).map(|_| Arc::default()).collect();
    let mut keepers = JoinSet::new();
    for slot in &slots {
        keepers.spawn(keep(Arc::clone(&sim), scenario.setup, Arc::clone(&metrics), Arc::clone(slot), over.clone()));
    }
    let mut happenings = JoinSet::new();
    happenings.spawn(trade(Arc::clone(&sim), scenario.trade));
    let struck: Option<Vec<Destination>> = scenario
        .faults
        .iter()
        .map(|(_, fault)| fault.strikes())
        .collect::<Option<Vec<_>>>()
        .map(|struck| struck.concat());
    for (at, fault) in scenario.faults {
        happenings.spawn(strike(Arc::clone(&sim), slots.clone(), at, fault));
    }
    while let Some(ended) = happenings.join_next().await {
        ended.expect("the simulation itself does not panic");
    }
    let mut found = quiet(&sim).await;
    sim.say(|| "   everybody is told to stop".to_owned());
    over.cancel();
    while let Some(ended) = keepers.join_next().await {
        ended.expect("the simulation itself does not panic");
    }
    found.extend(nothing_more(&sim, &scenario.setup, &metrics).await);
    stop.cancel();
    conclude(&sim, found, struck.as_deref())
}

/// Waits until nothing is left to do.
async fn quiet(sim: &Sim) -> Vec<String> {
    let since = sim.now();
    while sim.now() - since < QUIET_WITHIN {
        let stuck = checker::stuck(&sim.lock().table);
        if stuck.is_empty() {
            return Vec::new();
        }
        sim.pause(500).await;
    }
    let stuck = checker::stuck(&sim.lock().table);
    let names: Vec<String> = stuck.iter().map(|number| format!("e{number}")).collect();
    vec![format!("liveness: {QUIET_WITHIN} ms after the last fault {} have not left", names.join(" "))]
}

/// A relay that is started after all were drained sends nothing again; what waited for a retry or for a probe it may send.
async fn nothing_more(sim: &Arc<Sim>, setup: &Setup, metrics: &Arc<Metrics>) -> Vec<String> {
    let copies = sim.lock().rabbit.copies.len();
    let (slot, over) = (Arc::new(Slot::default()), CancellationToken::new());
    let keeper = tokio::spawn(keep(Arc::clone(sim), *setup, Arc::clone(metrics), slot, over.clone()));
    sim.pause(20_000).await;
    over.cancel();
    keeper.await.expect("the simulation itself does not panic");
    let world = sim.lock();
    let (before, after) = world.rabbit.copies.split_at(copies);
    let is_known = |copy: &&Delivery| {
        before.iter().any(|known| !known.lost && (known.number, &known.destination) == (copy.number, &copy.destination))
    };
    let more = after.iter().filter(is_known).count();
    if more > 0 { vec![format!("P3: {more} second copies were sent after a drained shutdown")] } else { Vec::new() }
}

fn conclude(sim: &Sim, mut found: Vec<String>, struck: Option<&[Destination]>) -> Outcome {
    let log = sim.take_log();
    let world = sim.lock();
    found.extend(checker::verdict(&world, struck));
    let table = &world.table;
    let mut places: Vec<(usize, String)> =
        world.rabbit.copies.iter().map(|copy| (copy.number, copy.destination.to_string())).collect();
    let copies = places.len();
    places.sort();
    places.dedup();
    Outcome {
        found,
        log,
        virtual_ms: sim.now(),
        published: table.rows.iter().filter(|row| row.published_at.is_some()).count(),
        dead_lettered: table.letters.len(),
        duplicates: copies - places.len(),
    }
}
