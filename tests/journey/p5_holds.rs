//! P5, no collateral: a broken destination is put on hold where everybody can see it, costs no event anything, delays nobody else,
//! and comes back by itself.

use std::time::Duration;

use testkit::patience::SOON;
use testkit::traffic::Load;
use testkit::world::orders;
use testkit::writer::{good, keys, of_type};
use testkit::{Behaviour, FakeBroker, Queue, QueueKind, Relay, Topology, Traffic, World, eventually};

/// Orders written all the time, so that things happen under load.
fn load(world: &World) -> Traffic {
    let load = Load { producers: 2, pause: Duration::from_millis(2), ..Load::default() };
    world.traffic(&load)
}

/// Waits until so many events more than now are committed.
async fn more_committed(world: &World, count: usize) {
    let due = world.history.progress().due + count;
    eventually(SOON, "more events are committed", async || world.history.progress().due >= due).await;
}

#[tokio::test]
async fn a_missing_exchange_holds_its_events_until_it_is_back() {
    let world = World::new("p5_exchange", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &[]).await;
    let traffic = load(&world);
    world.arrived(SOON, 200).await;
    world.bed.management().delete_exchange(world.bed.vhost(), "order.events").await;
    eventually(SOON, "the exchange is on hold", async || world.holds().await == ["missing"]).await;
    let (scope, exchange): (String, String) = {
        let hold = world.bed.client().await.query_one("SELECT scope, exchange FROM outbox.holds", &[]).await;
        let hold = hold.expect("one hold");
        (hold.get(0), hold.get(1))
    };
    assert_eq!((scope.as_str(), exchange.as_str()), ("exchange", "order.events"));
    more_committed(&world, 200).await;
    traffic.stop().await;
    let probed = "SELECT coalesce(max(probes), 0) FROM outbox.holds";
    eventually(SOON, "the hold was probed three times", async || world.ask::<i32>(probed, &[]).await >= 3).await;
    assert_eq!(world.attempts_charged().await, 0);
    assert!(world.bed.pending().await >= 200);
    world.bed.declare_topology(&Topology::order_events([orders()])).await;
    world.quiet().await;
    world.assert_nothing_charged(&relay).await;
    assert_eq!(world.holds().await, [""; 0]);
    // What was in flight when the channel closed, on each of four workers' channels, may have been stored.
    world.finish(&mut relay).await.assert_clean(4 * 500);
}

#[tokio::test]
async fn an_exchange_that_comes_back_without_its_bindings_charges_nobody() {
    let world = World::new("p5_unbound", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &[]).await;
    let traffic = load(&world);
    world.arrived(SOON, 200).await;
    world.bed.management().delete_exchange(world.bed.vhost(), "order.events").await;
    eventually(SOON, "the exchange is on hold", async || world.holds().await == ["missing"]).await;
    more_committed(&world, 200).await;
    traffic.stop().await;
    world.bed.declare_topology(&Topology::order_events([])).await;
    let probed = "SELECT coalesce(max(probes), 0) FROM outbox.holds WHERE kind = 'unroutable'";
    eventually(SOON, "probes came back", async || world.ask::<i32>(probed, &[]).await >= 3).await;
    world.assert_nothing_charged(&relay).await;
    world.bed.declare_topology(&Topology::order_events([orders()])).await;
    world.quiet().await;
    world.assert_nothing_charged(&relay).await;
    eventually(SOON, "no hold is left", async || world.holds().await.is_empty()).await;
    world.finish(&mut relay).await.assert_clean(4 * 500);
}

