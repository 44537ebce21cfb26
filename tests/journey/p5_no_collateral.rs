//! P5, no collateral: one bad row delays its own key, one stuck or full queue its own types, and nobody else.

use std::time::{Duration, Instant};

use lapin::options::BasicGetOptions;
use testkit::{Arrived, History, NewEvent, PrivateServices, Queue, QueueKind, Relay, body_hash, eventually};
use tokio::task::JoinHandle;

use crate::journey::stage::{SOON, Stage, UNBOUND, assert_nothing_charged, good, keys, of_type};

const OTHERS: [&str; 4] = ["order.created", "order.paid", "order.shipped", "order.completed"];

/// The queue of the type in question, and one for all others.
fn two_queues(one: &str) -> [Queue; 2] {
    let queue = |name: &str| Queue::new(name, QueueKind::Classic);
    [queue("one").bound_to(&[one]), queue("others").bound_to(&OTHERS)]
}

#[tokio::test]
async fn a_failing_head_keeps_its_thousand_followers_and_no_other_key() {
    let stage = Stage::new("p5_followers", two_queues("order.one")).await;
    let _consumers = [stage.consume("one"), stage.consume("others")];
    let mut relay = Relay::start(&stage.bed, &["--retry-backoff-min", "2s"]).await;
    let head = NewEvent::new(UNBOUND, "{}").dead_letter("UNROUTABLE");
    let ids = {
        let mut client = stage.bed.client().await;
        let events = [vec![head], good("poisoned", 1_000)].concat();
        stage.writer.commit_events(&mut client, "poisoned", events).await
    };
    eventually(SOON, "the head is retried", async || stage.waits("retry").await == 1).await;
    stage.commit(&keys("other", 200), |key| good(key, 5)).await;
    stage.delivered(SOON, 1_000).await;
    assert_eq!(stage.bed.dead_letters().await.len(), 0, "1,000 events of other keys passed while the head was retried");
    assert!(!ids.iter().any(|id| stage.has_arrived(*id)), "a follower left before its head was done with");
    let verdict = stage.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (2_000, 1));
    assert_eq!(stage.ask::<i32>("SELECT attempts FROM outbox.dead_letters", &[]).await, 4);
}

/// Suspends or resumes the process of a queue: it takes messages and confirms none of them.
async fn stop_queue(services: &PrivateServices, vhost: &str, what: &str) {
    let queue = format!("rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"one\">>)");
    let code = format!("{{ok, Q}} = rabbit_amqqueue:lookup({queue}), sys:{what}(amqqueue:get_pid(Q)).");
    let answer = services.ctl(&["eval", &code]).await;
    assert_eq!(answer.trim(), "ok", "{what} of the queue");
}

/// Commits 100 events of other types; they must arrive within seconds, far from the confirm timeout's multiples.
async fn others_pass(stage: &Stage, round: usize) -> Duration {
    let before = stage.history.progress().distinct;
    stage.commit(&keys(&format!("other-{round}"), 20), |key| good(key, 5)).await;
    let committed = Instant::now();
    stage.delivered(Duration::from_secs(15), before + 100).await;
    committed.elapsed()
}

/// Waits until nothing has arrived for two seconds.
async fn lull(stage: &Stage) {
    let (mut seen, mut since) = (stage.history.progress().arrivals, Instant::now());
    eventually(SOON, "nothing arrives for two seconds", async || {
        let now = stage.history.progress().arrivals;
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_secs(2)
    })
    .await;
}

/// Everything drains once the queue confirms again, in order, at nobody's cost.
async fn drains(stage: &Stage, relay: &mut Relay) {
    stage.bed.quiet(&stage.history, SOON).await;
    assert_nothing_charged(stage, relay).await;
    let verdict = stage.finish(relay).await;
    eprintln!("{} duplicates", verdict.duplicates);
    // What may be in flight to one destination on each worker's channel, and some probes.
    verdict.assert_clean(4 * 500 + 50);
}

