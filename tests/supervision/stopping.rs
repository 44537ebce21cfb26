//! Stopping: SIGTERM drains and ends with 0; what cannot drain ends at the drain timeout, or at once with a second signal.

use std::time::{Duration, Instant};

use testkit::traffic::Load;
use testkit::urls::{addr_of, with_addr};
use testkit::{Faults, PrivateServices, Proxy, Relay, Shop, Signal, Stall, Traffic, eventually};

const SOON: Duration = Duration::from_secs(30);

async fn flows(shop: &Shop) {
    let before = shop.history.progress().distinct;
    eventually(SOON, "events flow", async || shop.history.progress().distinct > before + 100).await;
}

async fn is_draining(relay: &Relay) {
    relay.signal(Signal::Term);
    eventually(SOON, "the relay drains", async || relay.log().contains("claiming nothing more")).await;
}

#[tokio::test]
async fn a_signal_under_load_drains_and_makes_no_duplicate() {
    let shop = Shop::open("drains").await;
    let traffic = Traffic::start(&shop.bed.database_url(), &shop.history, &Load::default());
    for _ in 0..3 {
        let mut relay = Relay::start(&shop.bed, &[]).await;
        flows(&shop).await;
        assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
        assert!(relay.log().contains("stopped"));
    }
    traffic.stop().await;
    let mut last = Relay::start(&shop.bed, &[]).await;
    shop.delivered(SOON).await;
    shop.verdict().await.assert_clean(0);
    assert_eq!(last.stop(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn idle_or_without_services_it_stops_within_moments() {
    let shop = Shop::open("idle").await;
    let proxy = Proxy::start(addr_of(&shop.bed.amqp_url())).await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    let without = ["--amqp-url", &with_addr(&shop.bed.amqp_url(), proxy.addr()), "--drain-timeout", "60s"];
    for args in [&[][..], &without[..]] {
        let mut relay = Relay::start(&shop.bed, args).await;
        assert_eq!(relay.stop(Duration::from_secs(15)).await.code(), Some(0));
    }
}

/// A relay with a drain timeout of a minute, in the middle of work, and its database gone silent.
async fn with_a_stalled_database(shop: &Shop, drain_timeout: &str) -> (Relay, Proxy, Traffic) {
    let proxy = Proxy::start(addr_of(&shop.bed.relay_database_url())).await;
    let url = with_addr(&shop.bed.relay_database_url(), proxy.addr());
    let traffic = Traffic::start(&shop.bed.database_url(), &shop.history, &Load::default());
    let relay = Relay::start(&shop.bed, &["--database-url", &url, "--drain-timeout", drain_timeout]).await;
    flows(shop).await;
    proxy.set(Faults { stall: Stall::Both, ..Faults::default() });
    (relay, proxy, traffic)
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_while_the_database_stalls() {
    let shop = Shop::open("second signal").await;
    let (mut relay, proxy, traffic) = with_a_stalled_database(&shop, "60s").await;
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
    let mut next = Relay::start(&shop.bed, &[]).await;
    shop.delivered(SOON).await;
    // A batch per worker: four of 500.
    shop.verdict().await.assert_clean(4 * 500);
    assert_eq!(next.stop(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn the_drain_timeout_ends_what_cannot_drain() {
    let shop = Shop::open("drain timeout").await;
    let (mut relay, _proxy, traffic) = with_a_stalled_database(&shop, "1s").await;
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
    let mut shop = Shop::open_on(&services).await;
    let args = ["--drain-timeout", "60s", "--confirm-timeout", "3s"];
    let mut relay = Relay::start(&shop.bed, &args).await;
    shop.order(5, 2).await;
    shop.delivered(SOON).await;
    services.ctl(&["set_vm_memory_high_watermark", "0.000001"]).await;
    shop.order(20, 5).await;
    let is_blocked = async || relay.metric("outbox_broker_blocked").await > 0.5;
    eventually(SOON, "the relay sees that it is blocked", is_blocked).await;
    assert_eq!(relay.get("/readyz").await.status, 200, "a blocked broker does not take the pod down");
    let asked = Instant::now();
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8), "took {:?}", asked.elapsed());
    services.ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
    let mut next = Relay::start(&shop.bed, &args).await;
    shop.delivered(SOON).await;
    shop.verdict().await.assert_clean(100);
    assert!(shop.bed.dead_letters().await.is_empty(), "an alarm costs no event an attempt");
    assert_eq!(next.stop(Duration::from_secs(20)).await.code(), Some(0));
}
