//! The database dies under load, as in a power cut, and comes back.

use std::time::Duration;

use testkit::patience::SOON;
use testkit::traffic::Load;
use testkit::{PrivateServices, Relay, World, eventually};

const BATCH: usize = 50;
const WORKERS: usize = 2;

#[tokio::test]
async fn a_database_that_is_killed_and_restarted_costs_nothing_but_time() {
    let services = PrivateServices::start("database outage", &["postgres"], None).await;
    let world = World::open_on(&services).await;
    let (batch, workers) = (BATCH.to_string(), WORKERS.to_string());
    let mut relay = Relay::start(&world.bed, &["--batch-size", &batch, "--workers", &workers]).await;
    let traffic = world.traffic(&Load::default());
    let history = &world.history;
    for _ in 0..2 {
        let before = history.progress().distinct;
        eventually(SOON, "events flow", async || history.progress().distinct > before + 200).await;
        services.kill("postgres").await;
        let is_noticed = async || relay.metric("outbox_database_connected").await < 0.5;
        eventually(SOON, "the relay notices", is_noticed).await;
        assert_eq!(relay.get("/readyz").await.status, 200, "an outage does not take the pod down");
        services.start_again("postgres").await;
    }
    traffic.stop().await;
    world.quiet().await;
    world.verdict().await.assert_clean(2 * BATCH * WORKERS);
    assert!(world.bed.dead_letters().await.is_empty(), "the outage costs no event an attempt");
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
}
