//! Row 7: a hold whose only lane is busy does not keep the others from their probes.

use super::field::{Field, SOON, routes_file};
use testkit::{Queue, QueueKind, Relay, Topology, eventually};

fn exchange(name: &str) -> Topology {
    Topology { exchange: name.into(), ..Topology::order_events([Queue::new(name, QueueKind::Classic)]) }
}

#[tokio::test]
async fn a_due_hold_whose_only_lane_is_busy_keeps_no_other_hold_from_its_probe() {
    let field = Field::new("holds_busy").await;
    let routes = routes_file(&[("first", "order.first", "first"), ("second", "order.second", "second")]);
    let _relay = Relay::start(&field.bed, &["--routes", &routes]).await;
    let second = field.key_in_lane("second-x", "first-1").await;
    field.insert("first", 1, "order.first").await;
    eventually(SOON, "the first waits", async || field.waits("held").await == 1).await;
    field.insert("second", 5, "order.second").await;
    eventually(SOON, "both exchanges are on hold", async || field.waits("held").await == 6).await;
    let lane = field.lane("first-1").await;
    assert_eq!(lane, field.lane(&second).await, "keys of one lane are found");
    // Somebody works in the first hold's only lane for a minute: a command, say.
    let busy = field.bed.client().await;
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock(hashtext('\"outbox\".lanes'), {lane})");
    eventually(SOON, "the lane is locked", async || busy.batch_execute(&lock).await.is_ok()).await;
    field.bed.declare_topology(&exchange("first")).await;
    field.bed.declare_topology(&exchange("second")).await;
    let elsewhere =
        "SELECT count(*) FROM outbox.events WHERE published_at IS NULL AND event_type = 'order.second' AND lane <> $1";
    let lane = i16::try_from(lane).expect("a lane");
    let left = async || field.ask::<i64>(elsewhere, &[&lane]).await == 0;
    eventually(SOON, "what waits for the second exchange has left", left).await;
    assert_eq!(field.pending("first").await, 1, "the first one's lane is still busy");
    busy.batch_execute("ROLLBACK").await.expect("the lane is free again");
    eventually(SOON, "the first has left", async || field.pending("first").await == 0).await;
}
