//! P7, cheap for the producer: one INSERT is all, and claims stay cheap beside a million published rows.

use serde_json::Value;
use testkit::patience::SOON;
use testkit::queue::take;
use testkit::world::{ask, orders};
use testkit::{Committed, Fate, Relay, World, body_hash, eventually};
use tokio_postgres::Client;
use uuid::Uuid;

use outbox_relay::postgres::queries::Queries;

/// A million published rows that neither vacuum nor analyze has seen, and a few pending ones in the middle of them.
const MILLION: &str = "
    ALTER TABLE outbox.events SET (autovacuum_enabled = off);
    INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
        SELECT 'Order', 'old-' || n % 50000, 'order.created', '{}', now() FROM generate_series(1, 500000) n;
    INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload)
        SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Order', 'new-' || n, 'order.created', '{}'
        FROM generate_series(1, 20) n;
    INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
        SELECT 'Order', 'old-' || n % 50000, 'order.created', '{}', now() FROM generate_series(1, 500000) n;";

/// Every node of a plan.
fn nodes<'a>(plan: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(plan);
    for child in plan["Plans"].as_array().into_iter().flatten() {
        nodes(child, found);
    }
}

/// What a claim of events takes.
const TYPES: &str = "smallint[], bigint, bigint";

/// The plan of a prepared query must reach the pending rows through their index, one after the other.
async fn assert_cheap_plan(client: &Client, name: &str, types: &str, query: &str, arguments: &str, modes: &[&str]) {
    client.batch_execute(&format!("PREPARE {name} ({types}) AS {query}")).await.expect("the query is prepared");
    for mode in modes {
        client.batch_execute(&format!("SET plan_cache_mode = {mode}")).await.expect("a plan mode");
        let plan: Value = {
            let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE {name} ({arguments})");
            let text = client.simple_query(&explain).await.expect("a plan");
            let row = text.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            });
            serde_json::from_str(row.expect("one row")).expect("a plan is JSON")
        };
        let mut found = Vec::new();
        nodes(&plan[0]["Plan"], &mut found);
        let of_events: Vec<_> = found.iter().filter(|node| node["Relation Name"] == "events").collect();
        let scans: Vec<_> = of_events.iter().map(|node| (&node["Node Type"], &node["Index Name"])).collect();
        assert!(scans.iter().any(|(_, index)| *index == "events_pending"), "{name}, {mode}: {scans:?}\n{plan:#}");
        let is_cheap = |(_, index): &(&Value, &Value)| **index == "events_pending" || **index == "events_pkey";
        assert!(scans.iter().all(is_cheap), "{name}, {mode}: {scans:?}\n{plan:#}");
    }
}

#[tokio::test]
async fn claims_use_the_pending_index_beside_a_million_published_rows_without_statistics() {
    let world = World::new("p7_plan", [orders()]).await;
    let client = world.bed.client().await;
    client.batch_execute(MILLION).await.expect("a million rows");
    let queries = Queries::new("outbox");
    let modes = ["force_custom_plan", "force_generic_plan"];
    assert_cheap_plan(&client, "has_work", "integer", &queries.has_work, "0", &modes).await;
    assert_cheap_plan(&client, "claim_lanes", "bigint, bigint", &queries.claim_lanes, "16, 0", &modes).await;
    let arguments = "'{0,7,21,63}', 125, 8192";
    assert_cheap_plan(&client, "claim_events", TYPES, &queries.claim_events, arguments, &modes).await;
    // -1, and 0 before PostgreSQL 14.
    let is_unknown: bool =
        ask(&client, "SELECT reltuples <= 0 FROM pg_class WHERE oid = 'outbox.events'::regclass", &[]).await;
    assert!(is_unknown, "the table has never been analyzed");
    let _consumer = world.consume("orders");
    let _relay = Relay::start(&world.bed, &[]).await;
    world.arrived(SOON, 20).await;
    eventually(SOON, "the pending rows are marked", async || world.bed.pending().await == 0).await;
}

/// With statistics of a long backlog the planner once read and sorted all of it for each claim. Unnamed statements have custom plans.
#[tokio::test]
async fn claims_stop_at_their_limit_however_much_is_pending() {
    let world = World::new("p7_backlog_plan", [orders()]).await;
    let client = world.bed.client().await;
    let backlog = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
        SELECT 'Order', 'key-' || n % 5000, 'order.created', json_build_object('x', repeat('x', 500))
        FROM generate_series(1, 60000) n;
        ANALYZE outbox.events";
    client.batch_execute(backlog).await.expect("a backlog with statistics");
    let (queries, modes) = (Queries::new("outbox"), ["force_custom_plan"]);
    assert_cheap_plan(&client, "has_work", "integer", &queries.has_work, "0", &modes).await;
    assert_cheap_plan(&client, "claim_lanes", "bigint, bigint", &queries.claim_lanes, "16, 0", &modes).await;
    let moving = "'{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}', 60000, '1'";
    assert_cheap_plan(&client, "move_floors", "smallint[], bigint, text", &queries.move_floors, moving, &modes).await;
    let arguments = "'{0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15}', 32, 8192";
    assert_cheap_plan(&client, "claim_events", TYPES, &queries.claim_events, arguments, &modes).await;
}

/// Waits for the one message in the queue, and gives its body.
async fn the_message(world: &World) -> Vec<u8> {
    let channel = world.bed.channel().await;
    eventually(SOON, "the message is in the queue", async || take(&channel, "orders").await.map(|got| got.body)).await
}

