//! `dlq list`, `show` and `discard`: what is told, what is kept back, and what a discard changes.

use testkit::command::run;
use testkit::patience::SOON;
use testkit::{NewEvent, Relay, eventually};

use crate::commands_changing::scene::{self, Scene};

const SECRET: &str = "alice@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_and_shown_without_their_payload_unless_asked_for() {
    let mut world = scene::open("dlq_show").await;
    let payload = format!("{{\"mail\": \"{SECRET}\", \"odd\": \"\\u0000\", \"big\": 1e999}}");
    let ids = world.commit("k", vec![NewEvent::new("order.paid", &payload), NewEvent::of_order("k", 1)]).await;
    let letter = world.dead_letter(ids[0], "UNROUTABLE", &["a"], &["b"]).await.to_string();
    let other = world.dead_letter(ids[1], "INVALID_EVENT", &[], &[]).await.to_string();
    let list = run(&world.bed, &["dlq", "list", "--reason", "UNROUTABLE", "--json"]).await.with_code(0).json();
    assert_eq!(list["dead_letters"].as_array().map(Vec::len), Some(1), "{list}");
    run(&world.bed, &["dlq", "list", "--limit", "1"]).await.with_code(0).saying("2 dead letters; the newest are shown");
    run(&world.bed, &["dlq", "list", "--route", "nobody"]).await.with_code(0).saying("no dead letters");
    for id in [letter.clone(), ids[0].to_string(), format!("msg-{}", ids[0])] {
        let shown =
            run(&world.bed, &["dlq", "show", &id]).await.with_code(0).saying("an error").saying("dlq replay --id");
        assert!(!shown.stdout.contains(SECRET), "{shown:#?}");
    }
    let shown = run(&world.bed, &["dlq", "show", &letter, "--json", "--payload"]).await.with_code(0).json();
    let first = &shown["dead_letters"][0];
    assert_eq!(first["payload"], payload.as_str());
    assert!(first["original_event"].get("payload").is_none() && first["original_event"]["event_type"] == "order.paid");
    assert_eq!((&first["routes_confirmed"][0], &first["routes_failed"][0]), (&"a".into(), &"b".into()));
    run(&world.bed, &["dlq", "discard", "--id", &other]).await.with_code(0);
    let open = run(&world.bed, &["dlq", "list", "--json"]).await.json();
    let all = run(&world.bed, &["dlq", "list", "--all", "--json"]).await.json();
    let count = |list: &serde_json::Value| list["dead_letters"].as_array().map(Vec::len);
    assert_eq!((count(&open), count(&all)), (Some(1), Some(2)));
    run(&world.bed, &["dlq", "show", &other]).await.with_code(0).saying("discarded by tester");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_says_that_its_key_still_waits_and_releases_it_when_asked() {
    let mut world = scene::open("dlq_discard").await;
    let args = ["--on-dead-letter", "hold"];
    let mut relay = Relay::start(&world.bed, &args).await;
    for key in ["stays", "goes"] {
        world.commit(key, vec![NewEvent::poison(), NewEvent::of_order(key, 1)]).await;
    }
    let waiting = "SELECT count(*) FROM outbox.waits WHERE reason = 'after_dead_letter'";
    eventually(SOON, "both keys wait", async || world.value::<i64>(waiting).await == 2).await;
    let discard = ["dlq", "discard", "--aggregate-id", "stays", "--yes", "--note", "nonsense"];
    run(&world.bed, &discard).await.with_code(0).saying("outbox-relay keys release stays");
    assert_eq!(world.value::<i64>(waiting).await, 2);
    let discard = ["dlq", "discard", "--aggregate-id", "goes", "--yes", "--release-key", "--json"];
    let answer = run(&world.bed, &discard).await.with_code(0).json();
    assert_eq!((&answer["discarded"], &answer["keys_released"][0]), (&1.into(), &"goes".into()), "{answer}");
    world.arrivals(1).await;
    let resolved = "SELECT string_agg(resolution || ' ' || resolved_by || ' ' || coalesce(note, '-'), ', ' ORDER BY note) FROM outbox.dead_letters";
    assert_eq!(world.value::<String>(resolved).await, "discarded tester nonsense, discarded tester -");
    run(&world.bed, &["keys", "release", "stays"]).await.with_code(0).saying("without the dead letter");
    world.arrivals(2).await;
    relay.stop(SOON).await;
}
