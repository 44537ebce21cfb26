//! P5, no collateral: a broken destination is put on hold where everybody can see it, costs no event anything, delays nobody else,
//! and comes back by itself.

use std::time::Duration;

use testkit::traffic::Load;
use testkit::{Behaviour, FakeBroker, Queue, QueueKind, Relay, Topology, Traffic, eventually};

use crate::journey::stage::{SOON, Stage, assert_nothing_charged, good, keys, of_type, orders};

/// Orders written all the time, so that things happen under load.
fn load(stage: &Stage) -> Traffic {
    let load = Load { producers: 2, pause: Duration::from_millis(2), ..Load::default() };
    Traffic::start(&stage.bed.database_url(), &stage.history, &load)
}

/// Waits until so many events more than now are committed.
async fn more_committed(stage: &Stage, count: usize) {
    let due = stage.history.progress().due + count;
    eventually(SOON, "more events are committed", async || stage.history.progress().due >= due).await;
}

#[tokio::test]
async fn a_missing_exchange_holds_its_events_until_it_is_back() {
    let stage = Stage::new("p5_exchange", [orders()]).await;
    let _consumer = stage.consume("orders");
    let mut relay = Relay::start(&stage.bed, &[]).await;
    let traffic = load(&stage);
    stage.delivered(SOON, 200).await;
    stage.bed.management().delete_exchange(stage.bed.vhost(), "order.events").await;
    eventually(SOON, "the exchange is on hold", async || stage.holds().await == ["missing"]).await;
    let (scope, exchange): (String, String) = {
        let hold = stage.bed.client().await.query_one("SELECT scope, exchange FROM outbox.holds", &[]).await;
        let hold = hold.expect("one hold");
        (hold.get(0), hold.get(1))
    };
    assert_eq!((scope.as_str(), exchange.as_str()), ("exchange", "order.events"));
    more_committed(&stage, 200).await;
    traffic.stop().await;
    let probed = "SELECT coalesce(max(probes), 0) FROM outbox.holds";
    eventually(SOON, "the hold was probed three times", async || stage.ask::<i32>(probed, &[]).await >= 3).await;
    assert_eq!(stage.attempts_charged().await, 0);
    assert!(stage.bed.pending().await >= 200);
    stage.bed.declare_topology(&Topology::order_events([orders()])).await;
    stage.bed.quiet(&stage.history, SOON).await;
    assert_nothing_charged(&stage, &relay).await;
    assert_eq!(stage.holds().await, [""; 0]);
    // What was in flight when the channel closed, on each of four workers' channels, may have been stored.
    stage.finish(&mut relay).await.assert_clean(4 * 500);
}

#[tokio::test]
async fn an_exchange_that_comes_back_without_its_bindings_charges_nobody() {
    let stage = Stage::new("p5_unbound", [orders()]).await;
    let _consumer = stage.consume("orders");
    let mut relay = Relay::start(&stage.bed, &[]).await;
    let traffic = load(&stage);
    stage.delivered(SOON, 200).await;
    stage.bed.management().delete_exchange(stage.bed.vhost(), "order.events").await;
    eventually(SOON, "the exchange is on hold", async || stage.holds().await == ["missing"]).await;
    more_committed(&stage, 200).await;
    traffic.stop().await;
    stage.bed.declare_topology(&Topology::order_events([])).await;
    let probed = "SELECT coalesce(max(probes), 0) FROM outbox.holds WHERE kind = 'unroutable'";
    eventually(SOON, "probes came back", async || stage.ask::<i32>(probed, &[]).await >= 3).await;
    assert_nothing_charged(&stage, &relay).await;
    stage.bed.declare_topology(&Topology::order_events([orders()])).await;
    stage.bed.quiet(&stage.history, SOON).await;
    assert_nothing_charged(&stage, &relay).await;
    eventually(SOON, "no hold is left", async || stage.holds().await.is_empty()).await;
    stage.finish(&mut relay).await.assert_clean(4 * 500);
}

