//! P6, bounded: memory by the bytes in flight, connections by the workers, whatever the backlog is.

use std::time::Duration;

use testkit::patience::SOON;
use testkit::traffic::Load;
use testkit::world::{ask, orders};
use testkit::writer::{good, keys};
use testkit::{NewEvent, Relay, World, eventually};

const MEMORY_KIB_MAX: u64 = 96 * 1024;

#[tokio::test]
async fn a_backlog_of_large_events_is_drained_in_bounded_memory() {
    let world = World::new("p6_memory", [orders()]).await;
    let text = "x".repeat(200_000);
    let large = |key: &str| {
        let event =
            |n| NewEvent::new("order.created", &format!("{{\"key\": \"{key}\", \"n\": {n}, \"text\": \"{text}\"}}"));
        (0..20).map(event).collect()
    };
    world.commit_each(&keys("large", 100), large).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &["--batch-bytes", "16MiB"]).await;
    world.quiet().await;
    let peak = relay.rss_max_kib();
    println!("2,000 events of 200 KB: {peak} KiB at the most");
    assert!(peak < MEMORY_KIB_MAX, "{peak} KiB");
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!(verdict.delivered, 2_000);
}

#[tokio::test]
async fn headers_far_too_large_are_dead_letters_in_bounded_memory() {
    let world = World::new("p6_headers", [orders()]).await;
    // As a table of version 1 may hold them.
    world.execute("ALTER TABLE outbox.events DROP CONSTRAINT headers_have_at_most_256_kib").await;
    let headers = format!("{{\"h\": \"{}\"}}", "x".repeat(5_000_000));
    let bad = NewEvent::new("order.created", "{}").headers(&headers).dead_letter("INVALID_EVENT");
    let middle = |key: &str| [good(key, 1), vec![bad.clone()], good(key, 2)].concat();
    world.commit_each(&keys("bad", 10), middle).await;
    world.commit_each(&keys("good", 20), |key| good(key, 5)).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.quiet().await;
    let peak = relay.rss_max_kib();
    println!("10 rows with headers of 5 MB: {peak} KiB at the most");
    assert!(peak < MEMORY_KIB_MAX, "{peak} KiB");
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (10 * 3 + 100, 10));
}

const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND starts_with(application_name, 'outbox-relay/')";

#[tokio::test]
async fn a_relay_at_rest_has_one_connection_and_a_busy_one_at_most_two_more_than_workers() {
    let world = World::new("p6_connections", [orders()]).await;
    let _consumer = world.consume("orders");
    let client = world.bed.client().await;
    world.commit_each(&keys("backlog", 200), |key| good(key, 20)).await;
    let mut relay = Relay::start(&world.bed, &["--workers", "3"]).await;
    let load = Load { producers: 3, pause: Duration::ZERO, ..Load::default() };
    let traffic = world.traffic(&load);
    let mut most = 0;
    eventually(SOON, "6,000 events are delivered", async || {
        most = most.max(ask::<i64>(&client, CONNECTIONS, &[]).await);
        world.history.progress().distinct >= 6_000
    })
    .await;
    traffic.stop().await;
    assert!((2..=3 + 2).contains(&most), "{most} connections under load");
    world.quiet().await;
    let at_rest = async || ask::<i64>(&client, CONNECTIONS, &[]).await == 1;
    eventually(SOON, "one connection is left at rest", at_rest).await;
    world.finish(&mut relay).await.assert_clean(0);
}
