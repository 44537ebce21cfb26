//! What stands in every row: a bed, relays, producers with some poison among their events, a consumer, and the judge at the end.

use std::time::{Duration, Instant};

use testkit::patience::IN_THE_END;
use testkit::program::scratch_file;
use testkit::traffic::Load;
use testkit::world::ORDERS;
use testkit::{
    Bodies, Consumer, Expect, History, PrivateServices, Queue, QueueKind, Relay, TestBed, Topology, Traffic,
    eventually, judge,
};
use tokio::task::JoinSet;

use super::row::{Outcome, Trial};

/// Events in flight of one relay: what its workers may hold in their batches.
pub const WINDOW: usize = 2 * 100;
const ARGS: [&str; 4] = ["--batch-size", "100", "--workers", "2"];
/// One route for every type, whose body is the payload byte for byte.
const ROUTES: &str = "[[route]]\nname = \"all\"\nevent_type = \"*\"\nexchange = \"order.events\"\nrouting_key = \"{event_type}\"\nenvelope = \"raw\"\n";
/// Notes whoever is charged with an attempt; what is in `waits` at the end shows only who still is.
const AUDIT: &str = "
    CREATE TABLE charged (event_id uuid, reason text, error text);
    CREATE FUNCTION note_charge() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN INSERT INTO public.charged VALUES (NEW.event_id, NEW.reason, NEW.error); RETURN NULL; END $$;
    CREATE TRIGGER note_charge AFTER INSERT OR UPDATE ON outbox.waits
        FOR EACH ROW WHEN (NEW.attempts > 0) EXECUTE FUNCTION note_charge()";

pub struct Scene {
    pub bed: TestBed,
    pub history: History,
    pub relays: Vec<Relay>,
    pub expect: Expect,
    /// Whether events may be charged: the fault is about them.
    pub may_charge: bool,
    consumer: Consumer,
    traffic: Option<Traffic>,
    routes: String,
    recoveries: Vec<Duration>,
    seed: u64,
    /// Whether every relay that ever ran still tells what it counted.
    all_counted: bool,
}

impl Scene {
    /// On the servers of the whole run.
    pub async fn open(trial: &Trial) -> Self {
        let bed = TestBed::new(&trial.name).await;
        Self::with(trial, bed, &Topology::order_events([Queue::new(ORDERS, QueueKind::Classic)])).await
    }

    /// On servers that the row may hurt.
    pub async fn open_on(trial: &Trial, services: &PrivateServices) -> Self {
        let bed = TestBed::on(services).await;
        Self::with(trial, bed, &Topology::order_events([Queue::new(ORDERS, QueueKind::Classic)])).await
    }

    pub async fn with(trial: &Trial, bed: TestBed, topology: &Topology) -> Self {
        bed.migrate().await;
        bed.client().await.batch_execute(AUDIT).await.expect("charges are noted");
        bed.declare_topology(topology).await;
        let history = History::default();
        let consumer = Consumer::start(&bed.amqp_url(), ORDERS, &history);
        let routes = scratch_file("routes.toml", ROUTES);
        let expect = Expect { queues: vec![ORDERS.into()], bodies: Bodies::EqualPayload, ..Expect::default() };
        Self {
            bed,
            history,
            relays: Vec::new(),
            expect,
            may_charge: false,
            consumer,
            traffic: None,
            routes,
            recoveries: Vec::new(),
            seed: trial.seed,
            all_counted: true,
        }
    }

    /// Starts a relay; these arguments win over the scene's.
    pub async fn relay(&mut self, args: &[&str]) {
        let relay = self.new_relay(args, &[]).await;
        self.relays.push(relay);
    }

    /// A relay beside the scene's own, with variables in its environment.
    pub async fn new_relay(&self, args: &[&str], variables: &[(&str, &str)]) -> Relay {
        let mut relay = self.spawn(args, variables);
        relay.answers_at(relay.admin()).await;
        relay
    }

    /// The same without waiting until it answers: it may die before.
    pub fn spawn(&self, args: &[&str], variables: &[(&str, &str)]) -> Relay {
        let given = |flag: &&[&str]| !args.contains(&flag[0]);
        let common: Vec<&str> =
            ARGS.chunks(2).chain([&["--routes", self.routes.as_str()][..]]).filter(given).flatten().copied().collect();
        Relay::spawn_in(&self.bed, &[&common, args].concat(), variables)
    }

    /// Starts the producers: enough that something is always in flight, little enough for many rows side by side.
    pub fn load(&mut self) {
        let load =
            Load { producers: 2, keys: 60, events_at_most: 4, pause: Duration::from_millis(12), ..Load::default() };
        self.load_with(&load);
    }