/// Probes go round the sixteen events that wait longest.
#[tokio::test]
async fn an_exchange_that_comes_back_with_half_of_its_bindings_delays_what_is_bound_by_seconds() {
    let world = World::new("p5_half_bound", []).await;
    world.bed.management().delete_exchange(world.bed.vhost(), "order.events").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.commit_each(&keys("unbound", 40), |_| of_type("order.refunded", 2)).await;
    world.commit_each(&keys("bound", 5), |_| of_type("order.paid", 2)).await;
    eventually(SOON, "all 45 wait for the exchange", async || world.waits("held").await == 45).await;
    let paid = Queue::new("paid", QueueKind::Classic).bound_to(&["order.paid"]);
    world.bed.declare_topology(&Topology::order_events([paid])).await;
    let _paid = world.consume("paid");
    world.arrived(SOON, 10).await;
    let refunded = Queue::new("refunded", QueueKind::Classic).bound_to(&["order.refunded"]);
    world.bed.declare_topology(&Topology::order_events([refunded])).await;
    let _refunded = world.consume("refunded");
    world.quiet().await;
    world.assert_nothing_charged(&relay).await;
    world.finish(&mut relay).await.assert_clean(0);
}

/// A queue that was full when somebody deleted the exchange: its own hold and the exchange's would each wait for the other.
#[tokio::test]
async fn a_destination_with_a_hold_of_its_own_and_one_of_its_exchange_comes_back() {
    let world = World::new("p5_two_holds", []).await;
    world.bed.management().delete_exchange(world.bed.vhost(), "order.events").await;
    let relay = Relay::start(&world.bed, &[]).await;
    world.commit_each(&keys("order", 20), |_| of_type("order.paid", 2)).await;
    eventually(SOON, "all 20 wait for the exchange", async || world.waits("held").await == 20).await;
    let own = "WITH own AS (INSERT INTO outbox.holds (scope, exchange, routing_key, route, kind, reason, next_probe_at)
                   VALUES ('key', 'order.events', 'order.paid', '', 'refused', 'a test', clock_timestamp()) RETURNING id),
               moved AS (UPDATE outbox.waits SET hold_id = own.id FROM own
                         WHERE seq IN (SELECT seq FROM outbox.waits ORDER BY seq LIMIT 10) RETURNING 1)
               SELECT count(*) FROM moved";
    assert_eq!(world.ask::<i64>(own, &[]).await, 10);
    world.bed.declare_topology(&Topology::order_events([orders()])).await;
    let _consumer = world.consume("orders");
    world.quiet().await;
    eventually(SOON, "no hold is left", async || world.holds().await.is_empty()).await;
    world.assert_nothing_charged(&relay).await;
}

#[tokio::test]
async fn a_revoked_permission_holds_the_exchange_until_it_is_granted() {
    let world = World::new("p5_permission", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &[]).await;
    let (management, vhost) = (world.bed.management(), world.bed.vhost());
    let traffic = load(&world);
    world.arrived(SOON, 200).await;
    management.set_permissions(vhost, "guest", ".*", "^$", ".*").await;
    // A channel that is never idle goes by the permission it has cached (RabbitMQ 3.10); a fresh one asks.
    let closed = async || management.close_connections(vhost, "outbox-relay/").await > 0;
    eventually(SOON, "the relay's connection is closed", closed).await;
    eventually(SOON, "the exchange is on hold", async || world.holds().await == ["forbidden"]).await;
    more_committed(&world, 200).await;
    traffic.stop().await;
    assert_eq!(world.attempts_charged().await, 0);
    management.set_permissions(vhost, "guest", ".*", ".*", ".*").await;
    world.quiet().await;
    world.assert_nothing_charged(&relay).await;
    world.finish(&mut relay).await.assert_clean(4 * 500);
}

#[tokio::test]
async fn a_revoked_topic_holds_its_type_and_no_other() {
    let world = World::new("p5_topic", [orders()]).await;
    let _consumer = world.consume("orders");
    let (management, vhost) = (world.bed.management(), world.bed.vhost());
    management.set_topic_permissions(vhost, "guest", "order.events", r"^order\.(created|paid)$").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let refused = keys("refused", 40);
    world.commit_each(&refused, |_| of_type("order.refunded", 2)).await;
    eventually(SOON, "the topic is on hold", async || world.holds().await == ["forbidden"]).await;
    let key: String = world.ask("SELECT routing_key FROM outbox.holds", &[]).await;
    assert_eq!(key, "order.refunded");
    world.commit_each(&keys("other", 100), |key| good(key, 2)).await;
    world.arrived(SOON, 200).await;
    eventually(SOON, "all 40 wait for the hold", async || world.waits("held").await == 40).await;
    assert_eq!(world.history.progress().distinct, 200);
    management.set_topic_permissions(vhost, "guest", "order.events", ".*").await;
    world.quiet().await;
    world.assert_nothing_charged(&relay).await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(4 * 500);
    assert_eq!(verdict.delivered, 280);
}

