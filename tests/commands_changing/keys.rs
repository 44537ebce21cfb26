//! `keys release` and `keys dead-letter`: one key goes on, at once, and only as it was shown.

use std::time::Instant;

use testkit::command::{Command, run};
use testkit::patience::SOON;
use testkit::world::UNBOUND;
use testkit::{NewEvent, Relay, World, eventually};

use crate::commands_changing::scene::{self, Scene};

/// A key whose first event is retried only in an hour, with successors.
async fn stuck(name: &str) -> (World, Relay, Vec<uuid::Uuid>) {
    let mut world = scene::open(name).await;
    let relay = Relay::start(&world.bed, &["--retry-backoff-min", "1h", "--retry-backoff-max", "1h"]).await;
    let poison = NewEvent::new(UNBOUND, "{}").dead_letter("OPERATOR");
    let ids = world.commit("k", vec![poison, NewEvent::of_order("k", 1), NewEvent::of_order("k", 2)]).await;
    eventually(SOON, "the key waits", async || world.value::<i64>("SELECT count(*) FROM outbox.waits").await == 1)
        .await;
    (world, relay, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_lettering_a_poison_head_lets_its_key_go_on_at_once_under_load() {
    let (world, mut relay, ids) = stuck("keys_poison").await;
    let traffic = world.some_traffic();
    world.arrivals(100).await;
    run(&world.bed, &["keys", "dead-letter", "k"]).await.with_code(64).saying("--yes").saying(&ids[0].to_string());
    assert_eq!(world.bed.dead_letters().await.len(), 0);
    let before = Instant::now();
    let args = ["keys", "dead-letter", "k", "--yes", "--note", "ticket 17", "--json"];
    let answer = run(&world.bed, &args).await.with_code(0).saying("by tester: ticket 17").json();
    assert_eq!(answer["event"], ids[0].to_string());
    eventually(SOON, "its successors arrive", async || world.has_arrived(ids[2])).await;
    assert!(before.elapsed().as_secs() < 5, "{:?}", before.elapsed());
    let row = "SELECT failure_reason || ': ' || last_error || ' ' || attempts || ' ' || (processed_at IS NULL) FROM outbox.dead_letters";
    let row: String = world.value(row).await;
    assert!(
        row.starts_with("OPERATOR: moved out of the way by tester: ticket 17: ") && row.ends_with("1 true"),
        "{row}"
    );
    traffic.stop().await;
    world.finish(&mut relay).await.assert_clean(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_the_event_is_shown_and_only_yes_goes_on() {
    let (world, mut relay, ids) = stuck("keys_terminal").await;
    let args = ["keys", "dead-letter", "k"];
    let refused = Command::on(&world.bed, &args).run_on_terminal("no\n").await.with_code(1);
    refused.saying(&ids[0].to_string()).saying("Type yes").saying("nothing was changed");
    assert_eq!(world.bed.dead_letters().await.len(), 0);
    Command::on(&world.bed, &args).run_on_terminal("yes\n").await.with_code(0).saying("is now a dead letter");
    world.finish(&mut relay).await.assert_clean(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_retry_is_tried_at_once_and_keeps_its_attempts() {
    let (world, mut relay, ids) = stuck("keys_retry").await;
    let channel = world.bed.channel().await;
    let bound =
        channel.queue_bind("orders".into(), "order.events".into(), UNBOUND.into(), <_>::default(), <_>::default());
    bound.await.expect("a binding");
    let attempts = "SELECT attempts FROM outbox.waits";
    assert_eq!(world.value::<i32>(attempts).await, 1);
    run(&world.bed, &["keys", "release", "k"]).await.with_code(0).saying("tried at once");
    eventually(SOON, "all three arrive", async || ids.iter().all(|id| world.has_arrived(*id))).await;
    relay.stop(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_head_is_a_dead_letter_is_released_and_not_dead_lettered_again() {
    let mut world = scene::open("keys_after").await;
    let mut relay = Relay::start(&world.bed, &["--on-dead-letter", "hold"]).await;
    world.commit("k", vec![NewEvent::poison(), NewEvent::of_order("k", 1)]).await;
    eventually(SOON, "the key waits", async || world.value::<i64>("SELECT count(*) FROM outbox.waits").await == 1)
        .await;
    run(&world.bed, &["keys", "dead-letter", "k", "--yes"]).await.with_code(1).saying("keys release k");
    run(&world.bed, &["keys", "release", "k"]).await.with_code(0);
    world.finish(&mut relay).await.assert_clean(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_released_alone_says_why_and_changes_nothing() {
    let mut world = scene::open("keys_refused").await;
    world
        .execute(
            "INSERT INTO outbox.holds (scope, exchange, routing_key, kind, reason) VALUES ('key', 'order.events', 'order.paid', 'refused', 'full')",
        )
        .await;
    for (key, reason) in [("held", "held"), ("sent", "unconfirmed")] {
        let ids = world.commit(key, vec![NewEvent::of_order(key, 1)]).await;
        world
            .execute(&format!(
                "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until, hold_id)
                 SELECT '{key}', lane, id, seq, '{reason}', 'infinity', CASE WHEN '{reason}' = 'held' THEN (SELECT id FROM outbox.holds) END
                 FROM outbox.events WHERE id = '{}'",
                ids[0]
            ))
            .await;
    }
    let before = world.fingerprint().await;
    let fix = "outbox-relay routes release --scope key order.events/order.paid";
    run(&world.bed, &["keys", "release", "held"]).await.with_code(1).saying(fix);
    run(&world.bed, &["keys", "release", "sent"]).await.with_code(64).saying("--yes");
    run(&world.bed, &["keys", "release", "nobody"]).await.with_code(1).saying("does not wait");
    run(&world.bed, &["keys", "dead-letter", "nobody", "--yes"]).await.with_code(1).saying("no pending event");
    assert_eq!(world.fingerprint().await, before);
    run(&world.bed, &["keys", "release", "sent", "--yes"]).await.with_code(0).saying("may get it twice");
    assert!(world.value::<bool>("SELECT until <= clock_timestamp() FROM outbox.waits WHERE key = 'sent'").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_printed_command_is_safe_to_paste_whatever_the_key_holds() {
    let mut world = scene::open("keys_quoted").await;
    let key = "x'; touch pwned; '";
    let ids = world.commit(key, vec![NewEvent::of_order(key, 0), NewEvent::of_order(key, 1)]).await;
    let letter = world.dead_letter(ids[0], "UNROUTABLE", &[], &["default"]).await.to_string();
    world
        .client
        .execute(
            "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
             SELECT $1, lane, $2, 1, 'after_dead_letter', 'infinity' FROM outbox.events WHERE id = $3",
            &[&key, &ids[0], &ids[1]],
        )
        .await
        .expect("a wait");
    let safe = r"outbox-relay keys release 'x'\''; touch pwned; '\'''";
    run(&world.bed, &["keys", "dead-letter", key, "--yes"]).await.with_code(1).saying(safe);
    run(&world.bed, &["dlq", "discard", "--id", &letter]).await.with_code(0).saying(safe);
}
