//! Stopping: SIGTERM drains and ends with 0; what cannot drain ends at the drain timeout, or at once with a second signal.

use std::time::{Duration, Instant};

use testkit::patience::SOON;
use testkit::traffic::Load;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, PrivateServices, Proxy, Relay, Signal, Stall, Traffic, World, eventually};

async fn flows(world: &World) {
    let before = world.history.progress().distinct;
    eventually(SOON, "events flow", async || world.history.progress().distinct > before + 100).await;
}

async fn is_draining(relay: &Relay) {
    relay.signal(Signal::Term);
    eventually(SOON, "the relay drains", async || relay.log().contains("claiming nothing more")).await;
}

#[tokio::test]
async fn a_signal_under_load_drains_and_makes_no_duplicate() {
    let world = World::open("drains").await;
    let traffic = world.traffic(&Load::default());
    for _ in 0..3 {
        let mut relay = Relay::start(&world.bed, &[]).await;
        flows(&world).await;
        assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
        assert!(relay.log().contains("stopped"));
    }
    traffic.stop().await;
    let mut last = Relay::start(&world.bed, &[]).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    assert_eq!(last.stop(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn idle_or_without_services_it_stops_within_moments() {
    let world = World::open("idle").await;
    let proxy = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    let without = ["--amqp-url", &with_addr(&world.bed.amqp_url(), proxy.addr()), "--drain-timeout", "60s"];
    for args in [&[][..], &without[..]] {
        let mut relay = Relay::start(&world.bed, args).await;
        assert_eq!(relay.stop(Duration::from_secs(15)).await.code(), Some(0));
    }
}

/// A relay with a drain timeout of a minute, in the middle of work, and its database gone silent.
async fn with_a_stalled_database(world: &World, drain_timeout: &str) -> (Relay, Proxy, Traffic) {
    let proxy = Proxy::start(addr_of(&world.bed.relay_database_url())).await;
    let url = with_addr(&world.bed.relay_database_url(), proxy.addr());
    let traffic = world.traffic(&Load::default());
    let relay = Relay::start(&world.bed, &["--database-url", &url, "--drain-timeout", drain_timeout]).await;
    flows(world).await;
    proxy.set(Faults { stall: Stall::Both, ..Faults::default() });
    (relay, proxy, traffic)
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_while_the_database_stalls() {
    let world = World::open("second signal").await;
    let (mut relay, proxy, traffic) = with_a_stalled_database(&world, "60s").await;
    is_draining(&relay).await;
    let asked = Instant::now();
    relay.signal(Signal::Term);
    relay.wait_exit(Duration::from_secs(20)).await;
    let took = asked.elapsed();
    assert!(relay.log().contains("second signal"), "it had not drained before");
    assert!(took < Duration::from_secs(6), "took {took:?}");
    traffic.stop().await;
    // Behind the stalled line the server still waits for the next statement; with it go the lane locks.
    drop(proxy);
    let mut next = Relay::start(&world.bed, &[]).await;
    world.quiet().await;
    // A batch per worker: four of 500.
    world.verdict().await.assert_clean(4 * 500);
    assert_eq!(next.stop(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn the_drain_timeout_ends_what_cannot_drain() {
    let world = World::open("drain timeout").await;
    let (mut relay, _proxy, traffic) = with_a_stalled_database(&world, "1s").await;
    let asked = Instant::now();
    let status = relay.stop(Duration::from_secs(20)).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "took {:?}", asked.elapsed());
    assert_eq!(status.code(), Some(0));
    traffic.stop().await;
}

/// Blocked, there is nothing to wait for: what was sent is unconfirmed, and comes again.
#[tokio::test]
async fn a_blocked_broker_does_not_hold_up_a_stop() {
    let services = PrivateServices::start("blocked stop", &["rabbitmq"], None).await;
    let mut world = World::open_on(&services).await;
    let args = ["--drain-timeout", "60s", "--confirm-timeout", "3s"];
    let mut relay = Relay::start(&world.bed, &args).await;
    world.order(5, 2).await;
    world.quiet().await;
    services.ctl(&["set_vm_memory_high_watermark", "0.000001"]).await;
    world.order(20, 5).await;
    let is_blocked = async || relay.metric("outbox_broker_blocked").await > 0.5;
    eventually(SOON, "the relay sees that it is blocked", is_blocked).await;
    assert_eq!(relay.get("/readyz").await.status, 200, "a blocked broker does not take the pod down");
    let asked = Instant::now();
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8), "took {:?}", asked.elapsed());
    services.ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
    let mut next = Relay::start(&world.bed, &args).await;
    world.quiet().await;
    world.verdict().await.assert_clean(100);
    assert!(world.bed.dead_letters().await.is_empty(), "an alarm costs no event an attempt");
    assert_eq!(next.stop(Duration::from_secs(20)).await.code(), Some(0));
}
