//! A relay that is frozen in the middle of a batch holds its lanes: commands wait until its transaction is cut off, and no longer.

use std::time::{Duration, Instant};

use testkit::command::run;
use testkit::patience::SOON;
use testkit::{Behaviour, FakeBroker, Relay, Signal, eventually};

use crate::commands_changing::scene::{self, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn commands_wait_for_the_lanes_of_a_frozen_relay_until_it_is_cut_off() {
    let mut world = scene::open("frozen").await;
    world.seed(200, 1).await;
    world.execute("UPDATE outbox.events SET published_at = clock_timestamp()").await;
    // It never confirms: a batch holds its lanes until its deadline.
    let broker = FakeBroker::start(Behaviour::Silent);
    world.seed(200, 1).await;
    let relay = Relay::start(&world.bed, &["--amqp-url", &broker.url(), "--batch-deadline", "2s"]).await;
    let holds_lanes = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    eventually(SOON, "the relay holds lanes", async || world.value::<i64>(holds_lanes).await >= 10).await;
    relay.signal(Signal::Stop);
    assert!(world.value::<i64>(holds_lanes).await >= 10, "it was frozen too late");
    let before = Instant::now();
    let answer = run(&world.bed, &["replay", "--since", "1h", "--yes", "--json"]).await.with_code(0).json();
    let waited = before.elapsed();
    assert_eq!(answer["replayed"], 200, "{answer}");
    assert!(waited < Duration::from_secs(30), "{waited:?}");
    assert!(waited > Duration::from_secs(3), "it did not have to wait: {waited:?}");
    relay.signal(Signal::Cont);
}