/// Probes go round the sixteen events that wait longest.
#[tokio::test]
async fn an_exchange_that_comes_back_with_half_of_its_bindings_delays_what_is_bound_by_seconds() {
    let stage = Stage::new("p5_half_bound", []).await;
    stage.bed.management().delete_exchange(stage.bed.vhost(), "order.events").await;
    let mut relay = Relay::start(&stage.bed, &[]).await;
    stage.commit(&keys("unbound", 40), |_| of_type("order.refunded", 2)).await;
    stage.commit(&keys("bound", 5), |_| of_type("order.paid", 2)).await;
    eventually(SOON, "all 45 wait for the exchange", async || stage.waits("held").await == 45).await;
    let paid = Queue::new("paid", QueueKind::Classic).bound_to(&["order.paid"]);
    stage.bed.declare_topology(&Topology::order_events([paid])).await;
    let _paid = stage.consume("paid");
    stage.delivered(SOON, 10).await;
    let refunded = Queue::new("refunded", QueueKind::Classic).bound_to(&["order.refunded"]);
    stage.bed.declare_topology(&Topology::order_events([refunded])).await;
    let _refunded = stage.consume("refunded");
    stage.bed.quiet(&stage.history, SOON).await;
    assert_nothing_charged(&stage, &relay).await;
    stage.finish(&mut relay).await.assert_clean(0);
}

/// A queue that was full when somebody deleted the exchange: its own hold and the exchange's would each wait for the other.
#[tokio::test]
async fn a_destination_with_a_hold_of_its_own_and_one_of_its_exchange_comes_back() {
    let stage = Stage::new("p5_two_holds", []).await;
    stage.bed.management().delete_exchange(stage.bed.vhost(), "order.events").await;
    let relay = Relay::start(&stage.bed, &[]).await;
    stage.commit(&keys("order", 20), |_| of_type("order.paid", 2)).await;
    eventually(SOON, "all 20 wait for the exchange", async || stage.waits("held").await == 20).await;
    let own = "WITH own AS (INSERT INTO outbox.holds (scope, exchange, routing_key, route, kind, reason, next_probe_at)
                   VALUES ('key', 'order.events', 'order.paid', '', 'refused', 'a test', clock_timestamp()) RETURNING id),
               moved AS (UPDATE outbox.waits SET hold_id = own.id FROM own
                         WHERE seq IN (SELECT seq FROM outbox.waits ORDER BY seq LIMIT 10) RETURNING 1)
               SELECT count(*) FROM moved";
    assert_eq!(stage.ask::<i64>(own, &[]).await, 10);
    stage.bed.declare_topology(&Topology::order_events([orders()])).await;
    let _consumer = stage.consume("orders");
    stage.bed.quiet(&stage.history, SOON).await;
    eventually(SOON, "no hold is left", async || stage.holds().await.is_empty()).await;
    assert_nothing_charged(&stage, &relay).await;
}

#[tokio::test]
async fn a_revoked_permission_holds_the_exchange_until_it_is_granted() {
    let stage = Stage::new("p5_permission", [orders()]).await;
    let _consumer = stage.consume("orders");
    let mut relay = Relay::start(&stage.bed, &[]).await;
    let (management, vhost) = (stage.bed.management(), stage.bed.vhost());
    let traffic = load(&stage);
    stage.delivered(SOON, 200).await;
    management.set_permissions(vhost, "guest", ".*", "^$", ".*").await;
    // A channel that is never idle goes by the permission it has cached (RabbitMQ 3.10); a fresh one asks.
    let closed = async || management.close_connections(vhost, "outbox-relay/").await > 0;
    eventually(SOON, "the relay's connection is closed", closed).await;
    eventually(SOON, "the exchange is on hold", async || stage.holds().await == ["forbidden"]).await;
    more_committed(&stage, 200).await;
    traffic.stop().await;
    assert_eq!(stage.attempts_charged().await, 0);
    management.set_permissions(vhost, "guest", ".*", ".*", ".*").await;
    stage.bed.quiet(&stage.history, SOON).await;
    assert_nothing_charged(&stage, &relay).await;
    stage.finish(&mut relay).await.assert_clean(4 * 500);
}

#[tokio::test]
async fn a_revoked_topic_holds_its_type_and_no_other() {
    let stage = Stage::new("p5_topic", [orders()]).await;
    let _consumer = stage.consume("orders");
    let (management, vhost) = (stage.bed.management(), stage.bed.vhost());
    management.set_topic_permissions(vhost, "guest", "order.events", r"^order\.(created|paid)$").await;
    let mut relay = Relay::start(&stage.bed, &[]).await;
    let refused = keys("refused", 40);
    stage.commit(&refused, |_| of_type("order.refunded", 2)).await;
    eventually(SOON, "the topic is on hold", async || stage.holds().await == ["forbidden"]).await;
    let key: String = stage.ask("SELECT routing_key FROM outbox.holds", &[]).await;
    assert_eq!(key, "order.refunded");
    stage.commit(&keys("other", 100), |key| good(key, 2)).await;
    stage.delivered(SOON, 200).await;
    eventually(SOON, "all 40 wait for the hold", async || stage.waits("held").await == 40).await;
    assert_eq!(stage.history.progress().distinct, 200);
    management.set_topic_permissions(vhost, "guest", "order.events", ".*").await;
    stage.bed.quiet(&stage.history, SOON).await;
    assert_nothing_charged(&stage, &relay).await;
    let verdict = stage.finish(&mut relay).await;
    verdict.assert_clean(4 * 500);
    assert_eq!(verdict.delivered, 280);
}

