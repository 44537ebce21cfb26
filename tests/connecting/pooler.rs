//! Behind pgbouncer in transaction mode, without settings of its own: the relay works, LISTEN goes past it, and its outage is one like
//! any other. (`make test-pgbouncer` has every test's relays behind it.)

use std::time::Duration;

use testkit::patience::SOON;
use testkit::urls::addr_of;
use testkit::{PrivateServices, Relay, World, eventually};

#[tokio::test]
async fn a_relay_works_behind_pgbouncer_and_outlives_it() {
    let services = PrivateServices::start("pooler", &["postgres", "pgbouncer"], None).await;
    let mut world = World::open_on(&services).await;
    let pooled = world.bed.relay_database_url();
    assert_ne!(addr_of(&pooled), addr_of(&world.bed.database_url()), "the relay goes another way than the test");
    let mut relay = Relay::start(&world.bed, &["--wake", "listen", "--workers", "4"]).await;
    relay.says("outbox_relay::postgres::listen: listening").await;
    relay.says(&format!("connected to the database {}/", addr_of(&pooled))).await;
    world.order(40, 10).await;
    world.quiet().await;

    services.kill("pgbouncer").await;
    relay.says(&format!("the database cannot be reached: {}: ", addr_of(&pooled))).await;
    world.order(10, 3).await;
    assert_eq!(world.bed.pending().await, 30);
    services.start_again("pgbouncer").await;
    eventually(SOON, "what waited is published", async || world.bed.pending().await == 0).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    assert_eq!(relay.metric_where("outbox_failures_total", r#"reason="marks_refused""#).await, 0.0);
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
}
