//! `trace` names the state of an event, why, who is ahead and what to type, whatever has happened to it.

use serde_json::Value;
use testkit::command::{document, run};
use testkit::patience::SOON;
use testkit::world::UNBOUND;
use testkit::{Relay, World, eventually};

use crate::commands_reading::ask::{commands, events, states};
use crate::commands_reading::stage::{secret, stage, without_exchange};

/// Waits until the key's events are in these states, and gives them.
async fn become_states(world: &World, key: &str, wanted: &[&str]) -> Vec<Value> {
    eventually(SOON, &format!("{key} is {wanted:?}"), async || {
        run(&world.bed, &["trace", key]).await.code == Some(0) && states(&world.bed, key).await == wanted
    })
    .await;
    events(&world.bed, key).await
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} in {value}"))
}

#[tokio::test]
async fn pending_while_no_relay_runs_and_published_afterwards() {
    let mut world = stage("trace_published").await;
    let ids = world.commit("order-1", secret(&["order.created", "order.paid"])).await;
    let before = become_states(&world, "order-1", &["pending", "waiting"]).await;
    assert!(text(&before[0], "why").contains("no relay is connected"), "{}", before[0]);
    assert_eq!(commands(&before[0]), ["outbox-relay check"]);
    assert_eq!(text(&before[1]["ahead"], "event_id"), ids[0].to_string());
    let relay = Relay::start(&world.bed, &[]).await;
    let after = become_states(&world, "order-1", &["published", "published"]).await;
    assert_eq!(text(&after[0], "event_id"), ids[0].to_string());
    assert!(text(&after[0], "published_at") > text(&after[0], "created_at"));
    let document = document(&world.bed, &["trace", "order-1"]).await;
    assert_eq!((document["pending"].as_i64(), document["published"].as_i64()), (Some(0), Some(2)));
    assert_eq!(document["relays"].as_array().map(Vec::len), Some(1), "{document}");
    drop(relay);
}

#[tokio::test]
async fn pending_while_a_relay_holds_its_lane() {
    let mut world = stage("trace_lane").await;
    let locker = world.bed.client().await;
    for key in ["order-1", "order-2", "order-3"] {
        world.commit(key, secret(&["order.created"])).await;
        // A session of another name would be called a stranger.
        let lock = r#"SET application_name = 'outbox-relay/0/test'; BEGIN; SELECT pg_advisory_xact_lock(hashtext('"outbox".lanes'), lane) FROM outbox.events WHERE aggregate_id = "#;
        locker.batch_execute(&format!("{lock}'{key}'")).await.expect("the lane is locked as a claim does");
        let why = |events: &[Value]| text(&events[0], "why").to_owned();
        assert_eq!(why(&events(&world.bed, key).await), "a relay is publishing its lane now");
        locker.batch_execute("ROLLBACK; RESET application_name").await.expect("the lane is free");
        assert!(why(&events(&world.bed, key).await).contains("no relay is connected"));
    }
}

#[tokio::test]
async fn an_event_is_found_by_its_id_with_and_without_the_prefix_of_envelopes() {
    let mut world = stage("trace_id").await;
    let ids = world.commit("order-1", secret(&["order.created", "order.paid", "order.shipped"])).await;
    for target in [ids[2].to_string(), format!("msg-{}", ids[2])] {
        let found = events(&world.bed, &target).await;
        assert_eq!(found.len(), 1);
        assert_eq!((text(&found[0], "state"), text(&found[0], "key")), ("waiting", "order-1"));
        assert_eq!(found[0]["ahead"]["events"].as_i64(), Some(2), "{}", found[0]);
    }
    // An order's id may be a uuid itself.
    let uuid_key = uuid::Uuid::new_v4().to_string();
    world.commit(&uuid_key, secret(&["order.created"])).await;
    assert_eq!(states(&world.bed, &uuid_key).await, ["pending"]);
}

