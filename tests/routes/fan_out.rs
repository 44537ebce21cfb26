//! An event with two routes, one of them broken: what the other has confirmed is not sent again, not by probes, not after a restart,
//! and once the broken one is fixed each queue has each event.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use testkit::bed::channel;
use testkit::patience::SOON;
use testkit::{Queue, QueueKind, Relay, Topology, World, eventually};

use crate::routes::stand::{Stand, queue, routes_file, stand};

const EVENTS: usize = 10;

/// `order.created` goes to `one` and to `two`, and `order.paid` to `two` alone.
fn two_routes(exchange_of_two: &str) -> String {
    let route = |name: &str, event_type: &str, exchange: &str, key: &str| {
        format!(
            "[[route]]\nname = \"{name}\"\nevent_type = \"{event_type}\"\nexchange = \"{exchange}\"\nrouting_key = \"{key}\"\n"
        )
    };
    let routes = [
        route("one", "order.created", "order.events", "one"),
        route("two", "order.created", exchange_of_two, "two"),
        route("two-paid", "order.paid", exchange_of_two, "two"),
    ];
    routes_file(&routes.concat())
}

async fn commit(world: &World, count: usize) {
    for number in 0..count {
        world.row(&format!("order-{number}"), "order.created", &format!("{{\"n\": {number}}}")).await;
    }
}

async fn held_gauge(relay: &Relay, route: &str) -> f64 {
    relay.metric_where("outbox_route_held", &format!("route=\"{route}\"")).await
}

/// While `two` is broken: every event has its one copy in `one` and waits; probes and a restart add none.
async fn waits_without_repeating(world: &World, relay: Relay, routes: &str) -> Relay {
    let all_wait = async || world.held_with(&["one"]).await == EVENTS as i64;
    eventually(SOON, "every event waits for route two", all_wait).await;
    let copies = world.bed.queue_messages("one").await;
    eventually(SOON, "the gauge says so", async || held_gauge(&relay, "two").await == 1.0).await;
    assert_eq!(held_gauge(&relay, "one").await, 0.0);
    let before = world.probes().await;
    eventually(SOON, "it was probed three times more", async || world.probes().await >= before + 3).await;
    assert_eq!(world.bed.queue_messages("one").await, copies, "probes of route two repeat nothing on route one");
    let mut relay = relay;
    assert_eq!(relay.stop(Duration::from_secs(30)).await.code(), Some(0));
    let relay = Relay::start(&world.bed, &["--routes", routes]).await;
    let before = world.probes().await;
    eventually(SOON, "the new relay probes", async || world.probes().await > before).await;
    eventually(SOON, "the new relay's gauge says so", async || held_gauge(&relay, "two").await == 1.0).await;
    assert_eq!(world.bed.queue_messages("one").await, copies, "nor does a new relay");
    assert_eq!(world.bed.pending().await, EVENTS as i64);
    relay
}

/// Every event is published, nothing was charged, and `two` has each event once.
async fn fixed(world: &World, relay: &Relay) {
    eventually(SOON, "every event is published", async || world.bed.pending().await == 0).await;
    eventually(SOON, "the gauge is back", async || held_gauge(relay, "two").await == 0.0).await;
    assert_eq!(world.bed.dead_letters().await.len(), 0);
    assert_eq!(relay.metric("outbox_retries_total").await, 0.0);
}

async fn ids(world: &World, queue: &str) -> (usize, HashSet<String>) {
    let got = world.bed.drain(queue).await;
    (got.len(), got.iter().map(|got| got.id.clone()).filter(|id| id != "filler").collect())
}

#[tokio::test]
async fn a_full_queue_of_one_route_repeats_nothing_on_the_other() {
    let world = stand("fan_full", &Topology::order_events([queue("one", &["one"]), queue("two", &["two"])])).await;
    let (management, vhost) = (world.bed.management(), world.bed.vhost());
    let full = json!({"max-length": 1, "overflow": "reject-publish"});
    management.put_policy(vhost, "full", "^two$", full).await;
    let filler = channel(&world.bed.amqp_url()).await.expect("a channel");
    let properties = lapin::BasicProperties::default().with_message_id("filler".into());
    let publish = filler.basic_publish("".into(), "two".into(), Default::default(), b"filler", properties);
    publish.await.expect("the filler is sent");
    eventually(SOON, "the queue is full", async || world.bed.queue_messages("two").await == 1).await;
    let routes = two_routes("order.events");
    commit(&world, EVENTS).await;
    let relay = Relay::start(&world.bed, &["--routes", &routes]).await;
    let relay = waits_without_repeating(&world, relay, &routes).await;
    assert_eq!(world.bed.queue_messages("two").await, 1, "full, with nothing of ours");
    management.delete_policy(vhost, "full").await;
    fixed(&world, &relay).await;
    let ((one, one_ids), (two, two_ids)) = (ids(&world, "one").await, ids(&world, "two").await);
    assert_eq!((one, two), (EVENTS, EVENTS + 1), "each event once in each queue, beside the filler");
    assert_eq!((one_ids.len(), &one_ids), (EVENTS, &two_ids));
}

/// The missing exchange, with its queue.
fn late_events() -> Topology {
    Topology { exchange: "late.events".into(), ..Topology::order_events([queue("two", &["two"])]) }
}