    pub fn load_with(&mut self, load: &Load) {
        let load = Load { seed: self.seed, poison_one_in: Some(150), ..load.clone() };
        self.traffic = Some(Traffic::start(&self.bed.database_url(), &self.history, &load));
    }

    pub async fn stop_load(&mut self) {
        if let Some(traffic) = self.traffic.take() {
            traffic.stop().await;
        }
    }

    /// Waits until so many more events have arrived.
    pub async fn flow(&self, events: usize) {
        let before = self.history.progress().distinct;
        let what = format!("{events} more events of {} arrive", self.bed.name());
        eventually(IN_THE_END, &what, async || self.history.progress().distinct >= before + events).await;
    }

    /// The fault is over: measures how long it takes until all that is committed by now has arrived.
    pub async fn recover(&mut self) {
        self.recover_since(Instant::now()).await;
    }

    /// The same where it was over a little earlier.
    pub async fn recover_since(&mut self, healed: Instant) {
        let due = self.history.due();
        let what =
            format!("all {} events of {} that were committed by the end of the fault", due.len(), self.bed.name());
        eventually(IN_THE_END, &what, async || self.history.have_arrived(&due)).await;
        self.recoveries.push(healed.elapsed());
    }

    /// Kills a relay, with what it counted.
    pub async fn kill(&mut self, place: usize) {
        let mut relay = self.relays.remove(place);
        relay.kill().await;
        self.all_counted = false;
    }

    /// Stops a relay in good order, with what it counted.
    pub async fn retire(&mut self, place: usize) {
        let mut relay = self.relays.remove(place);
        assert!(relay.stop(IN_THE_END).await.success(), "a relay that is told to stop ends well\n{}", relay.log());
        self.all_counted = false;
    }

    /// A relay that the row ran beside those of the scene is gone, with what it counted.
    pub fn lost_a_relay(&mut self) {
        self.all_counted = false;
    }

    /// How many events were charged with attempts so far.
    pub async fn charged(&self) -> i64 {
        let client = self.bed.client().await;
        client.query_one("SELECT count(*) FROM charged", &[]).await.expect("charges are counted").get(0)
    }

    /// Ends the row: everything drains, every relay stops well, and the history is judged.
    pub async fn finish(mut self, rounds: usize, bound: usize) -> Outcome {
        self.stop_load().await;
        if self.relays.is_empty() {
            self.relay(&[]).await;
        }
        self.bed.quiet(&self.history, IN_THE_END).await;
        let mut broken = Vec::new();
        let charged = self.charged().await;
        if charged > 0 && !self.may_charge {
            broken.push(format!("innocent events were charged {charged} times: {}", self.charges().await));
        }
        let counted = self.counted().await;
        self.stop_relays().await;
        self.consumer.stop().await;
        self.expect.dead_letters = self.bed.dead_letters().await;
        let verdict = judge(&self.history, &self.expect);
        if self.all_counted && self.expect.forgotten.is_empty() {
            let arrivals = self.history.progress().arrivals;
            let (published, possible) = counted;
            if published < verdict.delivered || published > arrivals {
                broken.push(format!(
                    "outbox_published_total is {published}, of {} delivered in {arrivals} copies",
                    verdict.delivered
                ));
            }
            if possible < verdict.duplicates {
                broken.push(format!(
                    "outbox_possible_duplicates_total is {possible}, of {} duplicates",
                    verdict.duplicates
                ));
            }
        }
        std::fs::remove_file(&self.routes).ok();
        Outcome { rounds, verdict, bound, recoveries: self.recoveries, broken }
    }

    async fn charges(&self) -> String {
        let query = "SELECT DISTINCT reason || ': ' || coalesce(error, '') FROM charged LIMIT 5";
        let rows = self.bed.client().await.query(query, &[]).await.expect("charges are read");
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("; ")
    }

    /// What the relays counted as published and as perhaps sent twice.
    async fn counted(&self) -> (usize, usize) {
        let (mut published, mut possible) = (0.0, 0.0);
        for relay in &self.relays {
            published += relay.metric("outbox_published_total").await;
            possible += relay.metric("outbox_possible_duplicates_total").await;
        }
        (published as usize, possible as usize)
    }

    async fn stop_relays(&mut self) {
        let mut stopping = JoinSet::new();
        for mut relay in self.relays.drain(..) {
            stopping.spawn(async move {
                let status = relay.stop(IN_THE_END).await;
                assert!(status.success(), "{status}\n{}", relay.log());
            });
        }
        while let Some(stopped) = stopping.join_next().await {
            stopped.expect("every relay stops in good order");
        }
    }
}

/// The fault itself lasts so long.
pub async fn lasts(time: Duration) {
    tokio::time::sleep(time).await;
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