#[tokio::test]
async fn retrying_and_behind_it() {
    let mut world = stage("trace_retry").await;
    let pause = ["--retry-backoff-min", "60s", "--retry-backoff-max", "60s"];
    let _relay = Relay::start(&world.bed, &pause).await;
    let ids = world.commit("order-1", secret(&["order.created", UNBOUND, "order.paid", "order.shipped"])).await;
    let found = become_states(&world, "order-1", &["published", "retrying", "waiting", "waiting"]).await;
    assert!(text(&found[1], "headline").starts_with("retrying (1 attempt charged, next at "), "{}", found[1]);
    assert!(text(&found[1], "why").contains("NO_ROUTE"), "{}", found[1]);
    assert!(!found[1]["until"].is_null());
    assert_eq!(text(&found[3], "headline"), format!("waiting (behind {UNBOUND} {}, 1 more between)", ids[1]));
    let wanted = ["outbox-relay keys release order-1", "outbox-relay keys dead-letter order-1"];
    assert_eq!(commands(&found[1]), wanted);
    assert_eq!(commands(&document(&world.bed, &["trace", "order-1"]).await), wanted, "each step once");
    let shown = run(&world.bed, &["trace", "order-1"]).await.stdout;
    assert!(shown.lines().count() <= 24, "one screen:\n{shown}");
    assert!(shown.contains("      outbox-relay keys release order-1\n"), "{shown}");
    assert!(!shown.contains("4711"), "payloads only when asked for: {shown}");
    let shown = run(&world.bed, &["trace", "--payload", "order-1"]).await.stdout;
    assert!(shown.contains(r#"{"secret": "4711"}"#), "{shown}");
}

#[tokio::test]
async fn held_by_a_missing_exchange() {
    let mut world = without_exchange("trace_held").await;
    let _relay = Relay::start(&world.bed, &[]).await;
    world.commit("order-1", secret(&["order.created", "order.paid"])).await;
    let found = become_states(&world, "order-1", &["held", "waiting"]).await;
    assert_eq!(text(&found[0], "headline"), "held (exchange 'order.events': the exchange does not exist)");
    assert!(text(&found[0], "why").contains("NOT_FOUND"), "{}", found[0]);
    assert!(text(&found[0]["next"][0], "to").starts_with("create the exchange"), "{}", found[0]);
    assert_eq!(commands(&found[0])[0], "outbox-relay routes release order.events/");
}

#[tokio::test]
async fn dead_lettered_and_what_waits_for_a_word_behind_it() {
    let mut world = stage("trace_dead").await;
    let _relay = Relay::start(&world.bed, &["--max-retries", "0", "--on-dead-letter", "hold"]).await;
    let ids = world.commit("order-1", secret(&[UNBOUND, "order.paid"])).await;
    let found = become_states(&world, "order-1", &["dead_lettered", "waiting"]).await;
    assert_eq!(text(&found[0], "headline"), "dead-lettered (UNROUTABLE)");
    assert!(text(&found[0], "why").contains("attempts charged: 1"), "{}", found[0]);
    assert_eq!(found[0]["dead_letters"].as_array().map(Vec::len), Some(1));
    let newest = document(&world.bed, &["trace", "order-1", "--limit", "1"]).await;
    assert_eq!((newest["dead_lettered"].as_i64(), newest["events_not_shown"].as_i64()), (Some(1), Some(1)), "{newest}");
    assert_eq!(commands(&found[0])[0], format!("outbox-relay dlq show {}", ids[0]));
    assert_eq!(commands(&found[1]).last(), Some(&"outbox-relay keys release order-1"));
    assert_eq!(states(&world.bed, &ids[0].to_string()).await, ["dead_lettered"]);
    world
        .execute("UPDATE outbox.dead_letters SET processed_at = clock_timestamp(), resolution = 'discarded', resolved_by = 'ana'")
        .await;
    let found = events(&world.bed, &ids[0].to_string()).await;
    assert!(text(&found[0], "why").starts_with("discarded by ana"), "{}", found[0]);
}

#[tokio::test]
async fn unconfirmed_and_no_route_as_the_relay_notes_them() {
    let mut world = stage("trace_noted").await;
    for (key, reason) in [("sent", "unconfirmed"), ("unnamed", "no_route")] {
        world.commit(key, secret(&["order.created"])).await;
        world
            .execute(&format!(
                "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
                 SELECT '{key}', lane, id, seq, '{reason}', clock_timestamp() + interval '1 minute'
                 FROM outbox.events WHERE aggregate_id = '{key}'"
            ))
            .await;
        assert_eq!(states(&world.bed, key).await, [reason]);
    }
    let sent = &events(&world.bed, "sent").await[0];
    assert!(sent["may_arrive_twice"].as_bool().expect("a flag") && text(sent, "why").contains("may have arrived"));
    let unnamed = &events(&world.bed, "unnamed").await[0];
    assert!(text(&unnamed["next"][0], "to").contains("routes file"), "{unnamed}");
}

#[tokio::test]
async fn an_event_that_was_sent_again_says_by_whom_and_where_to() {
    let mut world = stage("trace_replay").await;
    world.commit("order-1", secret(&["order.created"])).await;
    world
        .execute(
            "INSERT INTO outbox.replays (id, source, selection, requested_by, events)
             VALUES ('00000000-0000-0000-0000-000000000007', 'published', '{}', 'ana', 1);
             UPDATE outbox.events SET replay_id = '00000000-0000-0000-0000-000000000007', only_routes = '{platform}'",
        )
        .await;
    let document = document(&world.bed, &["trace", "order-1"]).await;
    assert_eq!(text(&document["replays"][0], "requested_by"), "ana");
    let event = &document["events"][0];
    assert_eq!((event["only_routes"][0].as_str(), event["may_arrive_twice"].as_bool()), (Some("platform"), Some(true)));
    let shown = run(&world.bed, &["trace", "order-1"]).await.stdout;
    assert!(shown.contains("goes only to these routes, as its replay asked: platform"), "{shown}");
    assert!(shown.contains("by ana"), "{shown}");
}

#[tokio::test]
async fn an_aggregate_is_found_under_other_keys_and_a_key_under_other_aggregates() {
    let world = stage("trace_keys").await;
    world
        .execute(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, partition_key, published_at) VALUES
             ('Order', 'order-1', 'order.created', '{}', 'customer-7', clock_timestamp()),
             ('Order', 'order-2', 'order.created', '{}', 'customer-7', NULL),
             ('Order', 'order-1', 'order.paid', '{}', 'customer-7', NULL)",
        )
        .await;
    assert_eq!(states(&world.bed, "customer-7").await, ["published", "pending", "waiting"]);
    let of_order = document(&world.bed, &["trace", "order-1"]).await;
    let found = of_order["events"].as_array().expect("a list");
    assert_eq!(found.len(), 2, "{of_order}");
    assert_eq!((text(&found[0], "state"), text(&found[1], "state")), ("published", "waiting"));
    assert_eq!(text(&found[1]["ahead"], "event_type"), "order.created", "its key is customer-7: {}", found[1]);
    let of_customer = document(&world.bed, &["trace", "customer-7"]).await;
    assert!(of_customer["notes"][0].as_str().is_some_and(|note| note.contains("in the last hour")), "{of_customer}");
}

#[tokio::test]
async fn only_the_newest_events_are_shown_and_the_rest_is_counted() {
    let mut world = stage("trace_limit").await;
    world.commit("order-1", secret(&["order.created"; 12])).await;
    world.execute("UPDATE outbox.events SET published_at = clock_timestamp() WHERE seq <= 5").await;
    let document = document(&world.bed, &["trace", "order-1", "--limit", "9"]).await;
    assert_eq!(document["events"].as_array().map(Vec::len), Some(9));
    assert_eq!(document["events_not_shown"].as_i64(), Some(3), "{document}");
    let last = &document["events"][8];
    assert_eq!((last["seq"].as_i64(), last["ahead"]["events"].as_i64()), (Some(12), Some(6)), "{last}");
}

#[tokio::test]
async fn commands_name_the_schema_where_it_is_not_the_default_and_quote_the_key() {
    let world = without_exchange("trace_schema").await;
    let migrated = run(&world.bed, &["migrate", "--schema", "shop"]).await;
    assert_eq!(migrated.code, Some(0), "{}", migrated.stderr);
    world
        .execute(
            "INSERT INTO shop.events (aggregate_type, aggregate_id, event_type, payload) VALUES ('Order', 'o''brien & sons', 't', '{}');
             INSERT INTO shop.waits (key, lane, event_id, seq, reason, until)
             SELECT aggregate_id, lane, id, seq, 'retry', 'infinity' FROM shop.events",
        )
        .await;
    let document = document(&world.bed, &["trace", "--schema", "shop", "o'brien & sons"]).await;
    assert_eq!(commands(&document)[0], r"outbox-relay keys release --schema shop 'o'\''brien & sons'");
}
