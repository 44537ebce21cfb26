//! P2: of one key, an event leaves only after its predecessor was confirmed or dead-lettered, across replicas, crashes and frozen
//! processes.

use std::time::Duration;

use testkit::bed::TestBed;
use testkit::checker::judge;
use testkit::consumer::Consumer;
use testkit::history::{Committed, Fate, History, body_hash};
use testkit::process::Signal;
use testkit::relay::Relay;
use testkit::traffic::{Load, Traffic};
use testkit::wait::eventually;
use uuid::Uuid;

use crate::faults::{PATIENCE, declare_orders, reached};

const BATCH: usize = 100;
const WORKERS: usize = 4;

/// Takes a seq for the key `late`, lets a second transaction overtake it all the way to the consumer, and commits at least
/// `late_for` later. Nobody can order the two then; the lower seq must arrive all the same.
async fn commit_late(bed: &TestBed, history: &History, late_for: Duration) {
    const INSERT: &str = "INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload)
                          VALUES ($1, 'Order', 'late', 'order.updated', $2::text::json)";
    let payload = r#"{"late":true}"#;
    let (late_id, quick_id) = (Uuid::new_v4(), Uuid::new_v4());
    let event = |id: Uuid, ordinal: u64| Committed {
        id,
        key: "late".into(),
        ordinal,
        payload: body_hash(payload.as_bytes()),
        fate: Fate::Delivered,
        certain: true,
    };
    let (mut late, quick) = (bed.client().await, bed.client().await);
    let late = late.transaction().await.expect("a transaction");
    late.execute(INSERT, &[&late_id, &payload]).await.expect("the lower seq");
    history.commit([event(quick_id, 0)]);
    quick.execute(INSERT, &[&quick_id, &payload]).await.expect("the higher seq commits first");
    // The fault itself: a transaction that is open for this long.
    tokio::time::sleep(late_for).await;
    let overtaken = async || history.arrived().iter().any(|message| message.message_id == quick_id.to_string());
    eventually(PATIENCE, "the higher seq arrived", overtaken).await;
    history.commit([event(late_id, 1)]);
    late.commit().await.expect("the lower seq commits last");
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_order_holds_with_three_relays_one_killed_one_frozen_and_a_transaction_that_commits_late() {
    let bed = TestBed::new("p2").await;
    bed.migrate().await;
    declare_orders(&bed).await;
    let history = History::default();
    let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let args = ["--batch-size", "100", "--workers", "4"];
    let mut killed = Relay::start(&bed, &args).await;
    let frozen = Relay::start(&bed, &args).await;
    let mut steady = Relay::start(&bed, &args).await;

    let load = Load { producers: 6, keys: 400, events_at_most: 6, pause: Duration::ZERO, ..Load::default() };
    let traffic = Traffic::start(&bed.database_url(), &history, &load);
    reached(&history, 4_000, 500).await;
    killed.signal(Signal::Kill);
    killed.wait_exit(PATIENCE).await;
    let late = commit_late(&bed, &history, Duration::from_secs(5));
    let faults = async {
        reached(&history, 8_000, 3_000).await;
        frozen.signal(Signal::Stop);
        // Longer than its transaction may be idle: the others take its lanes over.
        tokio::time::sleep(Duration::from_secs(14)).await;
        frozen.signal(Signal::Cont);
    };
    let stop_writing = async {
        eventually(PATIENCE, "20,000 events committed", async || history.progress().due >= 20_000).await;
        traffic.stop().await;
    };
    tokio::join!(late, faults, stop_writing);
    bed.quiet(&history, PATIENCE).await;
    assert!(steady.stop(PATIENCE).await.success());
    consumer.stop().await;
    // Two incidents, each with what its workers had in flight.
    judge(&history, &bed.expect(&["orders"]).await).assert_clean(2 * WORKERS * BATCH);
}