#[tokio::test]
async fn a_queue_that_never_confirms_delays_no_other_type() {
    let services = PrivateServices::start("p5_stuck", &["rabbitmq"], None).await;
    let stage = Stage::on(&services, two_queues("order.one")).await;
    let _consumers = [stage.consume("one"), stage.consume("others")];
    let mut relay = Relay::start(&stage.bed, &["--confirm-timeout", "3s"]).await;
    stage.commit(&keys("warm", 50), |key| [good(key, 2), of_type("order.one", 1)].concat()).await;
    stage.bed.quiet(&stage.history, SOON).await;
    stop_queue(&services, stage.bed.vhost(), "suspend").await;
    // 900 for the stuck queue at once, and others behind and beside them all the time, past the confirm timeout.
    stage.commit(&keys("stuck", 300), |_| of_type("order.one", 3)).await;
    let (started, mut slowest, mut round) = (Instant::now(), Duration::ZERO, 0);
    while started.elapsed() < Duration::from_secs(6) {
        slowest = slowest.max(others_pass(&stage, round).await);
        round += 1;
    }
    assert_eq!(stage.attempts_charged().await, 0);
    eventually(SOON, "the type is on hold", async || stage.holds().await == ["unconfirmed"]).await;
    // Nor after a quiet moment, in which nothing was confirmed at all.
    lull(&stage).await;
    slowest = slowest.max(others_pass(&stage, round).await);
    println!("the slowest 100 of {round} rounds beside a stuck queue took {slowest:?}");
    stop_queue(&services, stage.bed.vhost(), "resume").await;
    drains(&stage, &mut relay).await;
}

#[tokio::test]
async fn a_backlog_for_a_queue_that_never_confirms_delays_no_other_type() {
    let services = PrivateServices::start("p5_backlog", &["rabbitmq"], None).await;
    let stage = Stage::on(&services, two_queues("order.one")).await;
    let _consumers = [stage.consume("one"), stage.consume("others")];
    stage.commit(&keys("stuck", 1_500), |_| of_type("order.one", 4)).await;
    stop_queue(&services, stage.bed.vhost(), "suspend").await;
    let mut relay = Relay::start(&stage.bed, &["--confirm-timeout", "3s"]).await;
    let slowest = others_pass(&stage, 0).await;
    println!("100 events behind a backlog of 6,000 for a stuck queue took {slowest:?}");
    stop_queue(&services, stage.bed.vhost(), "resume").await;
    drains(&stage, &mut relay).await;
}

/// A consumer that takes one message at a time and needs a while for each.
fn slow_consumer(stage: &Stage, queue: &'static str) -> JoinHandle<()> {
    let (url, history) = (stage.bed.amqp_url(), stage.history.clone());
    tokio::spawn(async move {
        let channel = testkit::bed::channel(&url).await.expect("a channel");
        let mut pace = tokio::time::interval(Duration::from_millis(4));
        loop {
            pace.tick().await;
            let got =
                channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.expect("the queue answers");
            if let Some(message) = got {
                record(&history, queue, &message.delivery);
            }
        }
    })
}

fn record(history: &History, queue: &str, delivery: &lapin::message::Delivery) {
    let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
    history.arrive(Arrived {
        message_id: id.unwrap_or_default(),
        queue: queue.to_owned(),
        key: None,
        body: body_hash(&delivery.data),
        redelivered: delivery.redelivered,
        at: Instant::now(),
    });
}

#[tokio::test]
async fn a_full_queue_delays_its_type_charges_nobody_and_keeps_the_order() {
    let [one, others] = two_queues("order.one");
    let one = one.argument("x-max-length", 25).argument("x-overflow", lapin::types::LongString::from("reject-publish"));
    let stage = Stage::new("p5_full", [one, others]).await;
    let _others = stage.consume("others");
    let mut relay = Relay::start(&stage.bed, &[]).await;
    // Nobody takes from it yet: it fills up and stays full.
    stage.commit(&keys("full", 60), |_| of_type("order.one", 5)).await;
    eventually(SOON, "the type is on hold", async || stage.holds().await == ["refused"]).await;
    stage.commit(&keys("other", 100), |key| good(key, 10)).await;
    stage.delivered(SOON, 1_000).await;
    assert_eq!(stage.bed.queue_messages("one").await, 25, "full, and the others passed");
    assert_eq!(stage.attempts_charged().await, 0);
    let slow = slow_consumer(&stage, "one");
    stage.commit(&keys("other", 100), |key| good(key, 5)).await;
    stage.bed.quiet(&stage.history, SOON).await;
    slow.abort();
    assert_nothing_charged(&stage, &relay).await;
    let verdict = stage.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!(verdict.delivered, 300 + 1_000 + 500);
}
