//! P5, no collateral: one bad row delays its own key, one stuck or full queue its own types, and nobody else.

use std::time::{Duration, Instant};

use testkit::bed;
use testkit::patience::SOON;
use testkit::queue::take;
use testkit::world::UNBOUND;
use testkit::writer::{good, keys, of_type};
use testkit::{NewEvent, PrivateServices, Queue, QueueKind, Relay, World, eventually};
use tokio::task::JoinHandle;

const OTHERS: [&str; 4] = ["order.created", "order.paid", "order.shipped", "order.completed"];

/// The queue of the type in question, and one for all others.
fn two_queues(one: &str) -> [Queue; 2] {
    let queue = |name: &str| Queue::new(name, QueueKind::Classic);
    [queue("one").bound_to(&[one]), queue("others").bound_to(&OTHERS)]
}

#[tokio::test]
async fn a_failing_head_keeps_its_thousand_followers_and_no_other_key() {
    let world = World::new("p5_followers", two_queues("order.one")).await;
    let _consumers = [world.consume("one"), world.consume("others")];
    let mut relay = Relay::start(&world.bed, &["--retry-backoff-min", "2s"]).await;
    let head = NewEvent::new(UNBOUND, "{}").dead_letter("UNROUTABLE");
    let ids = {
        let mut client = world.bed.client().await;
        let events = [vec![head], good("poisoned", 1_000)].concat();
        world.writer.commit_events(&mut client, "poisoned", events).await
    };
    eventually(SOON, "the head is retried", async || world.waits("retry").await == 1).await;
    world.commit_each(&keys("other", 200), |key| good(key, 5)).await;
    world.arrived(SOON, 1_000).await;
    assert_eq!(world.bed.dead_letters().await.len(), 0, "1,000 events of other keys passed while the head was retried");
    assert!(!ids.iter().any(|id| world.has_arrived(*id)), "a follower left before its head was done with");
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (2_000, 1));
    assert_eq!(world.ask::<i32>("SELECT attempts FROM outbox.dead_letters", &[]).await, 4);
}

/// Suspends or resumes the process of a queue: it takes messages and confirms none of them.
async fn stop_queue(services: &PrivateServices, vhost: &str, what: &str) {
    let queue = format!("rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"one\">>)");
    let code = format!("{{ok, Q}} = rabbit_amqqueue:lookup({queue}), sys:{what}(amqqueue:get_pid(Q)).");
    let answer = services.ctl(&["eval", &code]).await;
    assert_eq!(answer.trim(), "ok", "{what} of the queue");
}

/// Commits 100 events of other types; they must arrive within seconds, far from the confirm timeout's multiples.
async fn others_pass(world: &World, round: usize) -> Duration {
    let before = world.history.progress().distinct;
    world.commit_each(&keys(&format!("other-{round}"), 20), |key| good(key, 5)).await;
    let committed = Instant::now();
    world.arrived(Duration::from_secs(15), before + 100).await;
    committed.elapsed()
}

/// Waits until nothing has arrived for two seconds.
async fn lull(world: &World) {
    let (mut seen, mut since) = (world.history.progress().arrivals, Instant::now());
    eventually(SOON, "nothing arrives for two seconds", async || {
        let now = world.history.progress().arrivals;
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(2)
    })
    .await;
}

/// Everything drains once the queue confirms again, in order, at nobody's cost.
async fn drains(world: &World, relay: &mut Relay) {
    world.quiet().await;
    world.assert_nothing_charged(relay).await;
    let verdict = world.finish(relay).await;
    eprintln!("{} duplicates", verdict.duplicates);
    // What may be in flight to one destination on each worker's channel, and some probes.
    verdict.assert_clean(4 * 500 + 50);
}

