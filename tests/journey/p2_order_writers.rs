//! P2 for writers that insert the event before they change the order, as the flush of an ORM does: the
//! database makes them take turns, and the order holds while a relay is killed.

use std::time::Duration;

use testkit::patience::{SOON, STOPPED};
use testkit::traffic::Load;
use testkit::world::orders;
use testkit::{Relay, Signal, World, eventually};

/// What a killed relay had in flight: a batch for each worker.
const COPIES_MAX: usize = 4 * 100;

#[tokio::test(flavor = "multi_thread")]
async fn events_inserted_before_their_order_is_changed_arrive_in_order_where_the_database_orders_writers() {
    let world = World::new("p2_order_writers", [orders()]).await;
    world.bed.migrate_with(&["--order-writers"]).await;
    let _consumer = world.consume("orders");
    let args = ["--batch-size", "100", "--workers", "4"];
    let mut killed = Relay::start(&world.bed, &args).await;
    let mut steady = Relay::start(&world.bed, &args).await;
    let load = Load { producers: 8, keys: 20, event_first: true, pause: Duration::ZERO, ..Load::default() };
    let traffic = world.traffic(&load);
    eventually(SOON, "500 events arrived", async || world.history.progress().distinct >= 500).await;
    killed.signal(Signal::Kill);
    killed.wait_exit(STOPPED).await;
    eventually(SOON, "3,000 events are committed", async || world.history.progress().due >= 3_000).await;
    traffic.stop().await;
    world.finish(&mut steady).await.assert_clean(COPIES_MAX);
}
