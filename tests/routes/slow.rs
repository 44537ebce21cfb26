//! Confirms that come late: what happens to the event's other route meanwhile must not make it sent twice, and what an operator does
//! meanwhile must not be undone by them.

use lapin::ExchangeKind;
use testkit::command::run;
use testkit::patience::SOON;
use testkit::{PrivateServices, Relay, TestBed, Topology, World, eventually};
use uuid::Uuid;

use crate::routes::stand::{Stand, queue, routes_file};

const ROUTES: &str = "[[route]]\nname = \"one\"\nevent_type = \"order.created\"\nrouting_key = \"one\"\n\
                      [[route]]\nname = \"two\"\nevent_type = \"order.created\"\nrouting_key = \"two\"\n";

/// Suspends or resumes the process of the queue `one`: it takes messages and confirms none of them.
async fn queue_one(services: &PrivateServices, vhost: &str, what: &str) {
    let queue = format!("rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"one\">>)");
    let code = format!("{{ok, Q}} = rabbit_amqqueue:lookup({queue}), sys:{what}(amqqueue:get_pid(Q)).");
    assert_eq!(services.ctl(&["eval", &code]).await.trim(), "ok", "{what} of the queue");
}

async fn stand(services: &PrivateServices, keys: &[&str]) -> World {
    let queues = keys.iter().map(|key| queue(key, &[key])).collect();
    let topology = Topology { exchange: "order.events".into(), kind: ExchangeKind::Topic, queues };
    World::of(TestBed::on(services).await, &topology).await
}

#[tokio::test]
async fn a_hold_that_is_lifted_while_the_other_route_confirms_repeats_nothing() {
    let services = PrivateServices::start("routes_lifted", &["rabbitmq"], None).await;
    let world = stand(&services, &["one", "two"]).await;
    let hold = "INSERT INTO outbox.holds (scope, exchange, routing_key, route, kind, reason)
                VALUES ('route', '', '', 'two', 'operator', 'a test') RETURNING id";
    let hold: i64 = world.ask(hold, &[]).await;
    queue_one(&services, world.bed.vhost(), "suspend").await;
    world.row("order-1", "order.created", "{}").await;
    let args = ["--routes", &routes_file(ROUTES), "--batch-deadline", "8s"];
    let relay = Relay::start(&world.bed, &args).await;
    let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'outbox-relay/%' AND state = 'idle in transaction'
          AND state_change < clock_timestamp() - interval '500 milliseconds')";
    eventually(SOON, "a batch waits for the confirm", async || world.ask::<bool>(waiting, &[]).await).await;
    let deleted: i64 = world.ask("DELETE FROM outbox.holds WHERE id = $1 RETURNING id", &[&hold]).await;
    assert_eq!(deleted, hold);
    queue_one(&services, world.bed.vhost(), "resume").await;
    eventually(SOON, "the event is published", async || world.bed.pending().await == 0).await;
    assert_eq!((world.bed.drain("one").await.len(), world.bed.drain("two").await.len()), (1, 1));
    assert_eq!(relay.metric("outbox_retries_total").await, 0.0, "going on is no attempt");
}

#[tokio::test]
async fn a_late_confirm_is_enough_where_nobody_has_to_listen_to_the_other_route() {
    let services = PrivateServices::start("routes_late", &["rabbitmq"], None).await;
    let world = stand(&services, &["one"]).await;
    queue_one(&services, world.bed.vhost(), "suspend").await;
    world.row("order-1", "order.created", "{}").await;
    let routes = routes_file(&format!("{ROUTES}on_unroutable = \"ignore\"\n"));
    let _relay = Relay::start(&world.bed, &["--routes", &routes]).await;
    let waits = "SELECT count(*) FROM outbox.waits WHERE reason = 'unconfirmed' AND routes_confirmed = '{two}'";
    eventually(SOON, "the event waits for its confirm", async || world.ask::<i64>(waits, &[]).await == 1).await;
    queue_one(&services, world.bed.vhost(), "resume").await;
    eventually(SOON, "the event is published", async || world.bed.pending().await == 0).await;
    assert_eq!(world.bed.drain("one").await.len(), 1);
}

#[tokio::test]
async fn a_late_confirm_of_one_route_is_kept_while_the_other_is_refused() {
    let services = PrivateServices::start("routes_kept", &["rabbitmq"], None).await;
    let world = stand(&services, &["one"]).await;
    queue_one(&services, world.bed.vhost(), "suspend").await;
    world.row("order-1", "order.created", "{}").await;
    let _relay = Relay::start(&world.bed, &["--routes", &routes_file(ROUTES), "--max-retries", "50"]).await;
    let waits = "SELECT count(*) FROM outbox.waits WHERE reason = 'unconfirmed' AND routes_confirmed = '{}'";
    eventually(SOON, "the event waits for its confirm", async || world.ask::<i64>(waits, &[]).await == 1).await;
    queue_one(&services, world.bed.vhost(), "resume").await;
    let retried = "SELECT count(*) FROM outbox.waits WHERE reason = 'retry' AND routes_confirmed = '{one}'";
    eventually(SOON, "only route two is retried", async || world.ask::<i64>(retried, &[]).await == 1).await;
    world.bed.declare_topology(&Topology::order_events([queue("one", &["one"]), queue("two", &["two"])])).await;
    eventually(SOON, "the event is published", async || world.bed.pending().await == 0).await;
    assert_eq!((world.bed.drain("one").await.len(), world.bed.drain("two").await.len()), (1, 1));
}

/// Has an operator replay an event that a first copy is still owed a confirm for: another relay has published it in the meantime.
async fn replay(world: &World, event: Uuid) {
    let published =
        "UPDATE outbox.events SET published_at = clock_timestamp() - interval '1 minute' WHERE id = $1 RETURNING id";
    assert_eq!(world.ask::<Uuid>(published, &[&event]).await, event);
    run(&world.bed, &["replay", "--id", &event.to_string(), "--yes"]).await.with_code(0);
}

#[tokio::test]
async fn a_confirm_from_before_a_replay_does_not_stand_for_the_copy_that_the_replay_sends() {
    let services = PrivateServices::start("routes_replayed", &["rabbitmq"], None).await;
    let topology = Topology::order_events([queue("one", &["order.created"])]);
    let world = World::of(TestBed::on(&services).await, &topology).await;
    queue_one(&services, world.bed.vhost(), "suspend").await;
    let event = world.row("order-1", "order.created", "{}").await;
    let _relay = Relay::start(&world.bed, &[]).await;
    let waits = "SELECT count(*) FROM outbox.waits WHERE reason = 'unconfirmed'";
    eventually(SOON, "the event waits for its confirm", async || world.ask::<i64>(waits, &[]).await == 1).await;
    replay(&world, event).await;
    assert_eq!(world.bed.pending().await, 1, "the replay has made it pending");
    queue_one(&services, world.bed.vhost(), "resume").await;
    eventually(SOON, "the replayed copy is published", async || world.bed.pending().await == 0).await;
    let got = world.bed.drain("one").await;
    assert_eq!(got.iter().map(|got| got.replay.is_some()).collect::<Vec<_>>(), [false, true]);
}
