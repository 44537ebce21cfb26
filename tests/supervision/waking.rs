//! Hints besides polling: `POST /wake` and LISTEN. With a poll interval of an hour the pauses between looks grow without end, so
//! what arrives at once was woken.

use std::time::{Duration, Instant};

use testkit::command::run;
use testkit::http::{self, Request};
use testkit::patience::SOON;
use testkit::proxy::{Faults, Proxy};
use testkit::urls::{addr_of, with_addr};
use testkit::{Relay, World, eventually};
use tokio::time::timeout;

/// A pause this long is followed by one of at least `WOKEN`: they double, and have a quarter of jitter.
const LONG_PAUSE: Duration = Duration::from_secs(3);
const WOKEN: Duration = Duration::from_millis(3_500);
/// What nobody announces and the poll interval of 250 ms finds, on a machine that is busy with other tests.
const POLLED: Duration = Duration::from_millis(3_000);

/// Waits until the relay looks for work so rarely that what is delivered at once must have been woken.
async fn is_asleep(relay: &Relay) {
    let (mut looks, mut last) = (wakeups(relay, "poll").await, Instant::now());
    eventually(SOON, "the relay looks ever more rarely", async || {
        let now = wakeups(relay, "poll").await;
        if now <= looks {
            return false;
        }
        let pause = last.elapsed();
        (looks, last) = (now, Instant::now());
        pause >= LONG_PAUSE
    })
    .await;
}

async fn wakeups(relay: &Relay, cause: &str) -> f64 {
    relay.metric_where("outbox_wakeups_total", &format!("cause=\"{cause}\"")).await
}