#[tokio::test]
async fn a_missing_exchange_of_one_route_repeats_nothing_on_the_other() {
    let world = stand("fan_missing", &Topology::order_events([queue("one", &["one"])])).await;
    let routes = two_routes("late.events");
    // Puts the exchange on hold before anything of route one is in flight on the channel that it closes.
    let first = world.row("order-first", "order.paid", "{}").await;
    let relay = Relay::start(&world.bed, &["--routes", &routes]).await;
    eventually(SOON, "the exchange is on hold", async || world.held_with(&[]).await == 1).await;
    commit(&world, EVENTS).await;
    let all_wait = async || world.held_with(&["one"]).await == EVENTS as i64;
    eventually(SOON, "every event waits for route two", all_wait).await;
    assert_eq!(world.bed.queue_messages("one").await, EVENTS as u32, "each once");
    let before = world.probes().await;
    eventually(SOON, "it was probed twice more", async || world.probes().await >= before + 2).await;
    world.bed.declare_topology(&late_events()).await;
    fixed(&world, &relay).await;
    let ((one, one_ids), (two, two_ids)) = (ids(&world, "one").await, ids(&world, "two").await);
    assert_eq!((one, one_ids.len()), (EVENTS, EVENTS));
    assert_eq!((two, two_ids.len()), (EVENTS + 1, EVENTS + 1));
    assert!(two_ids.contains(&first.to_string()) && one_ids.is_subset(&two_ids));
}

#[tokio::test]
async fn an_exchange_that_is_missing_from_the_start_costs_the_other_route_one_copy_at_the_most() {
    // A quorum queue confirms later than the missing exchange closes the channel.
    let one = Queue::new("one", QueueKind::Quorum).bound_to(&["one"]);
    let world = stand("fan_start", &Topology::order_events([one])).await;
    let routes = two_routes("late.events");
    commit(&world, EVENTS).await;
    let relay = Relay::start(&world.bed, &["--routes", &routes]).await;
    let relay = waits_without_repeating(&world, relay, &routes).await;
    world.bed.declare_topology(&late_events()).await;
    fixed(&world, &relay).await;
    let ((one, one_ids), (two, two_ids)) = (ids(&world, "one").await, ids(&world, "two").await);
    // What was in flight when the missing exchange closed the channel may have been stored.
    println!("{one} copies of {EVENTS} events");
    assert!((EVENTS..=2 * EVENTS).contains(&one), "{one} copies");
    assert_eq!((one_ids.len(), two, &one_ids), (EVENTS, EVENTS, &two_ids));
}

#[tokio::test]
async fn a_fixed_route_goes_on_though_another_route_of_its_events_stays_broken() {
    let three = "[[route]]\nname = \"two\"\nevent_type = \"order.created\"\nexchange = \"late.events\"\nrouting_key = \"two\"\n\
                 [[route]]\nname = \"three\"\nevent_type = \"order.created\"\nexchange = \"gone.events\"\nrouting_key = \"three\"\n";
    let world = stand("fan_both", &Topology::order_events([])).await;
    let routes = routes_file(three);
    commit(&world, EVENTS).await;
    let relay = Relay::start(&world.bed, &["--routes", &routes]).await;
    let both = async || held_gauge(&relay, "two").await + held_gauge(&relay, "three").await == 2.0;
    eventually(SOON, "both routes are held", both).await;
    world.bed.declare_topology(&late_events()).await;
    eventually(SOON, "route two has every event", async || world.bed.queue_messages("two").await == EVENTS as u32)
        .await;
    eventually(SOON, "route two is free", async || held_gauge(&relay, "two").await == 0.0).await;
    assert_eq!(held_gauge(&relay, "three").await, 1.0);
    assert_eq!(world.bed.pending().await, EVENTS as i64);
}

#[tokio::test]
async fn a_hold_stands_though_the_other_route_of_its_exchange_had_confirmed_before() {
    let world = stand("fan_before", &Topology::order_events([queue("one", &["one"])])).await;
    let routes = two_routes("order.events");
    world.row("order-1", "order.created", "{}").await;
    let relay = Relay::start(&world.bed, &["--routes", &routes, "--max-retries", "50"]).await;
    let retried = "SELECT count(*) FROM outbox.waits WHERE reason = 'retry' AND routes_confirmed = '{one}'";
    eventually(SOON, "route two is retried", async || world.ask::<i64>(retried, &[]).await == 1).await;
    world.bed.management().delete_exchange(world.bed.vhost(), "order.events").await;
    let hold = async || world.ask::<Option<i64>>("SELECT max(id) FROM outbox.holds", &[]).await;
    eventually(SOON, "the exchange is on hold", async || hold().await.is_some()).await;
    let first = hold().await;
    eventually(SOON, "it was probed four times", async || world.probes().await >= 4).await;
    assert_eq!(hold().await, first, "it is the same hold still");
    let log = relay.log();
    assert_eq!((log.matches("on hold: ").count(), log.matches("off hold").count()), (1, 0), "{log}");
    let fixed = Topology::order_events([queue("one", &["one"]), queue("two", &["two"])]);
    world.bed.declare_topology(&fixed).await;
    eventually(SOON, "the event is published", async || world.bed.pending().await == 0).await;
    assert_eq!((world.bed.drain("one").await.len(), world.bed.drain("two").await.len()), (1, 1));
    eventually(SOON, "nothing is on hold", async || hold().await.is_none()).await;
}
