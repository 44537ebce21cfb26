//! Rows as a hostile producer could write them, some hundreds, through real services: each is published or dead-lettered as the pure
//! stages say, and the process lives.

use outbox_relay::message::render;
use outbox_relay::outbox::outcome::Fate;
use outbox_relay::outbox::route::RouteTable;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use testkit::patience::SOON;
use testkit::{Queue, QueueKind, Relay, World, eventually};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::input::any::{self, AnyRow, claimed};

const ROWS: usize = 300;
/// `--max-message-size`, over everything that is generated.
const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// What must become of the row, by the stages alone: a dead letter's reason, or nothing.
fn expected(row: &AnyRow, id: Uuid) -> Option<&'static str> {
    let event = claimed(row, id, 1);
    let routes = RouteTable::single("order.events", "order-service");
    match render(&routes, &event, PAYLOAD_BYTES_MAX, OffsetDateTime::UNIX_EPOCH) {
        Ok(_) => None,
        Err(Fate::Invalid { .. }) => Some("INVALID_EVENT"),
        Err(other) => panic!("{other:?}"),
    }
}

const INSERT: &str = "
    INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, partition_key, event_version, payload, headers,
                               correlation_id, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::json, $8::text::json, $9, $10)";

#[tokio::test]
async fn any_row_is_published_or_dead_lettered_and_the_process_lives() {
    let everything = Queue::new("everything", QueueKind::Classic).bound_to(&["#"]);
    let world = World::new("any_row", [everything]).await;
    let client = world.bed.client().await;
    let (mut runner, strategy) = (TestRunner::deterministic(), any::row());
    let mut rows: Vec<(Uuid, AnyRow)> = Vec::new();
    for _ in 0..ROWS {
        let row = strategy.new_tree(&mut runner).expect("rows can be made").current();
        let id = Uuid::new_v4();
        let inserted = client
            .execute(
                INSERT,
                &[
                    &id,
                    &row.aggregate_type,
                    &row.aggregate_id,
                    &row.event_type,
                    &row.partition_key,
                    &row.event_version,
                    &row.payload,
                    &row.headers,
                    &row.correlation_id,
                    &row.created_at,
                ],
            )
            .await;
        // What PostgreSQL does not take is no row; the generator aims at what it does.
        if inserted.is_ok() {
            rows.push((id, row));
        }
    }
    assert!(rows.len() > ROWS * 9 / 10, "the database took only {} rows", rows.len());
    let mut relay = Relay::start(&world.bed, &[]).await;
    eventually(SOON, "nothing is pending", async || world.bed.pending().await == 0).await;
    assert_eq!(relay.get("/livez").await.status, 200, "the process is alive");
    assert!(relay.metric("outbox_worker_panics_total").await < 0.5, "no worker panicked\n{}", relay.log());
    let letters = world.bed.dead_letters().await;
    let mut refused = 0;
    for (id, row) in &rows {
        let (expected, found) = (expected(row, *id), letters.get(id).map(String::as_str));
        assert_eq!(found, expected, "{row:?}");
        refused += usize::from(expected.is_some());
    }
    println!("{} rows: {refused} refused", rows.len());
    assert!(
        refused > rows.len() / 10 && rows.len() - refused > rows.len() / 10,
        "{refused} of {} were refused",
        rows.len()
    );
    assert!(relay.stop(std::time::Duration::from_secs(30)).await.success());
}
