//! `/livez` and `/readyz` are about the relay and never about its services: an outage must not restart it, nor take the order service's
//! pod out of its load balancer.

use std::time::{Duration, Instant};

use testkit::patience::SOON;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, Proxy, Relay, Signal, Stall, World, eventually};
use tokio::time::sleep;

/// Longer than any wait within a step.
const LONG: Duration = Duration::from_secs(25);

/// Asks both pages all the while.
async fn assert_well_for(relay: &Relay, time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        for page in ["/livez", "/readyz"] {
            let answer = relay.get(page).await;
            assert_eq!(answer.status, 200, "{page} after {:?}: {}", started.elapsed(), answer.body);
        }
        // As a kubelet does, only more often.
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_relay_whose_broker_and_database_are_away_is_live_and_ready() {
    let mut world = World::open("both away").await;
    let (database, broker) =
        (Proxy::start(addr_of(&world.bed.database_url())).await, Proxy::start(addr_of(&world.bed.amqp_url())).await);
    let urls = [with_addr(&world.bed.database_url(), database.addr()), with_addr(&world.bed.amqp_url(), broker.addr())];
    let mut relay = Relay::start(&world.bed, &["--database-url", &urls[0], "--amqp-url", &urls[1]]).await;
    world.order(5, 3).await;
    world.quiet().await;
    // First silent, which costs every wait its whole deadline, then refused.
    for proxy in [&database, &broker] {
        proxy.set(Faults { stall: Stall::Both, ..Faults::default() });
    }
    world.order(5, 3).await;
    assert_well_for(&relay, LONG).await;
    for proxy in [&database, &broker] {
        proxy.heal();
        proxy.set(Faults { refuse: true, ..Faults::default() });
        proxy.reset_all();
    }
    let is_down =
        async || relay.metric("outbox_database_connected").await + relay.metric("outbox_broker_connected").await < 0.5;
    eventually(SOON, "both are noticed", is_down).await;
    assert_well_for(&relay, Duration::from_secs(5)).await;
    database.heal();
    broker.heal();
    world.quiet().await;
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn a_relay_that_drains_is_live_and_still_ready() {
    let mut world = World::open("draining").await;
    let broker = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    let url = with_addr(&world.bed.amqp_url(), broker.addr());
    let mut relay = Relay::start(&world.bed, &["--amqp-url", &url, "--drain-timeout", "10s"]).await;
    eventually(SOON, "it is ready", async || relay.get("/readyz").await.body == "ok\n").await;
    world.order(5, 1).await;
    world.quiet().await;
    broker.set(Faults { stall: Stall::Both, ..Faults::default() });
    world.order(5, 1).await;
    eventually(SOON, "something is in flight", async || relay.metric("outbox_in_flight_messages").await > 0.5).await;
    relay.signal(Signal::Term);
    let is_draining = async || relay.get("/readyz").await.body == "draining\n";
    eventually(SOON, "it drains", is_draining).await;
    for page in ["/livez", "/readyz"] {
        assert_eq!(relay.get(page).await.status, 200, "{page}");
    }
    assert!(relay.get("/status").await.body.contains(r#""draining":true"#));
    assert_eq!(relay.wait_exit(SOON).await.code(), Some(0));
}