#[tokio::test]
async fn a_queue_that_never_confirms_delays_no_other_type() {
    let services = PrivateServices::start("p5_stuck", &["rabbitmq"], None).await;
    let world = World::on(&services, two_queues("order.one")).await;
    let _consumers = [world.consume("one"), world.consume("others")];
    let mut relay = Relay::start(&world.bed, &["--confirm-timeout", "3s"]).await;
    world.commit_each(&keys("warm", 50), |key| [good(key, 2), of_type("order.one", 1)].concat()).await;
    world.quiet().await;
    stop_queue(&services, world.bed.vhost(), "suspend").await;
    // 900 for the stuck queue at once, and others behind and beside them all the time, past the confirm timeout.
    world.commit_each(&keys("stuck", 300), |_| of_type("order.one", 3)).await;
    let (started, mut slowest, mut round) = (Instant::now(), Duration::ZERO, 0);
    while started.elapsed() < Duration::from_secs(6) {
        slowest = slowest.max(others_pass(&world, round).await);
        round += 1;
    }
    assert_eq!(world.attempts_charged().await, 0);
    eventually(SOON, "the type is on hold", async || world.holds().await == ["unconfirmed"]).await;
    // Nor after a quiet moment, in which nothing was confirmed at all.
    lull(&world).await;
    slowest = slowest.max(others_pass(&world, round).await);
    println!("the slowest 100 of {round} rounds beside a stuck queue took {slowest:?}");
    stop_queue(&services, world.bed.vhost(), "resume").await;
    drains(&world, &mut relay).await;
}

#[tokio::test]
async fn a_backlog_for_a_queue_that_never_confirms_delays_no_other_type() {
    let services = PrivateServices::start("p5_backlog", &["rabbitmq"], None).await;
    let world = World::on(&services, two_queues("order.one")).await;
    let _consumers = [world.consume("one"), world.consume("others")];
    world.commit_each(&keys("stuck", 1_500), |_| of_type("order.one", 4)).await;
    stop_queue(&services, world.bed.vhost(), "suspend").await;
    let mut relay = Relay::start(&world.bed, &["--confirm-timeout", "3s"]).await;
    let slowest = others_pass(&world, 0).await;
    println!("100 events behind a backlog of 6,000 for a stuck queue took {slowest:?}");
    stop_queue(&services, world.bed.vhost(), "resume").await;
    drains(&world, &mut relay).await;
}

/// A consumer that takes one message at a time and needs a while for each.
fn slow_consumer(world: &World, queue: &'static str) -> JoinHandle<()> {
    let (url, history) = (world.bed.amqp_url(), world.history.clone());
    tokio::spawn(async move {
        let channel = bed::channel(&url).await.expect("a channel");
        let mut pace = tokio::time::interval(Duration::from_millis(4));
        loop {
            pace.tick().await;
            if let Some(got) = take(&channel, queue).await {
                history.arrive(got.arrived(queue));
            }
        }
    })
}

#[tokio::test]
async fn a_full_queue_delays_its_type_charges_nobody_and_keeps_the_order() {
    let [one, others] = two_queues("order.one");
    let one = one.argument("x-max-length", 25).argument("x-overflow", lapin::types::LongString::from("reject-publish"));
    let world = World::new("p5_full", [one, others]).await;
    let _others = world.consume("others");
    let mut relay = Relay::start(&world.bed, &[]).await;
    // Nobody takes from it yet: it fills up and stays full.
    world.commit_each(&keys("full", 60), |_| of_type("order.one", 5)).await;
    eventually(SOON, "the type is on hold", async || world.holds().await == ["refused"]).await;
    world.commit_each(&keys("other", 100), |key| good(key, 10)).await;
    world.arrived(SOON, 1_000).await;
    assert_eq!(world.bed.queue_messages("one").await, 25, "full, and the others passed");
    assert_eq!(world.attempts_charged().await, 0);
    let slow = slow_consumer(&world, "one");
    world.commit_each(&keys("other", 100), |key| good(key, 5)).await;
    world.quiet().await;
    slow.abort();
    world.assert_nothing_charged(&relay).await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!(verdict.delivered, 300 + 1_000 + 500);
}