#[tokio::test]
async fn a_connection_that_was_silent_for_a_while_leaves_no_hold_behind() {
    let world = World::new("p5_silent", []).await;
    let broker = FakeBroker::start(Behaviour::Silent);
    world.commit_each(&keys("order", 100), |key| good(key, 3)).await;
    let relay = Relay::start(&world.bed, &["--amqp-url", &broker.url(), "--confirm-timeout", "3s"]).await;
    eventually(SOON, "the relay has connected again", async || broker.connections() >= 3).await;
    broker.behave(Behaviour::Ack);
    eventually(SOON, "every event is marked", async || world.bed.pending().await == 0).await;
    eventually(SOON, "no hold is left", async || world.holds().await.is_empty()).await;
    world.assert_nothing_charged(&relay).await;
    // While it was silent hardly anything was risked: the first message of each worker, and one at a time of another type.
    let copies = broker.total() - 300;
    assert!(copies < 50, "{copies} copies");
}

#[tokio::test]
async fn a_revoked_permission_on_the_default_exchange_charges_nobody() {
    let queue = Queue::new("order.created", QueueKind::Classic).bound_to(&[]);
    let world = World::new("p5_default", [queue]).await;
    let _consumer = world.consume("order.created");
    let mut relay = Relay::start(&world.bed, &["--exchange", ""]).await;
    let (management, vhost) = (world.bed.management(), world.bed.vhost());
    world.commit_each(&keys("before", 50), |_| of_type("order.created", 2)).await;
    world.arrived(SOON, 100).await;
    management.set_permissions(vhost, "guest", ".*", "^$", ".*").await;
    // A channel goes by the permission it has cached; a fresh one asks.
    let closed = async || management.close_connections(vhost, "outbox-relay/").await > 0;
    eventually(SOON, "the relay's connection is closed", closed).await;
    world.commit_each(&keys("during", 50), |_| of_type("order.created", 2)).await;
    eventually(SOON, "the exchange is on hold", async || world.holds().await == ["forbidden"]).await;
    let probed = "SELECT EXISTS (SELECT FROM outbox.holds
        WHERE kind = 'forbidden' AND probes >= 4 AND since < clock_timestamp() - interval '10 seconds')";
    eventually(SOON, "the hold was probed for ten seconds", async || world.ask::<bool>(probed, &[]).await).await;
    assert_eq!(world.holds().await, ["forbidden"]);
    world.assert_nothing_charged(&relay).await;
    assert_eq!(world.bed.pending().await, 100);
    management.set_permissions(vhost, "guest", ".*", ".*", ".*").await;
    world.quiet().await;
    world.assert_nothing_charged(&relay).await;
    assert_eq!(world.holds().await, [""; 0]);
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(4 * 500);
    assert_eq!(verdict.delivered, 200);
}

/// The broker never answers the `nth` publish, and every other at once, on connections that stay healthy.
async fn expect_no_destination_stranded(nth: u64) {
    let world = World::new("p5_lost_ack", []).await;
    let broker = FakeBroker::start(Behaviour::LoseAck { nth });
    world.commit_each(&keys("first", 100), |key| good(key, 2)).await;
    let relay = Relay::start(
        &world.bed,
        &["--amqp-url", &broker.url(), "--confirm-timeout", "2s", "--batch-deadline", "500ms"],
    )
    .await;
    eventually(SOON, "the confirm is lost", async || broker.total() >= nth).await;
    world.commit_each(&keys("second", 100), |key| good(key, 2)).await;
    eventually(SOON, "every event is marked", async || world.bed.pending().await == 0).await;
    eventually(SOON, "no hold is left", async || world.holds().await.is_empty()).await;
    world.assert_nothing_charged(&relay).await;
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
