//! The promises that need real processes and real faults: order (P2), few duplicates (P3), outages are free (P4).

mod killed;
mod lines;
mod p2_order;
mod p3_duplicates;
mod p4_outages;

use std::time::Duration;

use testkit::bed::TestBed;
use testkit::history::History;
use testkit::relay::Relay;
use testkit::topology::{Queue, QueueKind, Topology};
use testkit::wait::eventually;

/// Long enough for anything that has to happen on a machine with two busy cores.
const PATIENCE: Duration = Duration::from_secs(90);

/// Declares `order.events` with one durable classic queue that takes everything.
async fn declare_orders(bed: &TestBed) {
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
}

/// Waits until so many events were committed and so many different ones arrived.
async fn reached(history: &History, committed: usize, arrived: usize) {
    let what = format!("{committed} events committed and {arrived} arrived");
    let done = async || {
        let progress = history.progress();
        progress.due >= committed && progress.distinct >= arrived
    };
    eventually(PATIENCE, &what, done).await;
}

/// Nothing was charged to any event and nothing was dead-lettered, by the tables and by the relay's own counters.
async fn nothing_was_charged(bed: &TestBed, relay: &Relay) {
    let client = bed.client().await;
    let charged = client.query_one("SELECT count(*) FROM outbox.waits WHERE attempts > 0", &[]).await.expect("a count");
    assert_eq!(charged.get::<_, i64>(0), 0, "events were charged with attempts");
    assert!(bed.dead_letters().await.is_empty(), "events were dead-lettered");
    assert_eq!(relay.metric("outbox_retries_total").await, 0.0, "retries were counted");
    assert_eq!(relay.metric("outbox_dead_lettered_total").await, 0.0, "dead letters were counted");
}
