//! Rows that the database itself cannot deliver or move, or that are larger than anybody expects: each hurts its own key and nobody else's.

use serde_json::Value;
use testkit::command::{document, run};
use testkit::patience::SOON;
use testkit::world::{ORDERS, orders};
use testkit::writer::{good, keys};
use testkit::{NewEvent, Relay, TestBed, World, eventually};
use uuid::Uuid;

const INSERT: &str = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)";

/// What `trace` says of an event.
async fn traced(world: &World, id: Uuid) -> Value {
    let document = document(&world.bed, &["trace", &id.to_string()]).await;
    let events = document["events"].as_array().expect("events are a list");
    events.iter().find(|event| event["event_id"] == id.to_string()).expect("the event is traced").clone()
}

/// What the key of an event waits for.
async fn waits_for(world: &World, id: Uuid) -> (String, String) {
    let client = world.bed.client().await;
    let row = client.query_one("SELECT reason, error FROM outbox.waits WHERE event_id = $1", &[&id]).await;
    let row = row.expect("the key waits");
    (row.get(0), row.get(1))
}

/// Deletes what is stored outside of the rows, as a damaged disk might: every large value of the events can be read no more.
async fn damage_large_values(world: &World) {
    let client = world.bed.client().await;
    let table = "SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'outbox.events'::regclass";
    let table: String = client.query_one(table, &[]).await.expect("it has a TOAST table").get(0);
    let kind = |kind| format!("UPDATE pg_class SET relkind = '{kind}' WHERE oid = '{table}'::regclass");
    // PostgreSQL lets nobody write to it while it is one, and reads from it what is deleted until that is gone.
    let vacuum = "VACUUM outbox.events";
    for sql in ["SET allow_system_table_mods = on", &kind('r'), &format!("DELETE FROM {table}"), &kind('t'), vacuum] {
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

fn large(bytes: usize) -> String {
    format!("{{\"text\": \"{}\"}}", "x".repeat(bytes))
}

/// A key without UTF-8 can be named as well as any other: by what `keys list` shows.
#[tokio::test]
async fn bytes_that_are_no_text_park_their_key_and_everything_else_leaves() {
    for (encoding, byte, words) in [("SQL_ASCII", 252, "0xfc"), ("WIN1252", 129, "0x81")] {
        let mut world = World::with(TestBed::encoded("bad_bytes", encoding).await, [orders()]).await;
        let _consumer = world.consume(ORDERS);
        world.commit_each(&keys("before", 20), |key| good(key, 5)).await;
        let of_payload =
            format!("{INSERT} VALUES ('Order', 'bad', 'order.paid', ('\"' || chr({byte}) || '\"')::json) RETURNING id");
        let of_key = format!("{INSERT} VALUES ('Order', 'bad' || chr({byte}), 'order.paid', '{{}}') RETURNING id");
        let (in_payload, in_key): (Uuid, Uuid) = (world.value(&of_payload).await, world.value(&of_key).await);
        world.commit("bad", good("bad", 3)).await;
        world.commit_each(&keys("after", 20), |key| good(key, 5)).await;
        let mut relay = Relay::start(&world.bed, &[]).await;
        world.arrived(SOON, 2 * 100).await;
        eventually(SOON, "both keys wait", async || world.waits("unreadable").await == 2).await;
        assert_eq!(relay.metric_where("outbox_failures_total", r#"reason="unreadable""#).await, 2.0);
        assert_eq!(world.bed.pending().await, 2 + 3, "and the successors of the one");
        for id in [in_payload, in_key] {
            let (_, error) = waits_for(&world, id).await;
            assert!(error.contains(words) && relay.log().contains(&id.to_string()), "{error}\n{}", relay.log());
            let traced = traced(&world, id).await;
            assert_eq!(traced["state"], "unreadable", "{traced}");
        }
        let listed = document(&world.bed, &["keys", "list", "--reason", "unreadable"]).await;
        let listed: Vec<&str> =
            listed["keys"].as_array().expect("a list").iter().filter_map(|key| key["key"].as_str()).collect();
        let shown = format!("bad\\{byte:o}");
        assert_eq!(listed, ["bad", &shown], "{encoding}");
        // Out of the way: one to the dead letters, one deleted and released.
        run(&world.bed, &["keys", "dead-letter", &shown, "--yes"]).await.with_code(0);
        run(&world.bed, &["dlq", "list"]).await.with_code(0).saying(&shown);
        run(&world.bed, &["dlq", "show", &in_key.to_string()]).await.with_code(0).saying(&shown);
        world.execute(&format!("DELETE FROM outbox.events WHERE id = '{in_payload}'")).await;
        run(&world.bed, &["keys", "release", "bad"]).await.with_code(0);
        world.arrived(SOON, 2 * 100 + 3).await;
        world.execute("DELETE FROM outbox.dead_letters").await;
        world.finish(&mut relay).await.assert_clean(0);
    }
}

#[tokio::test]
async fn a_damaged_value_parks_its_key_until_somebody_repairs_it() {
    let mut world = World::new("bad_toast", [orders()]).await;
    let _consumer = world.consume(ORDERS);
    world.commit_each(&keys("before", 20), |key| good(key, 5)).await;
    let mut damaged = Vec::new();
    // The second is so large that the claim reads it apart.
    for bytes in [8_000, 400_000] {
        let event = NewEvent::new("order.created", &large(bytes));
        let ids = world.commit(&format!("large-{bytes}"), [vec![event], good("", 2)].concat()).await;
        damaged.push((ids[0], large(bytes)));
    }
    damage_large_values(&world).await;
    world.commit_each(&keys("after", 20), |key| good(key, 5)).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.arrived(SOON, 2 * 100).await;
    eventually(SOON, "both keys wait", async || world.waits("unreadable").await == 2).await;
    assert_eq!(world.bed.pending().await, 2 * 3);
    for (id, payload) in &damaged {
        let (_, error) = waits_for(&world, *id).await;
        assert!(error.contains("missing chunk number 0"), "{error}");
        let traced = traced(&world, *id).await;
        assert_eq!(traced["state"], "unreadable", "{traced}");
        assert!(traced["next"][0]["to"].as_str().expect("words").contains("UPDATE outbox.events"), "{traced}");
        let update = "UPDATE outbox.events SET payload = $2::text::json WHERE id = $1";
        assert_eq!(world.client.execute(update, &[id, payload]).await.expect("the row is repaired"), 1);
        let key = traced["key"].as_str().expect("a key").to_owned();
        run(&world.bed, &["keys", "release", &key]).await.with_code(0);
    }
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (2 * 100 + 2 * 3, 0));
}

/// The relay does not read what is too large for it, so it learns of the damage only when it moves the event.
#[tokio::test]
async fn a_dead_letter_that_cannot_be_moved_parks_its_key_and_its_batch_goes_on() {
    let mut world = World::new("bad_move", [orders()]).await;
    let _consumer = world.consume(ORDERS);
    let event = NewEvent::new("order.created", &large(8_000)).dead_letter("PAYLOAD_TOO_LARGE");
    let ids = world.commit("large", [vec![event], good("", 2)].concat()).await;
    damage_large_values(&world).await;
    world.commit_each(&keys("good", 20), |key| good(key, 5)).await;
    let mut relay = Relay::start(&world.bed, &["--max-message-size", "4KiB"]).await;
    world.arrived(SOON, 100).await;
    eventually(SOON, "its key waits", async || world.waits("dead_letter_failed").await == 1).await;
    eventually(SOON, "the others are marked", async || world.bed.pending().await == 3).await;
    let (_, error) = waits_for(&world, ids[0]).await;
    assert!(error.contains("PAYLOAD_TOO_LARGE") && error.contains("missing chunk number 0"), "{error}");
    assert_eq!(relay.metric_where("outbox_failures_total", r#"reason="dead_letter_failed""#).await, 1.0);
    assert_eq!(relay.metric_where("outbox_dead_lettered_total", "").await, 0.0);
    let traced = traced(&world, ids[0]).await;
    assert_eq!(traced["state"], "dead_letter_failed", "{traced}");
    run(&world.bed, &["keys", "dead-letter", "large", "--yes"]).await.with_code(1).saying("missing chunk");
    let update = "UPDATE outbox.events SET payload = $2::text::json WHERE id = $1";
    assert_eq!(world.client.execute(update, &[&ids[0], &large(8_000)]).await.expect("the row is repaired"), 1);
    run(&world.bed, &["keys", "release", "large"]).await.with_code(0);
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (100 + 2, 1));
}

/// As a table of version 1 may hold them: 185 MB of control characters, which no JSON text can be made of.
#[tokio::test]
async fn a_row_of_185_megabytes_becomes_a_dead_letter_while_its_neighbours_leave() {
    let mut world = World::new("bad_bomb", [orders()]).await;
    let _consumer = world.consume(ORDERS);
    world.commit_each(&keys("before", 20), |key| good(key, 5)).await;
    let ids = world
        .commit("bomb", [vec![NewEvent::new("order.paid", "{}").dead_letter("INVALID_EVENT")], good("", 2)].concat())
        .await;
    let constraint = "correlation_id_has_at_most_1024_bytes";
    let (drop, bomb) = (
        format!("ALTER TABLE outbox.events DROP CONSTRAINT {constraint}"),
        format!("UPDATE outbox.events SET correlation_id = repeat(chr(1), 185000000) WHERE id = '{}'", ids[0]),
    );
    let add = format!(
        "ALTER TABLE outbox.events ADD CONSTRAINT {constraint} CHECK (octet_length(correlation_id) <= 1024) NOT VALID"
    );
    for sql in [drop, bomb, add] {
        world.execute(&sql).await;
    }
    world.commit_each(&keys("after", 20), |key| good(key, 5)).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.arrived(SOON, 2 * 100 + 2).await;
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (2 * 100 + 2, 1));
    let stored: i64 = world.value("SELECT pg_total_relation_size('outbox.dead_letters')").await;
    assert!(stored < 8 << 20, "the dead letter takes {stored} bytes");
    run(&world.bed, &["dlq", "show", &ids[0].to_string()]).await.with_code(0).saying("INVALID_EVENT");
    let replayed = run(&world.bed, &["dlq", "replay", "--id", &ids[0].to_string(), "--yes"]).await;
    assert!(replayed.stdout.contains("larger than the events table takes"), "{} {}", replayed.stdout, replayed.stderr);
}

/// A writer's clock may be anywhere.
#[tokio::test]
async fn a_time_before_all_clocks_neither_stops_the_gauges_nor_spoils_a_sum() {
    let mut world = World::new("bad_clock", [orders()]).await;
    let _consumer = world.consume(ORDERS);
    let waiting = world.commit("waiting", vec![NewEvent::new("order.paid", "{}").dead_letter("INVALID_EVENT")]).await;
    let first = world.commit("first", good("first", 1)).await;
    for (id, time) in [(waiting[0], "-infinity"), (first[0], "0001-01-01T00:00:00Z")] {
        let update = "UPDATE outbox.events SET created_at = $2::text::timestamptz WHERE id = $1";
        assert_eq!(world.client.execute(update, &[&id, &time]).await.expect("the time is set"), 1);
    }
    let wait = "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
                SELECT aggregate_id, lane, id, seq, 'no_route', 'infinity' FROM outbox.events WHERE aggregate_id = 'waiting'";
    world.execute(wait).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.arrived(SOON, 1).await;
    let computed = async || relay.metric("outbox_stats_last_success_timestamp_seconds").await > 0.0;
    eventually(SOON, "the gauges are computed", computed).await;
    let counted = async || relay.metric("outbox_pending_events").await == 1.0;
    eventually(SOON, "only the event that waits is pending", counted).await;
    assert!(relay.metric("outbox_oldest_pending_age_seconds").await < 3_600.0);
    let lag = relay.metric("outbox_delivery_lag_seconds_sum").await;
    assert!((1.0..=86_400.0).contains(&lag), "{lag}");
    run(&world.bed, &["keys", "release", "waiting"]).await.with_code(0);
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (1, 1));
}

/// A trigger of somebody's divides by zero on one event, after it was sent.
#[tokio::test]
async fn an_event_that_cannot_be_marked_parks_its_key_and_the_others_are_marked() {
    let mut world = World::new("bad_mark", [orders()]).await;
    let _consumer = world.consume(ORDERS);
    let trigger = "CREATE FUNCTION choke() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM 1 / (CASE WHEN NEW.aggregate_id = 'bad' THEN 0 ELSE 1 END); RETURN NEW; END $$;
        CREATE TRIGGER choke BEFORE UPDATE ON outbox.events FOR EACH ROW EXECUTE FUNCTION choke()";
    world.execute(trigger).await;
    let bad = world.commit("bad", good("bad", 3)).await;
    world.commit_each(&keys("good", 20), |key| good(key, 5)).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.arrived(SOON, 1 + 100).await;
    eventually(SOON, "the others are marked", async || world.bed.pending().await == 3).await;
    let (reason, error) = waits_for(&world, bad[0]).await;
    assert_eq!(reason, "unreadable");
    assert!(error.contains("cannot be marked published") && error.contains("division by zero"), "{error}");
    world.execute("DROP TRIGGER choke ON outbox.events").await;
    run(&world.bed, &["keys", "release", "bad"]).await.with_code(0);
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(100);
    assert_eq!((verdict.delivered, verdict.dead_lettered), (3 + 100, 0));
}