#[tokio::test]
async fn a_connection_that_was_silent_for_a_while_leaves_no_hold_behind() {
    let stage = Stage::new("p5_silent", []).await;
    let broker = FakeBroker::start(Behaviour::Silent);
    stage.commit(&keys("order", 100), |key| good(key, 3)).await;
    let relay = Relay::start(&stage.bed, &["--amqp-url", &broker.url(), "--confirm-timeout", "3s"]).await;
    eventually(SOON, "the relay has connected again", async || broker.connections() >= 3).await;
    broker.behave(Behaviour::Ack);
    eventually(SOON, "every event is marked", async || stage.bed.pending().await == 0).await;
    eventually(SOON, "no hold is left", async || stage.holds().await.is_empty()).await;
    assert_nothing_charged(&stage, &relay).await;
    // While it was silent hardly anything was risked: the first message of each worker, and one at a time of another type.
    let copies = broker.total() - 300;
    assert!(copies < 50, "{copies} copies");
}

#[tokio::test]
async fn a_revoked_permission_on_the_default_exchange_charges_nobody() {
    let queue = Queue::new("order.created", QueueKind::Classic).bound_to(&[]);
    let stage = Stage::new("p5_default", [queue]).await;
    let _consumer = stage.consume("order.created");
    let mut relay = Relay::start(&stage.bed, &["--exchange", ""]).await;
    let (management, vhost) = (stage.bed.management(), stage.bed.vhost());
    stage.commit(&keys("before", 50), |_| of_type("order.created", 2)).await;
    stage.delivered(SOON, 100).await;
    management.set_permissions(vhost, "guest", ".*", "^$", ".*").await;
    // A channel goes by the permission it has cached; a fresh one asks.
    let closed = async || management.close_connections(vhost, "outbox-relay/").await > 0;
    eventually(SOON, "the relay's connection is closed", closed).await;
    stage.commit(&keys("during", 50), |_| of_type("order.created", 2)).await;
    eventually(SOON, "the exchange is on hold", async || stage.holds().await == ["forbidden"]).await;
    let probed = "SELECT EXISTS (SELECT FROM outbox.holds
        WHERE kind = 'forbidden' AND probes >= 4 AND since < clock_timestamp() - interval '10 seconds')";
    eventually(SOON, "the hold was probed for ten seconds", async || stage.ask::<bool>(probed, &[]).await).await;
    assert_eq!(stage.holds().await, ["forbidden"]);
    assert_nothing_charged(&stage, &relay).await;
    assert_eq!(stage.bed.pending().await, 100);
    management.set_permissions(vhost, "guest", ".*", ".*", ".*").await;
    stage.bed.quiet(&stage.history, SOON).await;
    assert_nothing_charged(&stage, &relay).await;
    assert_eq!(stage.holds().await, [""; 0]);
    let verdict = stage.finish(&mut relay).await;
    verdict.assert_clean(4 * 500);
    assert_eq!(verdict.delivered, 200);
}

/// The broker never answers the `nth` publish, and every other at once, on connections that stay healthy.
async fn expect_no_destination_stranded(nth: u64) {
    let stage = Stage::new("p5_lost_ack", []).await;
    let broker = FakeBroker::start(Behaviour::LoseAck { nth });
    stage.commit(&keys("first", 100), |key| good(key, 2)).await;
    let relay = Relay::start(
        &stage.bed,
        &["--amqp-url", &broker.url(), "--confirm-timeout", "2s", "--batch-deadline", "500ms"],
    )
    .await;
    eventually(SOON, "the confirm is lost", async || broker.total() >= nth).await;
    stage.commit(&keys("second", 100), |key| good(key, 2)).await;
    eventually(SOON, "every event is marked", async || stage.bed.pending().await == 0).await;
    eventually(SOON, "no hold is left", async || stage.holds().await.is_empty()).await;
    assert_nothing_charged(&stage, &relay).await;
    assert_eq!(broker.published().len(), 400);
}

#[tokio::test]
async fn a_first_confirm_that_is_lost_strands_no_destination() {
    expect_no_destination_stranded(1).await;
}

#[tokio::test]
async fn a_confirm_that_is_lost_on_the_way_strands_no_destination() {
    expect_no_destination_stranded(60).await;
}
