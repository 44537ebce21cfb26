//! The relay starts and stays up without broker, database or schema, says what is missing, and goes on by itself when it is there.

use std::time::Duration;

use testkit::patience::SOON;
use testkit::process::free_port;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy, Relay, TestBed, World, eventually};

/// Up, by its own account, whatever its services do (a sidecar's readiness is the pod's).
async fn assert_up(relay: &Relay) {
    for page in ["/livez", "/readyz", "/metrics", "/status"] {
        assert_eq!(relay.get(page).await.status, 200, "{page}");
    }
}

async fn stops(mut relay: Relay) {
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn without_a_broker_it_waits_and_the_broker_is_enough() {
    let mut world = World::open("no broker").await;
    let proxy = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    let relay = Relay::start(&world.bed, &["--amqp-url", &with_addr(&world.bed.amqp_url(), proxy.addr())]).await;
    world.order(5, 3).await;
    relay.says("cannot connect to the broker").await;
    assert_up(&relay).await;
    assert!(relay.get("/status").await.body.contains(r#""state":"down""#));
    assert_eq!(world.bed.pending().await, 15, "nothing is lost or given up");
    proxy.heal();
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    stops(relay).await;
}

#[tokio::test]
async fn without_a_database_it_waits_and_the_database_is_enough() {
    let mut world = World::open("no database").await;
    let proxy = Proxy::start(addr_of(&world.bed.relay_database_url())).await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    let url = with_addr(&world.bed.relay_database_url(), proxy.addr());
    let relay = Relay::start(&world.bed, &["--database-url", &url]).await;
    world.order(5, 3).await;
    relay.says("the database cannot be reached").await;
    assert_up(&relay).await;
    assert!(relay.metric("outbox_database_connected").await < 0.5);
    proxy.heal();
    world.quiet().await;
    assert!(relay.metric("outbox_database_connected").await > 0.5);
    world.verdict().await.assert_clean(0);
    stops(relay).await;
}

#[tokio::test]
async fn without_a_schema_it_says_how_to_get_one_and_goes_on_after_migrate() {
    let bed = TestBed::new("no schema").await;
    let mut world = World::as_it_is(bed).await;
    let relay = Relay::start(&world.bed, &[]).await;
    relay.says("outbox-relay migrate").await;
    assert_up(&relay).await;
    world.bed.migrate().await;
    world.order(5, 3).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    stops(relay).await;
}

#[tokio::test]
async fn a_schema_that_is_too_new_is_left_alone() {
    let mut world = World::open("too new").await;
    let client = world.bed.client().await;
    let newer = "INSERT INTO outbox.schema_version (version, min_relay_version, checksum) VALUES (99, 99, 'x')";
    client.batch_execute(newer).await.expect("the schema is of the future");
    world.order(5, 3).await;
    let relay = Relay::start(&world.bed, &[]).await;
    relay.says("needs a newer outbox-relay").await;
    assert_up(&relay).await;
    let counted = async || relay.metric_where("outbox_failures_total", "schema").await >= 1.0;
    eventually(SOON, "it is counted", counted).await;
    assert_eq!(world.history.progress().arrivals, 0);
    assert_eq!(world.bed.pending().await, 15);
    // The same schema, where it still allows this relay.
    let allows = "UPDATE outbox.schema_version SET min_relay_version = 1 WHERE version = 99";
    client.batch_execute(allows).await.expect("the future is kind");
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    stops(relay).await;
}

#[tokio::test]
async fn of_several_brokers_one_that_lives_is_enough() {
    let mut world = World::open("several brokers").await;
    let dead = format!("amqp://guest:guest@127.0.0.1:{}/%2f", free_port());
    let alive = world.bed.amqp_url();
    // Tried in random order, so both ways of giving them, and both orders.
    let both = format!("{dead},{alive}");
    let repeated = ["--amqp-url", &alive, "--amqp-url", &dead, "--amqp-url", &dead];
    for args in [&["--amqp-url", &both][..], &repeated[..]] {
        let relay = Relay::start(&world.bed, args).await;
        world.order(5, 2).await;
        world.quiet().await;
        stops(relay).await;
    }
    world.verdict().await.assert_clean(0);
}