#[tokio::test]
async fn a_poke_from_loopback_wakes_the_relay() {
    let mut world = World::open("poke").await;
    let mut relay = Relay::start(&world.bed, &["--poll-interval", "1h"]).await;
    is_asleep(&relay).await;
    assert!(wakeups(&relay, "poke").await < 0.5);
    world.order(3, 2).await;
    let poke = Request { method: "POST", path: "/wake", login: None, body: "" };
    let answer = http::send(relay.admin(), &poke).await.expect("the admin port answers");
    assert_eq!(answer.status, 204);
    world.quiet_within(WOKEN).await;
    assert!(wakeups(&relay, "poke").await > 0.5);
    let get = relay.get("/wake").await.status;
    assert_eq!(get, 405, "looking at it wakes nobody");
    world.verdict().await.assert_clean(0);
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn a_notification_wakes_the_relay_and_a_lost_listener_comes_back() {
    let mut world = World::open("listen").await;
    run(&world.bed, &["migrate", "--with-notify"]).await.with_code(0);
    let mut relay = Relay::start(&world.bed, &["--poll-interval", "1h", "--wake", "listen"]).await;
    let listens = async |times| {
        let said = || relay.log().matches("outbox_relay::postgres::listen: listening").count();
        eventually(SOON, "the relay listens", async || said() >= times).await;
    };
    listens(1).await;
    is_asleep(&relay).await;
    let before = wakeups(&relay, "listen").await;
    world.order(3, 2).await;
    world.quiet_within(WOKEN).await;
    assert!(wakeups(&relay, "listen").await > before);

    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'";
    let ended = world.bed.client().await.query_one(end, &[]).await.expect("the listener is ended");
    assert_eq!(ended.get::<_, i64>(0), 1, "one listener");
    eventually(SOON, "it says that it polls", async || relay.log().contains("not listening; polling instead")).await;
    world.order(3, 2).await;
    listens(2).await;
    world.quiet_within(WOKEN).await;
    is_asleep(&relay).await;
    world.order(3, 2).await;
    world.quiet_within(WOKEN).await;
    world.verdict().await.assert_clean(0);
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn without_the_trigger_listening_is_polling() {
    let mut world = World::open("listen in vain").await;
    let mut relay = Relay::start(&world.bed, &["--wake", "listen"]).await;
    world.order(3, 2).await;
    world.quiet().await;
    eventually(SOON, "it says what is missing", async || relay.log().contains("migrate --schema outbox --with-notify"))
        .await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()
               AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'";
    world.bed.client().await.query_one(end, &[]).await.expect("the listener is ended");
    let listens = || relay.log().matches("outbox_relay::postgres::listen: listening").count();
    eventually(SOON, "it listens again", async || listens() >= 2).await;
    assert_eq!(relay.log().matches("--with-notify").count(), 1, "once is enough\n{}", relay.log());
    let stopped = timeout(SOON, relay.stop(SOON)).await.expect("in time");
    assert_eq!(stopped.code(), Some(0));
}

/// Ends what listens, and lets nobody listen again.
async fn silence(proxy: &Proxy) {
    proxy.set(Faults { refuse: true, ..Faults::default() });
    eventually(SOON, "the listener is cut off", async || proxy.reset_all() > 0).await;
}

#[tokio::test]
async fn where_listening_is_lost_for_good_polling_takes_over_at_once() {
    let mut world = World::open("listen lost").await;
    run(&world.bed, &["migrate", "--with-notify"]).await.with_code(0);
    let database = world.bed.listen_database_url().unwrap_or_else(|| world.bed.database_url());
    let proxy = Proxy::start(addr_of(&database)).await;
    let through = with_addr(&database, proxy.addr());
    let mut relay = Relay::start(&world.bed, &["--wake", "listen", "--listen-database-url", &through]).await;
    relay.says("outbox_relay::postgres::listen: listening").await;
    is_asleep(&relay).await;
    silence(&proxy).await;
    relay.says("not listening; polling instead").await;
    for _ in 0..3 {
        world.order(1, 2).await;
        world.quiet_within(POLLED).await;
    }
    proxy.heal();
    let listens = || relay.log().matches("outbox_relay::postgres::listen: listening").count();
    eventually(SOON, "it listens again", async || listens() >= 2).await;
    is_asleep(&relay).await;
    world.order(1, 2).await;
    world.quiet_within(WOKEN).await;
    world.verdict().await.assert_clean(0);
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn events_that_no_trigger_announces_are_found_within_seconds_and_the_next_ones_by_polling() {
    let mut world = World::open("listen unannounced").await;
    run(&world.bed, &["migrate", "--with-notify"]).await.with_code(0);
    let mut relay = Relay::start(&world.bed, &["--wake", "listen"]).await;
    relay.says("outbox_relay::postgres::listen: listening").await;
    is_asleep(&relay).await;
    world.execute("ALTER TABLE outbox.events DISABLE TRIGGER notify_relays").await;
    world.order(1, 2).await;
    world.quiet_within(SOON).await;
    relay.says("nothing announced these events").await;
    for _ in 0..3 {
        world.order(1, 2).await;
        world.quiet_within(POLLED).await;
    }
    world.verdict().await.assert_clean(0);
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

/// A retry is due at a time, which nobody announces.
#[tokio::test]
async fn while_a_key_waits_the_poll_interval_rules_although_commits_are_announced() {
    let world = World::open("listen waits").await;
    run(&world.bed, &["migrate", "--with-notify"]).await.with_code(0);
    let relay = Relay::start(&world.bed, &["--wake", "listen"]).await;
    relay.says("outbox_relay::postgres::listen: listening").await;
    is_asleep(&relay).await;
    let wait = "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
        VALUES ('nobody', 0, gen_random_uuid(), 1, 'after_dead_letter', 'infinity')";
    world.execute(wait).await;
    let looks = wakeups(&relay, "poll").await;
    eventually(SOON, "a look sees it", async || wakeups(&relay, "poll").await > looks).await;
    let (looks, since) = (wakeups(&relay, "poll").await, Instant::now());
    eventually(SOON, "eight more looks", async || wakeups(&relay, "poll").await >= looks + 8.0).await;
    assert!(since.elapsed() < Duration::from_secs(8), "{:?} for eight looks", since.elapsed());
}

#[tokio::test]
async fn where_every_writer_pokes_the_timed_look_is_a_safety_net() {
    let mut world = World::open("poke announces").await;
    let mut relay = Relay::start(&world.bed, &["--wake", "poke"]).await;
    is_asleep(&relay).await;
    world.order(1, 2).await;
    let poke = Request { method: "POST", path: "/wake", login: None, body: "" };
    http::send(relay.admin(), &poke).await.expect("the admin port answers");
    world.quiet_within(WOKEN).await;
    assert!(!relay.log().contains("nothing announced"), "{}", relay.log());
    is_asleep(&relay).await;
    world.order(1, 2).await;
    world.quiet_within(SOON).await;
    relay.says("nothing announced these events").await;
    world.order(1, 2).await;
    world.quiet_within(POLLED).await;
    world.verdict().await.assert_clean(0);
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

/// A replay is no INSERT.
#[tokio::test]
async fn a_replay_wakes_relays_that_listen() {
    let mut world = World::open("listen replay").await;
    run(&world.bed, &["migrate", "--with-notify"]).await.with_code(0);
    let mut relay = Relay::start(&world.bed, &["--wake", "listen"]).await;
    relay.says("outbox_relay::postgres::listen: listening").await;
    world.order(1, 2).await;
    world.quiet().await;
    is_asleep(&relay).await;
    let before = wakeups(&relay, "listen").await;
    run(&world.bed, &["replay", "--since", "1h", "--yes"]).await.with_code(0);
    eventually(SOON, "it hears of the replay", async || wakeups(&relay, "listen").await > before).await;
    world.quiet().await;
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}
