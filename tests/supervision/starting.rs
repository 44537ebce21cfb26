//! The relay starts and stays up without broker, database or schema, says what is missing, and goes on by itself when it is there.

use std::time::Duration;

use testkit::process::free_port;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy, Relay, Shop, TestBed, eventually};

const SOON: Duration = Duration::from_secs(30);

/// Up, by its own account, whatever its services do (a sidecar's readiness is the pod's).
async fn assert_up(relay: &Relay) {
    for page in ["/livez", "/readyz", "/metrics", "/status"] {
        assert_eq!(relay.get(page).await.status, 200, "{page}");
    }
}

async fn says(relay: &Relay, what: &str) {
    eventually(SOON, &format!("the log says: {what}"), async || relay.log().contains(what)).await;
}

async fn stops(mut relay: Relay) {
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn without_a_broker_it_waits_and_the_broker_is_enough() {
    let mut shop = Shop::open("no broker").await;
    let proxy = Proxy::start(addr_of(&shop.bed.amqp_url())).await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    let relay = Relay::start(&shop.bed, &["--amqp-url", &with_addr(&shop.bed.amqp_url(), proxy.addr())]).await;
    shop.order(5, 3).await;
    says(&relay, "cannot connect to the broker").await;
    assert_up(&relay).await;
    assert!(relay.get("/status").await.body.contains(r#""state":"down""#));
    assert_eq!(shop.bed.pending().await, 15, "nothing is lost or given up");
    proxy.heal();
    shop.delivered(SOON).await;
    shop.verdict().await.assert_clean(0);
    stops(relay).await;
}

#[tokio::test]
async fn without_a_database_it_waits_and_the_database_is_enough() {
    let mut shop = Shop::open("no database").await;
    let proxy = Proxy::start(addr_of(&shop.bed.relay_database_url())).await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    let url = with_addr(&shop.bed.relay_database_url(), proxy.addr());
    let relay = Relay::start(&shop.bed, &["--database-url", &url]).await;
    shop.order(5, 3).await;
    says(&relay, "the database cannot be reached").await;
    assert_up(&relay).await;
    assert!(relay.metric("outbox_database_connected").await < 0.5);
    proxy.heal();
    shop.delivered(SOON).await;
    assert!(relay.metric("outbox_database_connected").await > 0.5);
    shop.verdict().await.assert_clean(0);
    stops(relay).await;
}

#[tokio::test]
async fn without_a_schema_it_says_how_to_get_one_and_goes_on_after_migrate() {
    let bed = TestBed::new("no schema").await;
    let mut shop = Shop::with(bed).await;
    let relay = Relay::start(&shop.bed, &[]).await;
    says(&relay, "outbox-relay migrate").await;
    assert_up(&relay).await;
    shop.bed.migrate().await;
    shop.order(5, 3).await;
    shop.delivered(SOON).await;
    shop.verdict().await.assert_clean(0);
    stops(relay).await;
}

#[tokio::test]
async fn a_schema_that_is_too_new_is_left_alone() {
    let mut shop = Shop::open("too new").await;
    let client = shop.bed.client().await;
    let newer = "INSERT INTO outbox.schema_version (version, min_relay_version, checksum) VALUES (99, 99, 'x')";
    client.batch_execute(newer).await.expect("the schema is of the future");
    shop.order(5, 3).await;
    let relay = Relay::start(&shop.bed, &[]).await;
    says(&relay, "needs a newer outbox-relay").await;
    assert_up(&relay).await;
    let counted = async || relay.metric_where("outbox_failures_total", "schema").await >= 1.0;
    eventually(SOON, "it is counted", counted).await;
    assert_eq!(shop.history.progress().arrivals, 0);
    assert_eq!(shop.bed.pending().await, 15);
    // The same schema, where it still allows this relay.
    let allows = "UPDATE outbox.schema_version SET min_relay_version = 1 WHERE version = 99";
    client.batch_execute(allows).await.expect("the future is kind");
    shop.delivered(SOON).await;
    shop.verdict().await.assert_clean(0);
    stops(relay).await;
}

#[tokio::test]
async fn of_several_brokers_one_that_lives_is_enough() {
    let mut shop = Shop::open("several brokers").await;
    let dead = format!("amqp://guest:guest@127.0.0.1:{}/%2f", free_port());
    let alive = shop.bed.amqp_url();
    // Tried in random order, so both ways of giving them, and both orders.
    let both = format!("{dead},{alive}");
    let repeated = ["--amqp-url", &alive, "--amqp-url", &dead, "--amqp-url", &dead];
    for args in [&["--amqp-url", &both][..], &repeated[..]] {
        let relay = Relay::start(&shop.bed, args).await;
        shop.order(5, 2).await;
        shop.delivered(SOON).await;
        stops(relay).await;
    }
    shop.verdict().await.assert_clean(0);
}
