//! `status`: the whole outbox at a glance.

use serde_json::Value;
use testkit::command::{document, run};
use testkit::patience::SOON;
use testkit::world::UNBOUND;
use testkit::{Relay, World, eventually};

use crate::commands_reading::ask::commands;
use crate::commands_reading::stage::{secret, stage};

async fn becomes(world: &World, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(SOON, what, async || {
        let status = document(&world.bed, &["status"]).await;
        is_so(&status).then_some(status)
    })
    .await
}

#[tokio::test]
async fn an_idle_outbox_without_a_relay_says_how_to_get_one() {
    let world = stage("status_idle").await;
    let status = document(&world.bed, &["status"]).await;
    assert_eq!((status["pending"].as_i64(), status["schema_version"].as_i64()), (Some(0), Some(2)));
    assert_eq!(commands(&status), ["outbox-relay check"]);
    for field in [
        "schema",
        "at",
        "oldest_pending_age_seconds",
        "last_published_at",
        "waiting_keys",
        "count_max",
        "waits",
        "holds",
        "dead_letters",
        "dead_letter_reasons",
        "relays",
        "wake",
        "upkeep",
        "floors",
        "vacuum",
        "sees_sessions",
        "notes",
    ] {
        assert!(!status[field].is_null() || field == "last_published_at", "{field}: {status}");
    }
}

#[tokio::test]
async fn a_relay_at_work_is_shown_with_its_version_host_and_upkeep() {
    let mut world = stage("status_relay").await;
    assert_eq!(run(&world.bed, &["migrate", "--with-notify"]).await.code, Some(0));
    let _relay = Relay::start(&world.bed, &["--wake", "listen"]).await;
    world.commit("order-1", secret(&["order.created", "order.paid"])).await;
    let status = becomes(&world, "everything is published and the relay listens", |status| {
        status["pending"] == 0 && status["wake"]["listening"] == true && !status["last_published_at"].is_null()
    })
    .await;
    assert_eq!(status["wake"]["trigger"], true);
    let relays = status["relays"].as_array().expect("relays are a list");
    assert_eq!((relays.len(), relays[0]["version"].as_str()), (1, Some(env!("CARGO_PKG_VERSION"))), "{status}");
    assert!(!relays[0]["host"].as_str().expect("a host").is_empty());
    becomes(&world, "the upkeep has run", |status| {
        status["upkeep"]
            .as_array()
            .is_some_and(|jobs| jobs.len() == 5 && jobs.iter().all(|job| job["is_late"] == false))
    })
    .await;
}

#[tokio::test]
async fn holds_waits_and_dead_letters_are_counted_by_reason() {
    let mut world = stage("status_trouble").await;
    let _relay = Relay::start(&world.bed, &["--max-retries", "0"]).await;
    world.commit("poisoned", secret(&[UNBOUND])).await;
    becomes(&world, "the poison event is a dead letter", |status| status["dead_letters"] == 1).await;
    world.bed.management().delete_exchange(world.bed.vhost(), "order.events").await;
    for key in ["order-1", "order-2"] {
        world.commit(key, secret(&["order.created"])).await;
    }
    let status = becomes(&world, "both keys wait for the exchange", |status| {
        status["holds"][0]["waiting_keys"] == 2 && status["waits"][0]["keys"] == 2
    })
    .await;
    let hold = &status["holds"][0];
    assert_eq!((hold["scope"].as_str(), hold["kind"].as_str()), (Some("exchange"), Some("missing")), "{hold}");
    assert_eq!(status["dead_letter_reasons"][0]["reason"], "UNROUTABLE");
    assert_eq!(status["waits"][0]["reason"], "held");
    let wanted = ["outbox-relay routes release order.events/", "outbox-relay dlq list"];
    assert_eq!(commands(&status), wanted);
    let shown = run(&world.bed, &["status"]).await.stdout;
    assert!(shown.contains("held: exchange 'order.events' (missing)") && shown.contains("; 2 keys waiting"), "{shown}");
}
