//! `dlq list`, `show` and `discard`: what is told, what is kept back, and what a discard changes.

use testkit::{NewEvent, Relay, eventually};

use crate::commands_changing::command::run;
use crate::commands_changing::scene::{SOON, Scene};

const SECRET: &str = "alice@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_and_shown_without_their_payload_unless_asked_for() {
    let mut scene = Scene::open("dlq_show").await;
    let payload = format!("{{\"mail\": \"{SECRET}\", \"odd\": \"\\u0000\", \"big\": 1e999}}");
    let ids = scene.commit("k", vec![NewEvent::new("order.paid", &payload), NewEvent::of_order("k", 1)]).await;
    let letter = scene.dead_letter(ids[0], "UNROUTABLE", &["a"], &["b"]).await.to_string();
    let other = scene.dead_letter(ids[1], "INVALID_EVENT", &[], &[]).await.to_string();
    let list = run(&scene.bed, &["dlq", "list", "--reason", "UNROUTABLE", "--json"]).await.with_code(0).json();
    assert_eq!(list["dead_letters"].as_array().map(Vec::len), Some(1), "{list}");
    run(&scene.bed, &["dlq", "list", "--limit", "1"]).await.with_code(0).saying("and more");
    run(&scene.bed, &["dlq", "list", "--route", "nobody"]).await.with_code(0).saying("no dead letters");
    for id in [letter.clone(), ids[0].to_string(), format!("msg-{}", ids[0])] {
        let shown =
            run(&scene.bed, &["dlq", "show", &id]).await.with_code(0).saying("an error").saying("dlq replay --id");
        assert!(!shown.stdout.contains(SECRET), "{shown:#?}");
    }
    let shown = run(&scene.bed, &["dlq", "show", &letter, "--json", "--payload"]).await.with_code(0).json();
    let first = &shown["dead_letters"][0];
    assert_eq!(first["payload"], payload.as_str());
    assert!(first["original_event"].get("payload").is_none() && first["original_event"]["event_type"] == "order.paid");
    assert_eq!((&first["routes_confirmed"][0], &first["routes_failed"][0]), (&"a".into(), &"b".into()));
    run(&scene.bed, &["dlq", "discard", "--id", &other]).await.with_code(0);
    let open = run(&scene.bed, &["dlq", "list", "--json"]).await.json();
    let all = run(&scene.bed, &["dlq", "list", "--all", "--json"]).await.json();
    let count = |list: &serde_json::Value| list["dead_letters"].as_array().map(Vec::len);
    assert_eq!((count(&open), count(&all)), (Some(1), Some(2)));
    run(&scene.bed, &["dlq", "show", &other]).await.with_code(0).saying("discarded by tester");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_says_that_its_key_still_waits_and_releases_it_when_asked() {
    let mut scene = Scene::open("dlq_discard").await;
    let args = ["--on-dead-letter", "hold"];
    let mut relay = Relay::start(&scene.bed, &args).await;
    for key in ["stays", "goes"] {
        scene.commit(key, vec![NewEvent::poison(), NewEvent::of_order(key, 1)]).await;
    }
    let waiting = "SELECT count(*) FROM outbox.waits WHERE reason = 'after_dead_letter'";
    eventually(SOON, "both keys wait", async || scene.ask::<i64>(waiting).await == 2).await;
    let discard = ["dlq", "discard", "--aggregate-id", "stays", "--yes", "--note", "nonsense"];
    run(&scene.bed, &discard).await.with_code(0).saying("outbox-relay keys release stays");
    assert_eq!(scene.ask::<i64>(waiting).await, 2);
    let discard = ["dlq", "discard", "--aggregate-id", "goes", "--yes", "--release-key", "--json"];
    let answer = run(&scene.bed, &discard).await.with_code(0).json();
    assert_eq!((&answer["discarded"], &answer["keys_released"][0]), (&1.into(), &"goes".into()), "{answer}");
    scene.arrivals(1).await;
    let resolved = "SELECT string_agg(resolution || ' ' || resolved_by || ' ' || coalesce(note, '-'), ', ' ORDER BY note) FROM outbox.dead_letters";
    assert_eq!(scene.ask::<String>(resolved).await, "discarded tester nonsense, discarded tester -");
    run(&scene.bed, &["keys", "release", "stays"]).await.with_code(0).saying("without the dead letter");
    scene.arrivals(2).await;
    relay.stop(SOON).await;
}
