//! A relay process: the real workers and the real probe behind their gates, on the simulated services. A keeper starts it again when it
//! ends, as Kubernetes does.

use std::sync::Arc;
use std::time::Duration;

use outbox_relay::ops::metrics::Metrics;
use outbox_relay::ops::quota::Quota;
use outbox_relay::ops::spans::Spans;
use outbox_relay::ops::vitals::Vitals;
use outbox_relay::outbox::hints::Hints;
use outbox_relay::outbox::store::ClaimLimits;
use outbox_relay::relay::Relay;
use outbox_relay::relay::evidence::Evidence;
use outbox_relay::relay::marked::Marked;
use outbox_relay::relay::probe::probe;
use outbox_relay::relay::settle::OnDeadLetter;
use outbox_relay::relay::wake::Wake;
use outbox_relay::relay::worker::crew_members;
use testkit::fixtures;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::broker::SimBroker;
use crate::events::{RELAY_BYTES_MAX, route_table};
use crate::gate::{Blow, Gate, Switch};
use crate::store::SimStore;
use crate::wire::stir;
use crate::world::{Ms, Process, Sim};

/// `--drain-timeout`.
const DRAIN_MAX: Ms = 20_000;

/// How the relays of a run are configured.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub workers: usize,
    pub batch: usize,
    pub lanes: usize,
    pub on_dead_letter: OnDeadLetter,
}

/// One running process, as the faults see it.
pub struct Running {
    pub process: Process,
    pub switch: Arc<Switch>,
    pub draining: CancellationToken,
    tasks: JoinSet<()>,
    broker: SimBroker,
    sim: Arc<Sim>,
}

/// A place for a process, and who keeps it filled.
#[derive(Default)]
pub struct Slot {
    present: std::sync::Mutex<Option<(Process, Arc<Switch>, CancellationToken)>>,
}

impl Slot {
    /// The process there, unless it is being started.
    pub fn present(&self) -> Option<(Process, Arc<Switch>, CancellationToken)> {
        self.present.lock().expect("nobody panics while it is held").clone()
    }

    fn put(&self, running: Option<&Running>) {
        *self.present.lock().expect("nobody panics while it is held") =
            running.map(|running| (running.process, Arc::clone(&running.switch), running.draining.clone()));
    }
}

impl Running {
    pub fn start(sim: &Arc<Sim>, setup: &Setup, metrics: &Arc<Metrics>, process: Process) -> Self {
        let (switch, draining) = (Arc::new(Switch::default()), CancellationToken::new());
        let broker = SimBroker::new(sim, process, &switch);
        let relay = Arc::new(Relay {
            store: SimStore::new(sim, process),
            broker: broker.clone(),
            routes: route_table(),
            policy: fixtures::policy(),
            on_dead_letter: setup.on_dead_letter,
            limits: ClaimLimits {
                lanes: setup.lanes,
                events: setup.batch,
                bytes: 16 << 20,
                events_of_key: 32,
                payload_bytes: RELAY_BYTES_MAX,
            },
            batch_deadline: Duration::from_secs(2),
            evidence: Evidence::default(),
            marked: Marked::default(),
            new_hold: Notify::new(),
            metrics: Arc::clone(metrics),
            spans: Spans::default(),
            vitals: Vitals::default(),
            quota: Quota::default(),
            drain_timeout: Duration::from_millis(DRAIN_MAX),
            draining: draining.clone(),
        });
        let mut tasks = JoinSet::new();
        let wake = Wake::new(Hints::default(), Duration::from_millis(250));
        for worker in crew_members(&relay, setup.workers, wake) {
            tasks.spawn(Gate::new(&switch, worker));
        }
        tasks.spawn(Gate::new(&switch, probe(relay)));
        tokio::spawn(Gate::new(&switch, broker.clone().supervise()));
        sim.say(|| format!("p{process} starts"));
        Self { process, switch, draining, tasks, broker, sim: Arc::clone(sim) }
    }

    /// Until it ends: by itself after it was told to drain, at the drain timeout, or killed.
    async fn ended(mut self) {
        let draining = self.draining.clone();
        let drained = async { while self.tasks.join_next().await.is_some() {} };
        let timeout = async {
            draining.cancelled().await;
            self.sim.pause(DRAIN_MAX).await;
        };
        let in_time = tokio::select! {
            biased;
            () = drained => true,
            () = timeout => false,
        };
        let was_killed = self.switch.is_dead();
        let owes = {
            let world = self.sim.lock();
            let chans = world.rabbit.chans.values();
            chans.filter(|chan| chan.process == self.process && !chan.unconfirmed.is_empty()).count() > 0
        };
        self.switch.kill();
        let in_order = in_time && !was_killed && !owes;
        self.sim.say(|| format!("p{} ends{}", self.process, if in_order { " in good order" } else { "" }));
        if !in_order {
            self.sim.incident(Some(self.process), "the process ended in the middle of its work");
        }
        self.broker.part(in_order);
    }
}

/// Keeps a process in its slot until the run is over.
pub async fn keep(sim: Arc<Sim>, setup: Setup, metrics: Arc<Metrics>, slot: Arc<Slot>, over: CancellationToken) {
    while !over.is_cancelled() {
        let process = {
            let mut world = sim.lock();
            world.rabbit.last_id += 1;
            usize::try_from(world.rabbit.last_id).expect("small")
        };
        let running = Running::start(&sim, &setup, &metrics, process);
        slot.put(Some(&running));
        let (switch, draining) = (Arc::clone(&running.switch), running.draining.clone());
        let watched = watch(&sim, process, &switch);
        tokio::select! {
            biased;
            () = running.ended() => {}
            () = watched => {}
            () = async { over.cancelled().await; draining.cancel(); std::future::pending::<()>().await } => {}
        }
        slot.put(None);
        let after = sim.roll(50..3_000);
        if !over.is_cancelled() {
            sim.pause(after).await;
        }
    }
}

/// Sees to it that a process which a blow has frozen goes on after its time. Never ends.
async fn watch(sim: &Sim, process: Process, switch: &Switch) {
    loop {
        switch.fallen.notified().await;
        match switch.take_landed() {
            Some(Blow::Freeze(ms)) => freeze(sim, process, switch, ms).await,
            Some(Blow::Kill) => sim.say(|| format!("p{process} is killed")),
            None => {}
        }
    }
}

/// Freezes a process for a while.
pub async fn freeze(sim: &Sim, process: Process, switch: &Switch, ms: Ms) {
    sim.say(|| format!("p{process} is frozen for {ms} ms"));
    let from = sim.now();
    switch.freeze();
    sim.incident_between(from, from + ms, Some(process), "frozen");
    sim.pause(ms).await;
    switch.thaw();
    stir(&sim.lock());
    sim.say(|| format!("p{process} is thawed"));
}
