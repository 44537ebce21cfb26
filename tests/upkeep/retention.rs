//! Retention: what it deletes, and what it reads to find that.

use outbox_relay::postgres::queries::Queries;
use serde_json::Value;
use testkit::patience::SOON;
use testkit::{Relay, eventually};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::upkeep::{number, world};

#[tokio::test(flavor = "multi_thread")]
async fn published_events_are_deleted_after_their_time_and_nothing_else_is() {
    let world = world("retention").await;
    world.client
        .batch_execute(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
             SELECT 'Order', 'old-' || g, 'order.created', '{}', clock_timestamp() - interval '8 days' FROM generate_series(1, 5000) g;
             INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
             SELECT 'Order', 'new-' || g, 'order.created', '{}', clock_timestamp() - interval '6 days' FROM generate_series(1, 10) g;
             INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, created_at)
             VALUES ('Order', 'waiting', 'order.created', '{}', clock_timestamp() - interval '30 days');
             INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
             SELECT aggregate_id, lane, id, seq, 'after_dead_letter', 'infinity' FROM outbox.events WHERE aggregate_id = 'waiting'",
        )
        .await
        .expect("rows of all ages");
    let _relay = Relay::start(&world.bed, &["--retention", "7d"]).await;
    eventually(SOON, "the old events are gone", async || {
        number(&world.client, "SELECT count(*) FROM outbox.events WHERE aggregate_id LIKE 'old-%'").await == 0
    })
    .await;
    assert_eq!(number(&world.client, "SELECT count(*) FROM outbox.events WHERE aggregate_id LIKE 'new-%'").await, 10);
    assert_eq!(number(&world.client, "SELECT count(*) FROM outbox.events WHERE published_at IS NULL").await, 1);
}

async fn insert(client: &Client, key: &str, events: i64, published_at: &str) {
    let sql = format!(
        "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
         SELECT 'Order', '{key}-' || g, 'order.created', '{{}}', {published_at} FROM generate_series(1, {events}) g"
    );
    client.batch_execute(&sql).await.expect("events");
}

async fn plan(client: &Client, explain: &str) -> Value {
    let answer = client.simple_query(explain).await.expect("a plan");
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    serde_json::from_str(row.expect("one row")).expect("a plan is JSON")
}

/// It once read the whole table each half minute, even with nothing to delete; with more old events than a chunk has, it may not read all
/// of those either.
#[tokio::test(flavor = "multi_thread")]
async fn retention_reads_what_it_deletes_however_large_the_table_is() {
    /// Of ten events: index, row and primary key, each read and changed; the table alone has 2,000.
    const BUFFERS_MAX: i64 = 300;
    let mut world = world("retention_reads").await;
    world
        .client
        .batch_execute("ALTER TABLE outbox.events SET (autovacuum_enabled = off)")
        .await
        .expect("no statistics");
    insert(&world.client, "pending", 40_000, "NULL").await;
    insert(&world.client, "new", 40_000, "statement_timestamp() - interval '6 days'").await;
    insert(&world.client, "old", 10, "statement_timestamp() - interval '8 days'").await;
    let purge = format!("PREPARE purge (bigint, bigint, text) AS {}", Queries::new("outbox").purge_published);
    world.client.batch_execute(&purge).await.expect("the statement is prepared");
    let many = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
        SELECT 'Order', 'older-' || g, 'order.created', '{}', clock_timestamp() - interval '9 days' FROM generate_series(1, 20000) g";
    for (state, limit) in
        [("SELECT", 2_000), ("ANALYZE outbox.events", 2_000), (many, 10), ("ANALYZE outbox.events", 10)]
    {
        world.client.batch_execute(state).await.expect("another state");
        let reading = world.client.transaction().await.expect("a transaction");
        reading.batch_execute(&Queries::new("outbox").plan_claim).await.expect("planned as for a claim");
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE purge (604800, {limit}, NULL)");
        let before = number(reading.client(), "SELECT count(*) FROM outbox.events").await;
        let plan = plan(reading.client(), &explain).await;
        let deleted = before - number(reading.client(), "SELECT count(*) FROM outbox.events").await;
        reading.rollback().await.expect("nothing is deleted");
        let top = &plan[0]["Plan"];
        let buffers = |kind: &str| top[kind].as_i64().expect("a count of buffers");
        let read = buffers("Shared Hit Blocks") + buffers("Shared Read Blocks");
        assert!(deleted == 10 && read < BUFFERS_MAX, "{state}: {deleted} deleted, {read} buffers\n{plan:#}");
    }
}

/// All events of a batch have one time, and a chunk may end among them.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_of_retention_goes_on_where_the_last_one_ended() {
    let world = world("retention_chunks").await;
    insert(&world.client, "older", 5, "statement_timestamp() - interval '9 days'").await;
    insert(&world.client, "old", 20, "statement_timestamp() - interval '8 days'").await;
    insert(&world.client, "new", 5, "statement_timestamp()").await;
    world
        .client
        .batch_execute("SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'")
        .await
        .expect("times that read badly");
    let (sql, mut after) = (Queries::new("outbox").purge_published.clone(), None::<String>);
    for expected in [10_i64, 10, 5, 0] {
        let row = world.client.query_one(&sql, &[&604_800_i64, &10_i64, &after]).await.expect("a chunk");
        assert_eq!((row.get("found"), row.get("deleted")), (expected, expected), "after {after:?}");
        after = row.get::<_, Option<String>>("up_to").or(after);
    }
    assert_eq!(number(&world.client, "SELECT count(*) FROM outbox.events").await, 5);
    insert(&world.client, "oldest", 1, "statement_timestamp() - interval '10 days'").await;
    let beyond = world.client.query_one(&sql, &[&604_800_i64, &10_i64, &after]).await.expect("a chunk");
    assert_eq!(beyond.get::<_, i64>("found"), 0, "it looks only from {after:?} on");
}
