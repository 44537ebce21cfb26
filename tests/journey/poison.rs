//! A poison row: tried four times, then a dead letter; its key goes on in order, or waits where the operator wants that.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use testkit::patience::SOON;
use testkit::world::{UNBOUND, orders};
use testkit::writer::{good, keys};
use testkit::{NewEvent, Relay, World, eventually};

/// A head that nobody takes, and what comes after it.
fn poisoned(key: &str) -> Vec<NewEvent> {
    let mut events = good(key, 8);
    events.insert(2, NewEvent::new(UNBOUND, "{}").dead_letter("UNROUTABLE"));
    events
}

fn seconds_between(earlier: SystemTime, later: SystemTime) -> f64 {
    later.duration_since(earlier).expect("later").as_secs_f64()
}

#[tokio::test]
async fn a_poison_row_is_tried_four_times_over_seven_seconds_and_then_its_key_goes_on_in_order() {
    let world = World::new("poison", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.commit_each(&["poisoned".to_owned()], poisoned).await;
    let start: SystemTime = world.ask("SELECT created_at FROM outbox.events WHERE event_type = $1", &[&UNBOUND]).await;
    let client = world.bed.client().await;
    let mut next_try: BTreeMap<i32, SystemTime> = BTreeMap::new();
    eventually(SOON, "the poison row is a dead letter", async || {
        let waits = client.query("SELECT attempts, until FROM outbox.waits WHERE reason = 'retry'", &[]).await;
        next_try.extend(waits.expect("waits are read").iter().map(|row| (row.get::<_, i32>(0), row.get(1))));
        !world.bed.dead_letters().await.is_empty()
    })
    .await;
    let end: SystemTime = world.ask("SELECT dead_lettered_at FROM outbox.dead_letters", &[]).await;
    let after: Vec<f64> = next_try.values().map(|until| seconds_between(start, *until)).collect();
    assert_eq!(next_try.keys().copied().collect::<Vec<_>>(), [1, 2, 3], "attempts seen while it waited");
    // Lower bounds are exact: a try comes at its time or later, and the next pause starts then.
    assert!(
        after[0] >= 1.0 && after[1] - after[0] >= 2.0 && after[2] - after[1] >= 4.0,
        "next tries after {after:?} s"
    );
    assert!((7.0..20.0).contains(&seconds_between(start, end)), "given up after {} s", seconds_between(start, end));
    assert_eq!(relay.metric_where("outbox_failures_total", r#"reason="returned""#).await, 4.0);
    assert_eq!(relay.metric("outbox_retries_total").await, 3.0);
    assert_eq!(relay.metric_where("outbox_dead_lettered_total", r#"reason="UNROUTABLE""#).await, 1.0);
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (8, 1));
    assert_eq!(world.ask::<i32>("SELECT attempts FROM outbox.dead_letters", &[]).await, 4);
    assert_eq!(world.ask::<i64>("SELECT count(*) FROM outbox.waits", &[]).await, 0);
}

#[tokio::test]
async fn successors_of_a_poison_row_wait_while_it_is_retried() {
    let world = World::new("poison_waits", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &["--retry-backoff-min", "2s"]).await;
    world.commit_each(&["poisoned".to_owned()], poisoned).await;
    eventually(SOON, "the head is retried", async || world.waits("retry").await == 1).await;
    world.commit_each(&["poisoned".to_owned()], |key| good(key, 3)).await;
    world.commit_each(&keys("other", 30), |key| good(key, 3)).await;
    world.arrived(SOON, 2 + 90).await;
    assert_eq!(world.bed.dead_letters().await.len(), 0, "the others did not have to wait for it");
    assert_eq!(world.history.progress().distinct, 2 + 90, "a successor left before its head was done with");
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (2 + 90 + 6 + 3, 1));
}

#[tokio::test]
async fn after_a_dead_letter_its_key_waits_where_the_operator_wants_that() {
    let world = World::new("poison_hold", [orders()]).await;
    let _consumer = world.consume("orders");
    let quick = ["--on-dead-letter", "hold", "--retry-backoff-min", "100ms", "--retry-backoff-max", "200ms"];
    let mut relay = Relay::start(&world.bed, &quick).await;
    world.commit_each(&["poisoned".to_owned()], poisoned).await;
    let waits = async || world.waits("after_dead_letter").await == 1;
    eventually(SOON, "the key waits after its dead letter", waits).await;
    let until: String = world.ask("SELECT until::text FROM outbox.waits", &[]).await;
    assert_eq!(until, "infinity");
    assert_eq!(relay.stop(Duration::from_secs(30)).await.code(), Some(0));
    // Neither another relay, nor new events of the key, nor a sweep sets it free.
    let mut relay = Relay::start(&world.bed, &quick).await;
    world.commit_each(&["poisoned".to_owned()], |key| good(key, 2)).await;
    world.commit_each(&keys("other", 30), |key| good(key, 3)).await;
    world.arrived(SOON, 2 + 90).await;
    let swept = "SELECT count(*) FROM outbox.upkeep WHERE job = 'sweep' AND last_run_at > $1";
    let now: SystemTime = world.ask("SELECT clock_timestamp()", &[]).await;
    eventually(SOON, "a sweep has run", async || world.ask::<i64>(swept, &[&now]).await == 1).await;
    assert_eq!((world.bed.pending().await, world.history.progress().distinct), (6 + 2, 2 + 90));
    assert_eq!(world.waits("after_dead_letter").await, 1);
    assert_eq!(world.bed.dead_letters().await.into_values().collect::<Vec<_>>(), ["UNROUTABLE"]);
    assert_eq!(relay.stop(Duration::from_secs(30)).await.code(), Some(0));
}