/// So that what an INSERT and a mark touch lies together in the primary key.
#[tokio::test]
async fn ids_that_the_table_gives_are_random_and_ascend_with_time() {
    let world = World::new("p7_ids", [orders()]).await;
    let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
        VALUES ('Order', 'order-1', 'order.created', '{}') RETURNING id";
    let emit = "SELECT outbox.emit('Order', 'order-1', 'order.created', '{}')";
    let (first, second): (Uuid, Uuid) = (world.ask(insert, &[]).await, world.ask(emit, &[]).await);
    for id in [first, second] {
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122), "{id}");
        let (seconds, _) = id.get_timestamp().expect("a time").to_unix();
        let now: i64 = world.ask("SELECT extract(epoch FROM clock_timestamp())::bigint", &[]).await;
        assert!(now.abs_diff(i64::try_from(seconds).expect("a time of today")) < 60, "{id}: {seconds}, {now}");
    }
    let order = "WITH made AS MATERIALIZED (SELECT n, outbox.new_event_id()::text AS id FROM generate_series(1, 10000) n),
             times AS (SELECT left(id, 13) AS at, lag(left(id, 13), 1, '') OVER (ORDER BY n) AS before, id FROM made)
        SELECT ARRAY[count(*) FILTER (WHERE at < before), least(count(DISTINCT at), 2), count(DISTINCT right(id, 16))] FROM times";
    let order: Vec<i64> = world.ask(order, &[]).await;
    assert_eq!(order, [0, 2, 10_000], "steps back, milliseconds (two at least), ids whose last 60 bits differ");
}

#[tokio::test]
async fn an_insert_of_five_columns_is_relayed() {
    let world = World::new("p7_insert", [orders()]).await;
    let _relay = Relay::start(&world.bed, &[]).await;
    let insert = r#"INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, created_at)
        VALUES ('Order', 'order-1', 'order.created', '{"total":  23.400, "a": 1, "a": 2}', '2026-01-02 03:04:05.678Z')
        RETURNING id"#;
    let id: Uuid = world.ask(insert, &[]).await;
    let body = String::from_utf8(the_message(&world).await).expect("UTF-8");
    let expected = format!(
        "{{\"messageId\":\"msg-{id}\",\"messageType\":\"order.created\",\"messageVersion\":\"1.0\",\
         \"timestamp\":\"2026-01-02T03:04:05.678Z\",\"source\":\"order-service\",\"partitionKey\":\"order-1\",\
         \"payload\":{{\"total\":  23.400, \"a\": 1, \"a\": 2}}}}"
    );
    assert_eq!(body, expected);
    eventually(SOON, "the row is marked", async || world.bed.pending().await == 0).await;
}

#[tokio::test]
async fn emit_is_the_same_as_an_insert() {
    let world = World::new("p7_emit", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &[]).await;
    let short = "SELECT outbox.emit('Order', 'order-1', 'order.created', '{\"n\": 1}')";
    let long = "SELECT outbox.emit('Order', 'order-1', 'order.paid', '{\"n\": 2}', partition_key => 'customer-7',
        event_version => '2.1', headers => '{\"traceparent\": \"00-ab\"}', correlation_id => 'corr-1',
        created_at => '2026-01-02T03:04:05Z', id => '6f0ee0b6-74a5-4c3e-9d0f-0a3c5fd0a111')";
    for (query, key, payload) in [(short, "order-1", "{\"n\": 1}"), (long, "customer-7", "{\"n\": 2}")] {
        let id: Uuid = world.ask(query, &[]).await;
        let payload = body_hash(payload.as_bytes());
        world.history.commit([Committed {
            id,
            key: key.into(),
            ordinal: 0,
            payload,
            fate: Fate::Delivered,
            certain: true,
        }]);
    }
    let verdict = world.finish(&mut relay).await;
    verdict.assert_clean(0);
    assert_eq!(verdict.delivered, 2);
    let given: String = world
        .ask(
            "SELECT concat_ws('|', event_version, headers->>'traceparent', correlation_id, extract(epoch FROM created_at)::int)
             FROM outbox.events WHERE id = '6f0ee0b6-74a5-4c3e-9d0f-0a3c5fd0a111'",
            &[],
        )
        .await;
    assert_eq!(given, "2.1|00-ab|corr-1|1767323045");
}

#[tokio::test]
async fn the_outbox_table_has_no_trigger_unless_asked_for() {
    let world = World::new("p7_trigger", []).await;
    let triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'outbox.events'::regclass";
    assert_eq!(world.ask::<i64>(triggers, &[]).await, 0);
    let rules = "SELECT count(*) FROM pg_rewrite WHERE ev_class = 'outbox.events'::regclass";
    assert_eq!(world.ask::<i64>(rules, &[]).await, 0);
}

#[tokio::test]
async fn a_producer_waits_for_no_lock_of_a_busy_relay() {
    let world = World::new("p7_lock", [orders()]).await;
    let _consumer = world.consume("orders");
    let mut relay = Relay::start(&world.bed, &[]).await;
    let mut client = world.bed.client().await;
    // A wait of half a second for any lock fails the INSERT.
    client.batch_execute("SET lock_timeout = '500ms'").await.expect("a lock timeout");
    for round in 0..200 {
        world.writer.commit(&mut client, &format!("order-{}", round % 10), 10).await;
    }
    world.finish(&mut relay).await.assert_clean(0);
}
