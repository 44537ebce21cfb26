//! P5 at scale: what is broken behind a template of thousands of routing keys hurts nobody else, is found out once, and charges nobody; and
//! one tenant's trouble is that tenant's.

use std::time::Duration;

use serde_json::json;
use testkit::patience::{IN_THE_END, SOON};
use testkit::program::scratch_file;
use testkit::{PrivateServices, Queue, QueueKind, Relay, World, eventually};

/// `order.a` to a routing key of its own for each order, `order.tenant` to one for each tenant, `order.paid` beside them.
const ROUTES: &str = r#"
[[route]]
name = "each"
event_type = "order.a"
exchange = "order.events"
routing_key = "a.{key}"
[[route]]
name = "tenant"
event_type = "order.tenant"
exchange = "order.events"
routing_key = "t.{header.tenant}"
[[route]]
name = "healthy"
event_type = "order.paid"
exchange = "order.events"
routing_key = "healthy"
[[route]]
name = "fixed"
event_type = "order.fixed"
exchange = "order.events"
routing_key = "fixed.{aggregate_type}"
"#;

fn classic(name: &str, pattern: &str) -> Queue {
    Queue::new(name, QueueKind::Classic).bound_to(&[pattern])
}

fn queues() -> [Queue; 6] {
    [
        classic("each", "a.#"),
        classic("healthy", "healthy"),
        classic("fixed", "fixed.#"),
        classic("tenant-1", "t.1"),
        classic("tenant-2", "t.2"),
        classic("tenant-3", "t.3"),
    ]
}

/// A relay with these routes.
async fn relay(world: &World) -> Relay {
    Relay::start(&world.bed, &["--routes", &scratch_file("routes.toml", ROUTES)]).await
}

/// Commits `count` events of a type, each of an order of its own.
async fn commit(world: &World, event_type: &str, prefix: &str, count: i32, headers: Option<&str>) {
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers)
                  SELECT 'Order', $1::text || n, $2, '{}', $3::text::json FROM generate_series(1, $4::integer) n";
    world.bed.client().await.execute(insert, &[&prefix, &event_type, &headers, &count]).await.expect("committed");
}

async fn published(world: &World, event_type: &str) -> i64 {
    let query = "SELECT count(*) FROM outbox.events WHERE event_type = $1 AND published_at IS NOT NULL";
    world.ask(query, &[&event_type]).await
}

/// Seconds from the commit to the mark, or until now, of the event of this type that took longest.
async fn worst_lag(world: &World, filter: &str) -> f64 {
    let query = format!(
        "SELECT coalesce(max(extract(epoch FROM coalesce(published_at, clock_timestamp()) - created_at)), 0)::float8
         FROM outbox.events WHERE {filter}"
    );
    world.ask(&query, &[]).await
}

async fn nobody_was_charged(world: &World) {
    assert_eq!(world.bed.dead_letters().await.len(), 0);
    let charged: i64 = world.ask("SELECT count(*) FROM outbox.waits WHERE attempts > 0", &[]).await;
    assert_eq!(charged, 0);
}

async fn holds(world: &World) -> Vec<String> {
    let query = "SELECT scope || ' ' || kind || ' ' || routing_key FROM outbox.holds ORDER BY 1";
    let rows = world.bed.client().await.query(query, &[]).await.expect("holds are read");
    rows.iter().map(|row| row.get(0)).collect()
}

async fn all_published(world: &World, within: Duration) {
    eventually(within, "every event is published", async || world.bed.pending().await == 0).await;
}

async fn full(world: &World, queue: &str, is_full: bool) {
    let management = world.bed.management();
    if is_full {
        let policy = json!({"max-length": 1, "overflow": "reject-publish"});
        management.put_policy(world.bed.vhost(), "full", &format!("^{queue}$"), policy).await;
    } else {
        management.delete_policy(world.bed.vhost(), "full").await;
    }
}

/// Binds a queue again, or takes its binding away.
async fn bind(world: &World, queue: &str, pattern: &str, is_bound: bool) {
    let channel = world.bed.channel().await;
    if is_bound {
        let bound = channel.queue_bind(
            queue.into(),
            "order.events".into(),
            pattern.into(),
            Default::default(),
            Default::default(),
        );
        bound.await.expect("bound");
    } else {
        let unbound = channel.queue_unbind(queue.into(), "order.events".into(), pattern.into(), Default::default());
        unbound.await.expect("unbound");
    }
}

