//! Networks that break in the middle (rules 5, 6 and 8): the relay notices, connects again, loses nothing, and sends again at most what
//! was in flight.

use std::time::Duration;

use testkit::patience::SOON;
use testkit::traffic::Load;
use testkit::urls::{addr_of, with_addr, with_query};
use testkit::{Faults, Proxy, Relay, Stall, World, eventually};

/// Batch size and workers of these relays: what may be in flight when a connection breaks.
const BATCH: usize = 20;
const WORKERS: usize = 2;

/// A relay whose broker is behind the proxy.
async fn relay_behind(proxy: &Proxy, world: &World, args: &[&str]) -> Relay {
    let url = with_addr(&world.bed.amqp_url(), proxy.addr());
    let (batch, workers) = (BATCH.to_string(), WORKERS.to_string());
    let mut all = vec!["--batch-size", &batch, "--workers", &workers];
    if !args.contains(&"--amqp-url") {
        all.extend(["--amqp-url", &url]);
    }
    all.extend(args);
    Relay::start(&world.bed, &all).await
}

async fn is_connected(relay: &Relay) -> bool {
    relay.metric("outbox_broker_connected").await > 0.5
}

fn load() -> Load {
    Load { producers: 3, keys: 40, ..Load::default() }
}

#[tokio::test]
async fn an_idle_half_open_connection_is_noticed_by_heartbeats() {
    let mut world = World::open("half open idle").await;
    let proxy = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    let url = with_query(&with_addr(&world.bed.amqp_url(), proxy.addr()), "heartbeat=2");
    let mut relay = relay_behind(&proxy, &world, &["--amqp-url", &url]).await;
    world.order(5, 2).await;
    world.quiet().await;
    proxy.set(Faults { stall: Stall::Both, ..Faults::default() });
    eventually(Duration::from_secs(20), "the relay notices the silence", async || !is_connected(&relay).await).await;
    proxy.heal();
    world.order(5, 2).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
}

/// With the default heartbeat of 8 s the confirm timeout is the faster sign.
#[tokio::test]
async fn a_half_open_connection_under_load_is_noticed_by_missing_confirms() {
    for stall in [Stall::Both, Stall::Down] {
        let world = World::open("half open loaded").await;
        let proxy = Proxy::start(addr_of(&world.bed.amqp_url())).await;
        let args = ["--confirm-timeout", "2s", "--batch-deadline", "500ms"];
        let mut relay = relay_behind(&proxy, &world, &args).await;
        let traffic = world.traffic(&load());
        let history = &world.history;
        eventually(SOON, "events flow", async || history.progress().distinct > 100).await;
        proxy.set(Faults { stall, ..Faults::default() });
        eventually(Duration::from_secs(20), "the relay gives the connection up", async || {
            relay.log().contains("the connection to the broker ended")
        })
        .await;
        proxy.heal();
        proxy.reset_all();
        traffic.stop().await;
        world.quiet().await;
        world.verdict().await.assert_clean(2 * BATCH * WORKERS);
        assert!(world.bed.dead_letters().await.is_empty(), "{stall:?}: an outage costs no event an attempt");
        assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
    }
}

#[tokio::test]
async fn resets_lose_nothing() {
    let world = World::open("resets").await;
    let proxy = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    let mut relay = relay_behind(&proxy, &world, &[]).await;
    let traffic = world.traffic(&load());
    let (history, mut resets) = (&world.history, 0);
    for round in 0..4 {
        let before = history.progress().distinct;
        eventually(SOON, "events flow", async || history.progress().distinct > before + 100).await;
        resets += if round % 2 == 0 { proxy.reset_all() } else { proxy.close_all() };
    }
    traffic.stop().await;
    world.quiet().await;
    world.verdict().await.assert_clean(resets * BATCH * WORKERS);
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
}

#[tokio::test]
async fn cuts_in_the_middle_of_a_frame_lose_nothing() {
    let world = World::open("cuts").await;
    let proxy = Proxy::start(addr_of(&world.bed.amqp_url())).await;
    let mut relay = relay_behind(&proxy, &world, &[]).await;
    let traffic = world.traffic(&load());
    let history = &world.history;
    // One message is about 700 bytes; these end in its method, its header and its body.
    let cuts = [20_003, 10_101, 15_257, 30_511];
    for cut in cuts {
        let (before, accepted) = (history.progress().distinct, proxy.accepted());
        eventually(SOON, "events flow", async || history.progress().distinct > before + 50).await;
        proxy.set(Faults { cut_after: Some(cut), ..Faults::default() });
        eventually(SOON, "the line is cut", async || proxy.accepted() > accepted).await;
    }
    proxy.heal();
    traffic.stop().await;
    world.quiet().await;
    world.verdict().await.assert_clean(cuts.len() * BATCH * WORKERS);
    assert_eq!(relay.stop(Duration::from_secs(20)).await.code(), Some(0));
}
