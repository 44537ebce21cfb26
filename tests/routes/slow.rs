//! An event with two routes of which one confirms late: what happens to the other meanwhile must not make it sent twice.

use lapin::ExchangeKind;

use crate::stand::{SOON, Stand, queue, routes_file};
use crate::support::{PrivateServices, Relay, TestBed, Topology, eventually};

const ROUTES: &str = "[[route]]\nname = \"one\"\nevent_type = \"order.created\"\nrouting_key = \"one\"\n\
                      [[route]]\nname = \"two\"\nevent_type = \"order.created\"\nrouting_key = \"two\"\n";

/// Suspends or resumes the process of the queue `one`: it takes messages and confirms none of them.
async fn queue_one(services: &PrivateServices, vhost: &str, what: &str) {
    let queue = format!("rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"one\">>)");
    let code = format!("{{ok, Q}} = rabbit_amqqueue:lookup({queue}), sys:{what}(amqqueue:get_pid(Q)).");
    assert_eq!(services.ctl(&["eval", &code]).await.trim(), "ok", "{what} of the queue");
}

async fn stand(services: &PrivateServices, keys: &[&str]) -> Stand {
    let queues = keys.iter().map(|key| queue(key, &[key])).collect();
    let topology = Topology { exchange: "order.events".into(), kind: ExchangeKind::Topic, queues };
    Stand::on(TestBed::on(services).await, topology).await
}

#[tokio::test]
async fn a_hold_that_is_lifted_while_the_other_route_confirms_repeats_nothing() {
    let services = PrivateServices::start("routes_lifted", &["rabbitmq"], None).await;
    let stand = stand(&services, &["one", "two"]).await;
    let hold = "INSERT INTO outbox.holds (scope, exchange, routing_key, route, kind, reason)
                VALUES ('route', '', '', 'two', 'operator', 'a test') RETURNING id";
    let hold: i64 = stand.ask(hold, &[]).await;
    queue_one(&services, stand.bed.vhost(), "suspend").await;
    stand.row("order-1", "order.created", "{}").await;
    let args = ["--routes", &routes_file(ROUTES), "--batch-deadline", "8s"];
    let relay = Relay::start(&stand.bed, &args).await;
    let waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'outbox-relay/%' AND state = 'idle in transaction'
          AND state_change < clock_timestamp() - interval '500 milliseconds')";
    eventually(SOON, "a batch waits for the confirm", async || stand.ask::<bool>(waiting, &[]).await).await;
    let deleted: i64 = stand.ask("DELETE FROM outbox.holds WHERE id = $1 RETURNING id", &[&hold]).await;
    assert_eq!(deleted, hold);
    queue_one(&services, stand.bed.vhost(), "resume").await;
    eventually(SOON, "the event is published", async || stand.bed.pending().await == 0).await;
    assert_eq!((stand.drain("one").await.len(), stand.drain("two").await.len()), (1, 1));
    assert_eq!(relay.metric("outbox_retries_total").await, 0.0, "going on is no attempt");
}

#[tokio::test]
async fn a_late_confirm_is_enough_where_nobody_has_to_listen_to_the_other_route() {
    let services = PrivateServices::start("routes_late", &["rabbitmq"], None).await;
    let stand = stand(&services, &["one"]).await;
    queue_one(&services, stand.bed.vhost(), "suspend").await;
    stand.row("order-1", "order.created", "{}").await;
    let routes = routes_file(&format!("{ROUTES}on_unroutable = \"ignore\"\n"));
    let _relay = Relay::start(&stand.bed, &["--routes", &routes]).await;
    let waits = "SELECT count(*) FROM outbox.waits WHERE reason = 'unconfirmed' AND routes_confirmed = '{two}'";
    eventually(SOON, "the event waits for its confirm", async || stand.ask::<i64>(waits, &[]).await == 1).await;
    queue_one(&services, stand.bed.vhost(), "resume").await;
    eventually(SOON, "the event is published", async || stand.bed.pending().await == 0).await;
    assert_eq!(stand.drain("one").await.len(), 1);
}

#[tokio::test]
async fn a_late_confirm_of_one_route_is_kept_while_the_other_is_refused() {
    let services = PrivateServices::start("routes_kept", &["rabbitmq"], None).await;
    let stand = stand(&services, &["one"]).await;
    queue_one(&services, stand.bed.vhost(), "suspend").await;
    stand.row("order-1", "order.created", "{}").await;
    let _relay = Relay::start(&stand.bed, &["--routes", &routes_file(ROUTES), "--max-retries", "50"]).await;
    let waits = "SELECT count(*) FROM outbox.waits WHERE reason = 'unconfirmed' AND routes_confirmed = '{}'";
    eventually(SOON, "the event waits for its confirm", async || stand.ask::<i64>(waits, &[]).await == 1).await;
    queue_one(&services, stand.bed.vhost(), "resume").await;
    let retried = "SELECT count(*) FROM outbox.waits WHERE reason = 'retry' AND routes_confirmed = '{one}'";
    eventually(SOON, "only route two is retried", async || stand.ask::<i64>(retried, &[]).await == 1).await;
    stand.bed.declare_topology(&Topology::order_events([queue("one", &["one"]), queue("two", &["two"])])).await;
    eventually(SOON, "the event is published", async || stand.bed.pending().await == 0).await;
    assert_eq!((stand.drain("one").await.len(), stand.drain("two").await.len()), (1, 1));
}