#[tokio::test]
async fn a_silent_queue_behind_a_template_leaves_the_healthy_route_alone() {
    let services = PrivateServices::start("p5_flow_silent", &["rabbitmq"], None).await;
    let world = World::on(&services, queues()).await;
    let _relay = relay(&world).await;
    commit(&world, "order.a", "warm-", 300, None).await;
    commit(&world, "order.paid", "warm-paid-", 300, None).await;
    all_published(&world, SOON).await;
    services.suspend_queue(world.bed.vhost(), "each").await;
    // The load: 100 events a second for the silent queue, each with a routing key of its own, and 20 a second beside them.
    for round in 0..200 {
        commit(&world, "order.a", &format!("silent-{round}-"), 10, None).await;
        commit(&world, "order.paid", &format!("paid-{round}-"), 2, None).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (lag, held) = (worst_lag(&world, "event_type = 'order.paid'").await, holds(&world).await);
    println!("healthy events waited {lag:.2} s at the most; on hold: {held:?}");
    assert!(lag < 5.0, "a healthy event waited {lag} s");
    assert!(held.len() <= 3 && held.iter().any(|hold| hold == "flow unconfirmed a.{key}"), "{held:?}");
    services.resume_queue(world.bed.vhost(), "each").await;
    all_published(&world, IN_THE_END).await;
    nobody_was_charged(&world).await;
    // One copy of each, what was in flight on four channels, and one for each probe.
    let stored = world.bed.queue_messages("each").await;
    println!("{stored} copies of 2,300 events");
    assert!(stored <= 2_300 + 4 * 200 + 50, "{stored} copies of 2,300 events");
}

#[tokio::test]
async fn a_burst_to_a_warm_queue_that_falls_silent_does_not_stop_the_healthy_route() {
    let services = PrivateServices::start("p5_flow_burst", &["rabbitmq"], None).await;
    let world = World::on(&services, queues()).await;
    let _relay = relay(&world).await;
    commit(&world, "order.fixed", "warm-", 2_000, None).await;
    commit(&world, "order.paid", "warm-paid-", 300, None).await;
    all_published(&world, SOON).await;
    services.suspend_queue(world.bed.vhost(), "fixed").await;
    commit(&world, "order.fixed", "burst-", 8_000, None).await;
    for round in 0..150 {
        commit(&world, "order.paid", &format!("paid-{round}-"), 2, None).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lag = worst_lag(&world, "event_type = 'order.paid'").await;
    println!("healthy events waited {lag:.2} s at the most");
    assert!(lag < 5.0, "a healthy event waited {lag} s");
    services.resume_queue(world.bed.vhost(), "fixed").await;
    all_published(&world, SOON).await;
    nobody_was_charged(&world).await;
}

#[tokio::test]
async fn a_missing_binding_of_a_template_is_held_at_once_and_charges_nobody_also_after_a_restart() {
    let world = World::new("p5_flow_unbound", queues()).await;
    let mut first = relay(&world).await;
    commit(&world, "order.a", "warm-", 100, None).await;
    all_published(&world, SOON).await;
    first.stop_well().await;
    bind(&world, "each", "a.#", false).await;
    // It has confirmed nothing itself.
    let relay = relay(&world).await;
    for round in 0..5 {
        commit(&world, "order.a", &format!("one-{round}-"), 1, None).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    commit(&world, "order.a", "many-", 2_000, None).await;
    eventually(SOON, "the flow is on hold", async || {
        holds(&world).await.contains(&"flow unroutable a.{key}".to_owned())
    })
    .await;
    let waiting = async || world.ask::<i64>("SELECT count(*) FROM outbox.waits", &[]).await >= 2_000;
    eventually(SOON, "all of them wait", waiting).await;
    nobody_was_charged(&world).await;
    let held = holds(&world).await;
    assert!(held.len() <= 3, "{held:?}");
    bind(&world, "each", "a.#", true).await;
    all_published(&world, SOON).await;
    nobody_was_charged(&world).await;
    assert_eq!(relay.metric("outbox_dead_lettered_total").await, 0.0);
}

#[tokio::test]
async fn a_full_queue_behind_5000_routing_keys_is_one_hold_and_drains_within_half_a_minute_of_room() {
    let world = World::new("p5_flow_full", queues()).await;
    full(&world, "each", true).await;
    let relay = relay(&world).await;
    commit(&world, "order.a", "fill-", 20, None).await;
    commit(&world, "order.a", "full-", 5_000, None).await;
    let waiting = async || world.ask::<i64>("SELECT count(*) FROM outbox.waits", &[]).await >= 5_000;
    eventually(IN_THE_END, "all of them wait", waiting).await;
    let held = holds(&world).await;
    println!("on hold: {held:?}");
    assert!(held.len() <= 9 && held.contains(&"flow refused a.{key}".to_owned()), "{held:?}");
    full(&world, "each", false).await;
    let room = std::time::Instant::now();
    all_published(&world, Duration::from_secs(30)).await;
    let lines = relay.log().lines().count();
    println!("drained in {:.1} s; {lines} log lines", room.elapsed().as_secs_f64());
    assert!(lines < 300, "{lines} log lines");
    nobody_was_charged(&world).await;
}

/// 40 events a second, each third of them of the tenant in trouble, for ten seconds.
async fn trade(world: &World) {
    for round in 0..100 {
        for tenant in 1..=3 {
            let headers = format!("{{\"tenant\": \"{tenant}\"}}");
            commit(world, "order.tenant", &format!("t{tenant}-{round}-"), 2, Some(&headers)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The others' worst lag stays under two seconds, and only the tenant's routing key is on hold.
async fn only_tenant_1_waits(world: &World, kind: &str) {
    let lag = worst_lag(world, "event_type = 'order.tenant' AND headers->>'tenant' <> '1'").await;
    let held = holds(world).await;
    assert!(lag < 2.0, "{kind}: another tenant's event waited {lag} s; on hold: {held:?}");
    assert_eq!(held, [format!("key {kind} t.1")]);
    nobody_was_charged(world).await;
}

async fn warm_tenants(world: &World) {
    for tenant in 1..=3 {
        let headers = format!("{{\"tenant\": \"{tenant}\"}}");
        commit(world, "order.tenant", &format!("warm{tenant}-"), 50, Some(&headers)).await;
    }
    all_published(world, SOON).await;
    let warm = "DELETE FROM outbox.events WHERE aggregate_id LIKE 'warm%'";
    world.bed.client().await.execute(warm, &[]).await.expect("they are no part of the figures");
}

#[tokio::test]
async fn a_tenants_full_queue_delays_no_other_tenant() {
    let world = World::new("p5_tenant_full", queues()).await;
    let _relay = relay(&world).await;
    warm_tenants(&world).await;
    full(&world, "tenant-1", true).await;
    trade(&world).await;
    only_tenant_1_waits(&world, "refused").await;
    full(&world, "tenant-1", false).await;
    all_published(&world, SOON).await;
}

#[tokio::test]
async fn a_tenants_missing_binding_delays_no_other_tenant() {
    let world = World::new("p5_tenant_unbound", queues()).await;
    let _relay = relay(&world).await;
    warm_tenants(&world).await;
    bind(&world, "tenant-1", "t.1", false).await;
    trade(&world).await;
    only_tenant_1_waits(&world, "unroutable").await;
    bind(&world, "tenant-1", "t.1", true).await;
    all_published(&world, SOON).await;
}

#[tokio::test]
async fn a_tenants_silent_queue_delays_no_other_tenant() {
    let services = PrivateServices::start("p5_tenant_silent", &["rabbitmq"], None).await;
    let world = World::on(&services, queues()).await;
    let _relay = relay(&world).await;
    warm_tenants(&world).await;
    services.suspend_queue(world.bed.vhost(), "tenant-1").await;
    trade(&world).await;
    only_tenant_1_waits(&world, "unconfirmed").await;
    services.resume_queue(world.bed.vhost(), "tenant-1").await;
    all_published(&world, SOON).await;
}

#[tokio::test]
async fn delivery_goes_on_within_five_seconds_of_the_brokers_return() {
    let services = PrivateServices::start("p5_return", &["rabbitmq"], None).await;
    let world = World::on(&services, queues()).await;
    let _relay = relay(&world).await;
    commit(&world, "order.paid", "before-", 10, None).await;
    all_published(&world, SOON).await;
    services.stop("rabbitmq").await;
    commit(&world, "order.paid", "during-", 10, None).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    services.start_again("rabbitmq").await;
    let back = std::time::Instant::now();
    all_published(&world, SOON).await;
    println!("delivered {:.1} s after the broker was back", back.elapsed().as_secs_f64());
    assert!(back.elapsed() < Duration::from_secs(6), "five seconds, and one for a busy machine: {:?}", back.elapsed());
    assert_eq!(published(&world, "order.paid").await, 20);
}
