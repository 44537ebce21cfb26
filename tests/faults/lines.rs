//! The lines to the two servers: cut again and again in the middle of whatever is said, or silent.

use std::time::Duration;

use testkit::bed::TestBed;
use testkit::checker::judge;
use testkit::consumer::Consumer;
use testkit::history::History;
use testkit::process::Signal;
use testkit::proxy::{Faults, Proxy, Stall};
use testkit::relay::Relay;
use testkit::traffic::{Load, Traffic};
use testkit::urls::{addr_of, with_addr};

use crate::faults::{PATIENCE, declare_orders, nothing_was_charged, reached};

const IN_FLIGHT: usize = 2 * 50;
const ARGS: [&str; 4] = ["--workers", "2", "--batch-size", "50"];

/// A relay behind two proxies, with traffic.
struct Scene {
    bed: TestBed,
    history: History,
    consumer: Consumer,
    relay: Relay,
    traffic: Traffic,
    database: Proxy,
    broker: Proxy,
}

impl Scene {
    async fn open(name: &str) -> Self {
        let bed = TestBed::new(name).await;
        bed.migrate().await;
        declare_orders(&bed).await;
        let history = History::default();
        let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
        let database = Proxy::start(addr_of(&bed.relay_database_url())).await;
        let broker = Proxy::start(addr_of(&bed.amqp_url())).await;
        let urls = [with_addr(&bed.relay_database_url(), database.addr()), with_addr(&bed.amqp_url(), broker.addr())];
        let args = [&ARGS[..], &["--database-url", &urls[0], "--amqp-url", &urls[1]]].concat();
        let relay = Relay::start(&bed, &args).await;
        let load = Load { producers: 2, keys: 40, pause: Duration::from_millis(10), ..Load::default() };
        let traffic = Traffic::start(&bed.database_url(), &history, &load);
        Self { bed, history, consumer, relay, traffic, database, broker }
    }

    async fn flow(&self, events: usize) {
        reached(&self.history, 0, self.history.progress().distinct + events).await;
    }

    /// Everything drains, nobody paid for it, and the relay's own figures agree with the history.
    async fn close(self, duplicates_at_most: usize) {
        self.traffic.stop().await;
        self.bed.quiet(&self.history, PATIENCE).await;
        nothing_was_charged(&self.bed, &self.relay).await;
        self.consumer.stop().await;
        let verdict = judge(&self.history, &self.bed.expect(&["orders"]).await);
        verdict.assert_clean(duplicates_at_most);
        let possible = self.relay.metric("outbox_possible_duplicates_total").await as usize;
        assert!(possible >= verdict.duplicates, "{possible} copies were thought possible\n{verdict}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_lines_cut_inside_a_frame_or_a_commit_cost_what_was_in_flight() {
    const CUTS: usize = 12;
    let scene = Scene::open("cut").await;
    for round in 0..CUTS {
        let proxy = if round % 2 == 0 { &scene.database } else { &scene.broker };
        proxy.set(Faults { cut_after: Some(fastrand::u64(1..3_000)), ..Faults::default() });
        scene.flow(30).await;
    }
    scene.close(CUTS * IN_FLIGHT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_lines_that_fall_silent_for_a_quarter_of_a_minute_cost_nothing_but_time() {
    let scene = Scene::open("silent").await;
    scene.flow(100).await;
    let silent = Faults { stall: Stall::Both, ..Faults::default() };
    scene.database.set(silent.clone());
    scene.broker.set(silent);
    // The outage itself: longer than the server waits for a silent transaction.
    tokio::time::sleep(Duration::from_secs(15)).await;
    scene.database.heal();
    scene.broker.heal();
    scene.close(IN_FLIGHT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_relay_frozen_for_a_second_makes_no_duplicate() {
    let scene = Scene::open("frozen").await;
    let _other = Relay::start(&scene.bed, &ARGS).await;
    for _ in 0..3 {
        scene.flow(50).await;
        scene.relay.signal(Signal::Stop);
        // The fault itself, shorter than its transaction may be idle.
        tokio::time::sleep(Duration::from_secs(1)).await;
        scene.relay.signal(Signal::Cont);
    }
    scene.close(0).await;
}
