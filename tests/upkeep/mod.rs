//! The slow path: retention, floors, gauges, and backends that hang.

mod retention;

use std::time::Duration;

use futures_util::SinkExt;
use outbox_relay::postgres::queries::Queries;
use outbox_relay::upkeep::COMMANDS;
use testkit::bed::TestBed;
use testkit::consumer::Consumer;
use testkit::history::History;
use testkit::relay::Relay;
use testkit::topology::{Queue, QueueKind, Topology};
use testkit::wait::eventually;
use testkit::writer::Writer;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

const PATIENCE: Duration = Duration::from_secs(60);

async fn with_outbox(name: &str) -> (TestBed, Client) {
    let bed = TestBed::new(name).await;
    bed.migrate().await;
    bed.declare_topology(&Topology::order_events([Queue::new("orders", QueueKind::Classic)])).await;
    let client = bed.client().await;
    (bed, client)
}

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn floors_follow_what_is_published_and_stay_below_a_transaction_that_is_still_open() {
    let (bed, mut client) = with_outbox("floors").await;
    let history = History::default();
    let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let relay = Relay::start(&bed, &[]).await;
    let mut writing = bed.client().await;
    let open = writing.transaction().await.expect("a transaction");
    let row = open
        .query_one(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
             VALUES ('Order', 'open', 'order.created', '{}') RETURNING seq, lane",
            &[],
        )
        .await
        .expect("a row that stays uncommitted");
    let (seq, lane): (i64, i16) = (row.get(0), row.get(1));
    let writer = Writer::new(&history);
    for key in 0..200 {
        writer.commit(&mut client, &format!("order-{key}"), 2).await;
    }
    bed.quiet(&history, PATIENCE).await;
    // The floors were looked at, and had to stay: the open transaction may hold any seq.
    let quiet_at: String = client.query_one("SELECT clock_timestamp()::text", &[]).await.expect("the time").get(0);
    let looked = format!(
        "SELECT count(*) FROM outbox.upkeep WHERE job = 'floors' AND last_run_at > '{quiet_at}'::timestamptz + interval '5 seconds'"
    );
    eventually(PATIENCE, "the floors were looked at", async || number(&client, &looked).await == 1).await;
    let above = format!("SELECT count(*) FROM outbox.lanes WHERE floor > {seq}");
    assert_eq!(number(&client, &above).await, 0, "a floor passed an open transaction's row");
    open.rollback().await.expect("ends");
    let caught_up = format!("SELECT count(*) FROM outbox.lanes WHERE floor > {seq} AND lane <> {lane}");
    eventually(PATIENCE, "the floors catch up", async || number(&client, &caught_up).await == 63).await;
    assert_eq!(relay.metric("outbox_late_rows_total").await, 0.0);
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floors_wait_for_no_transaction_that_has_written_no_event() {
    let (bed, mut client) = with_outbox("floors_beside").await;
    let history = History::default();
    let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let relay = Relay::start(&bed, &[]).await;
    let mut reporting = bed.client().await;
    let report = reporting.transaction().await.expect("a transaction");
    report
        .batch_execute("CREATE TABLE report (line int); INSERT INTO report SELECT count(*) FROM outbox.events")
        .await
        .expect("a long job that writes, and has read events");
    let writer = Writer::new(&history);
    for key in 0..200 {
        writer.commit(&mut client, &format!("order-{key}"), 2).await;
    }
    bed.quiet(&history, PATIENCE).await;
    let caught_up = "SELECT count(*) FROM outbox.lanes WHERE floor > 400";
    eventually(PATIENCE, "the floors catch up", async || number(&client, caught_up).await == 64).await;
    report.commit().await.expect("the report is done");
    assert_eq!(relay.metric("outbox_late_rows_total").await, 0.0);
    consumer.stop().await;
}

/// A COPY takes seqs for rows that it keeps back, before its transaction has an id.
#[tokio::test(flavor = "multi_thread")]
async fn a_floor_does_not_pass_the_rows_of_a_copy_that_goes_on() {
    let (bed, mut client) = with_outbox("floors_of_copy").await;
    let history = History::default();
    let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let relay = Relay::start(&bed, &[]).await;
    let copying = bed.client().await;
    let copy = "COPY outbox.events (aggregate_type, aggregate_id, event_type, payload) FROM STDIN";
    let sink = copying.copy_in::<_, &[u8]>(copy).await.expect("a copy");
    let mut sink = std::pin::pin!(sink);
    sink.send(b"Order\tcopied\torder.created\t{}\n".as_slice()).await.expect("a row");
    sink.flush().await.expect("sent");
    let taken = "SELECT last_value FROM outbox.events_seq_seq WHERE is_called";
    eventually(PATIENCE, "the copy has its seq", async || {
        number(&client, &format!("SELECT count(*) FROM ({taken}) t")).await == 1
    })
    .await;
    let copied = number(&client, taken).await;
    let writer = Writer::new(&history);
    for key in 0..200 {
        writer.commit(&mut client, &format!("order-{key}"), 2).await;
    }
    bed.quiet(&history, PATIENCE).await;
    let now: String = client.query_one("SELECT clock_timestamp()::text", &[]).await.expect("the time").get(0);
    let looked = format!(
        "SELECT count(*) FROM outbox.upkeep WHERE job = 'floors' AND last_run_at > '{now}'::timestamptz + interval '5 seconds'"
    );
    eventually(PATIENCE, "the floors were looked at", async || number(&client, &looked).await == 1).await;
    let above = format!("SELECT count(*) FROM outbox.lanes WHERE floor > {copied}");
    assert_eq!(number(&client, &above).await, 0, "a floor passed a row of the copy");
    sink.finish().await.expect("the copy ends");
    let pending = "SELECT count(*) FROM outbox.events WHERE published_at IS NULL";
    eventually(PATIENCE, "the copied row leaves", async || number(&client, pending).await == 0).await;
    assert_eq!(relay.metric("outbox_late_rows_total").await, 0.0);
    consumer.stop().await;
}

/// Two transactions wrote one key side by side: the later event came first, waits, and the earlier one was committed after it. The end of
/// the wait brings the floor down to the later one only.
#[tokio::test(flavor = "multi_thread")]
async fn a_floor_does_not_pass_an_event_whose_key_waits_for_a_later_one() {
    let (bed, client) = with_outbox("floors_of_waits").await;
    client
        .batch_execute(
            "INSERT INTO outbox.events (seq, aggregate_type, aggregate_id, event_type, payload) OVERRIDING SYSTEM VALUE
             VALUES (900, 'Order', 'waits', 'order.created', '{}'), (990, 'Order', 'waits', 'order.paid', '{}');
             INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
             SELECT aggregate_id, lane, id, seq, 'after_dead_letter', 'infinity' FROM outbox.events WHERE seq = 990;
             SELECT setval('outbox.events_seq_seq', 1000)",
        )
        .await
        .expect("a key that waits");
    let _relay = Relay::start(&bed, &[]).await;
    let elsewhere = "SELECT count(*) FROM outbox.lanes WHERE floor > 990";
    eventually(PATIENCE, "the floors of the other lanes move on", async || number(&client, elsewhere).await >= 63)
        .await;
    let now: String = client.query_one("SELECT clock_timestamp()::text", &[]).await.expect("the time").get(0);
    let looked = format!(
        "SELECT count(*) FROM outbox.upkeep WHERE job = 'floors' AND last_run_at > '{now}'::timestamptz + interval '5 seconds'"
    );
    eventually(PATIENCE, "the floors were looked at once more", async || number(&client, &looked).await == 1).await;
    let behind = number(&client, "SELECT count(*) FROM outbox.lanes WHERE floor <= 900").await;
    assert_eq!(behind, 1, "a floor passed an event that nothing would bring back");
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_about_the_whole_database_come_from_one_replica() {
    let (bed, mut client) = with_outbox("gauges").await;
    client
        .execute(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, created_at)
             VALUES ('Order', 'nobody-listens', 'unbound.type', '{}', clock_timestamp() - interval '100 seconds')",
            &[],
        )
        .await
        .expect("a row");
    Writer::new(&History::default()).commit(&mut client, "order-1", 3).await;
    let relays = [Relay::start(&bed, &[]).await, Relay::start(&bed, &[]).await];
    let exporting = async || {
        let mut count = 0;
        for relay in &relays {
            count +=
                usize::from(relay.get("/metrics").await.body.contains("outbox_stats_last_success_timestamp_seconds"));
        }
        count
    };
    eventually(PATIENCE, "one replica exports the gauges", async || exporting().await == 1).await;
}

/// The cap's share in each of the 64 lanes is 10 of 640, and 2 of 128.
#[tokio::test(flavor = "multi_thread")]
async fn pending_events_are_counted_up_to_the_cap_however_they_lie_in_the_lanes() {
    let (_bed, client) = with_outbox("counted").await;
    let sql = Queries::new("outbox").count_backlog.clone();
    let pending = async |cap: i64| -> i64 {
        client.query_one(&sql, &[&cap]).await.expect("the gauges are counted").get("pending")
    };
    let insert = async |key: &str, events: i64| {
        let sql = format!(
            "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
             SELECT 'Order', {key}, 'order.created', '{{}}' FROM generate_series(1, {events}) g"
        );
        client.batch_execute(&sql).await.expect("events");
    };
    assert_eq!(pending(640).await, 0);
    insert("'one'", 300).await;
    assert_eq!((pending(640).await, pending(128).await), (300, 128), "all in one lane");
    insert("'key-' || g", 200).await;
    assert_eq!((pending(640).await, pending(128).await), (500, 128), "most in one lane, some in all");
    insert("'other-' || g", 10_000).await;
    assert_eq!((pending(640).await, pending(100_000).await), (640, 10_500), "many in all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_of_a_relay_that_hangs_in_a_transaction_is_ended_and_no_other() {
    let (bed, client) = with_outbox("backends").await;
    let named = async |name: &str| {
        let client = bed.client().await;
        client
            .batch_execute(&format!("SET application_name = '{name}'; BEGIN; SELECT 1"))
            .await
            .expect("a transaction");
        client
    };
    let (hanging, migrating, other) =
        (named("outbox-relay/0/x").await, named("outbox-relay/0/migrate").await, named("shop").await);
    let sql = Queries::new("outbox").end_hanging_backends.clone();
    let ended = async |seconds: i64| {
        let params: [&(dyn ToSql + Sync); 3] = [&"outbox-relay/", &seconds, &COMMANDS.as_slice()];
        client.query(&sql, &params).await.expect("the query runs").len()
    };
    assert_eq!(ended(60).await, 0, "none is that old");
    eventually(PATIENCE, "the hanging backend is ended", async || ended(1).await == 1).await;
    eventually(PATIENCE, "its connection is closed", async || hanging.is_closed()).await;
    assert!(!migrating.is_closed() && !other.is_closed());
}
