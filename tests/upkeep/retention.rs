//! Retention: what it deletes, and what it reads to find that.

use outbox_relay::link::queries::Queries;
use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::relay::Relay;
use crate::support::wait::eventually;
use crate::{PATIENCE, number, with_outbox};

/// More old events than one turn of the job may delete.
#[tokio::test(flavor = "multi_thread")]
async fn published_events_are_deleted_after_their_time_and_nothing_else_is() {
    let (bed, client) = with_outbox("retention").await;
    client
        .batch_execute(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
             SELECT 'Order', 'old-' || g, 'order.created', '{}', clock_timestamp() - interval '8 days' FROM generate_series(1, 25000) g;
             INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
             SELECT 'Order', 'new-' || g, 'order.created', '{}', clock_timestamp() - interval '6 days' FROM generate_series(1, 10) g;
             INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, created_at)
             VALUES ('Order', 'waiting', 'order.created', '{}', clock_timestamp() - interval '30 days');
             INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
             SELECT aggregate_id, lane, id, seq, 'after_dead_letter', 'infinity' FROM outbox.events WHERE aggregate_id = 'waiting'",
        )
        .await
        .expect("rows of all ages");
    let _relay = Relay::start(&bed, &["--retention", "7d"]).await;
    eventually(PATIENCE, "the old events are gone", async || {
        number(&client, "SELECT count(*) FROM outbox.events WHERE aggregate_id LIKE 'old-%'").await == 0
    })
    .await;
    assert_eq!(number(&client, "SELECT count(*) FROM outbox.events WHERE aggregate_id LIKE 'new-%'").await, 10);
    assert_eq!(number(&client, "SELECT count(*) FROM outbox.events WHERE published_at IS NULL").await, 1);
}

async fn plan(client: &Client, explain: &str) -> Value {
    let answer = client.simple_query(explain).await.expect("a plan");
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    serde_json::from_str(row.expect("one row")).expect("a plan is JSON")
}

/// Beside a table of which no index entry is old, it once read every row, each half minute.
#[tokio::test(flavor = "multi_thread")]
async fn retention_reads_what_it_deletes_however_large_the_table_is() {
    const OLD: i64 = 10;
    /// Of the 10: index, row, primary key, each read and changed; the table alone has 3,000.
    const BUFFERS_MAX: i64 = 300;
    let (_bed, mut client) = with_outbox("retention_reads").await;
    client
        .batch_execute(
            "ALTER TABLE outbox.events SET (autovacuum_enabled = off);
             INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
             SELECT 'Order', 'pending-' || g, 'order.created', '{}' FROM generate_series(1, 40000) g;
             INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
             SELECT 'Order', 'new-' || g, 'order.created', '{}', clock_timestamp() - interval '6 days' FROM generate_series(1, 40000) g;
             INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
             SELECT 'Order', 'old-' || g, 'order.created', '{}', clock_timestamp() - interval '8 days' FROM generate_series(1, 10) g",
        )
        .await
        .expect("rows of all ages");
    let purge = format!("PREPARE purge (bigint, bigint, text) AS {}", Queries::new("outbox").purge_published);
    client.batch_execute(&purge).await.expect("the statement is prepared");
    for statistics in ["SELECT", "ANALYZE outbox.events"] {
        client.batch_execute(statistics).await.expect("statistics, or none");
        let reading = client.transaction().await.expect("a transaction");
        let explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE purge (604800, 2000, NULL)";
        let plan: Value = plan(reading.client(), explain).await;
        let deleted =
            number(reading.client(), "SELECT 10 - count(*) FROM outbox.events WHERE aggregate_id LIKE 'old-%'").await;
        reading.rollback().await.expect("nothing is deleted");
        let top = &plan[0]["Plan"];
        let buffers = |kind: &str| top[kind].as_i64().expect("a count of buffers");
        let read = buffers("Shared Hit Blocks") + buffers("Shared Read Blocks");
        assert!(deleted == OLD && read < BUFFERS_MAX, "{statistics}: {deleted} deleted, {read} buffers\n{plan:#}");
    }
}
