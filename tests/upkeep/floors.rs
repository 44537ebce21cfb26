//! The floors, below which no claim looks: they follow what is published, never pass an event that may still come, and are brought down
//! where they are too high. And rows that commit long after they took their seq.

use std::time::Duration;

use futures_util::SinkExt;
use testkit::patience::SOON;
use testkit::traffic::Load;
use testkit::world::{ask, orders};
use testkit::writer::{good, keys};
use testkit::{Committed, Fate, Relay, World, body_hash, eventually};
use uuid::Uuid;

use crate::upkeep::{number, world};

/// A late row is delivered within one sweep.
const ONE_SWEEP: Duration = Duration::from_secs(30);

const INSERT: &str = "INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload)
    VALUES ($1, 'Order', $2, 'order.created', '{}') RETURNING seq, lane";

/// What the history knows of such a row.
fn late_row(id: Uuid, key: &str) -> Committed {
    Committed { id, key: key.into(), ordinal: 0, payload: body_hash(b"{}"), fate: Fate::Delivered, certain: true }
}

/// Waits until the floors were looked at once more, some time after now.
async fn looked_at(world: &World) {
    let now: String = world.value("SELECT clock_timestamp()::text").await;
    let looked = format!(
        "SELECT count(*) FROM outbox.upkeep WHERE job = 'floors' AND last_run_at > '{now}'::timestamptz + interval '5 seconds'"
    );
    eventually(SOON, "the floors were looked at", async || number(&world.client, &looked).await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floors_stay_below_a_transaction_that_is_still_open_and_its_row_is_delivered_when_it_commits() {
    let world = World::open("floors_open").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let (id, mut client) = (Uuid::new_v4(), world.bed.client().await);
    let open = client.transaction().await.expect("a transaction");
    let row = open.query_one(INSERT, &[&id, &"late"]).await.expect("a row that stays uncommitted");
    let (seq, lane): (i64, i16) = (row.get(0), row.get(1));
    let traffic = world.traffic(&Load { keys: 500, ..Load::default() });
    world.arrived(SOON, 500).await;
    // The floors were looked at, and had to stay: the open transaction may hold any seq.
    looked_at(&world).await;
    let above = format!("SELECT count(*) FROM outbox.lanes WHERE floor > {seq}");
    assert_eq!(number(&world.client, &above).await, 0, "a floor passed an open transaction's row");
    open.commit().await.expect("committed late");
    world.history.commit([late_row(id, "late")]);
    eventually(ONE_SWEEP, "the late row is delivered", async || world.has_arrived(id)).await;
    let caught_up = format!("SELECT count(*) FROM outbox.lanes WHERE floor > {seq} AND lane <> {lane}");
    eventually(SOON, "the floors catch up", async || number(&world.client, &caught_up).await == 63).await;
    traffic.stop().await;
    world.quiet().await;
    let last = number(&world.client, "SELECT last_value FROM outbox.events_seq_seq").await;
    let beyond = format!("SELECT count(*) FROM outbox.lanes WHERE floor > {last} + 1");
    assert_eq!(number(&world.client, &beyond).await, 0, "no floor is above what was handed out");
    assert_eq!(relay.metric("outbox_late_rows_total").await, 0.0, "no floor passed an event");
    world.finish(&mut relay).await.assert_clean(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn floors_wait_for_no_transaction_that_has_written_no_event() {
    let mut world = World::open("floors_beside").await;
    let relay = Relay::start(&world.bed, &[]).await;
    let mut reporting = world.bed.client().await;
    let report = reporting.transaction().await.expect("a transaction");
    report
        .batch_execute("CREATE TABLE report (line int); INSERT INTO report SELECT count(*) FROM outbox.events")
        .await
        .expect("a long job that writes, and has read events");
    world.order(200, 2).await;
    world.quiet().await;
    let caught_up = "SELECT count(*) FROM outbox.lanes WHERE floor > 400";
    eventually(SOON, "the floors catch up", async || number(&world.client, caught_up).await == 64).await;
    report.commit().await.expect("the report is done");
    assert_eq!(relay.metric("outbox_late_rows_total").await, 0.0);
    world.stop_consumers().await;
}

/// A COPY takes seqs for rows that it keeps back, before its transaction has an id.
#[tokio::test(flavor = "multi_thread")]
async fn a_floor_does_not_pass_the_rows_of_a_copy_that_goes_on() {
    let mut world = World::open("floors_of_copy").await;
    let relay = Relay::start(&world.bed, &[]).await;
    let copying = world.bed.client().await;
    let copy = "COPY outbox.events (aggregate_type, aggregate_id, event_type, payload) FROM STDIN";
    let sink = copying.copy_in::<_, &[u8]>(copy).await.expect("a copy");
    let mut sink = std::pin::pin!(sink);
    sink.send(b"Order\tcopied\torder.created\t{}\n".as_slice()).await.expect("a row");
    sink.flush().await.expect("sent");
    let taken = "SELECT last_value FROM outbox.events_seq_seq WHERE is_called";
    eventually(SOON, "the copy has its seq", async || {
        number(&world.client, &format!("SELECT count(*) FROM ({taken}) t")).await == 1
    })
    .await;
    let copied = number(&world.client, taken).await;
    world.order(200, 2).await;
    world.quiet().await;
    looked_at(&world).await;
    let above = format!("SELECT count(*) FROM outbox.lanes WHERE floor > {copied}");
    assert_eq!(number(&world.client, &above).await, 0, "a floor passed a row of the copy");
    sink.finish().await.expect("the copy ends");
    let pending = "SELECT count(*) FROM outbox.events WHERE published_at IS NULL";
    eventually(SOON, "the copied row leaves", async || number(&world.client, pending).await == 0).await;
    assert_eq!(relay.metric("outbox_late_rows_total").await, 0.0);
    world.stop_consumers().await;
}

/// Two transactions wrote one key side by side: the later event came first, waits, and the earlier one was committed after it. The end of
/// the wait brings the floor down to the later one only.
#[tokio::test(flavor = "multi_thread")]
async fn a_floor_does_not_pass_an_event_whose_key_waits_for_a_later_one() {
    let world = world("floors_of_waits").await;
    world
        .client
        .batch_execute(
            "INSERT INTO outbox.events (seq, aggregate_type, aggregate_id, event_type, payload) OVERRIDING SYSTEM VALUE
             VALUES (900, 'Order', 'waits', 'order.created', '{}'), (990, 'Order', 'waits', 'order.paid', '{}');
             INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until)
             SELECT aggregate_id, lane, id, seq, 'after_dead_letter', 'infinity' FROM outbox.events WHERE seq = 990;
             SELECT setval('outbox.events_seq_seq', 1000)",
        )
        .await
        .expect("a key that waits");
    let _relay = Relay::start(&world.bed, &[]).await;
    let elsewhere = "SELECT count(*) FROM outbox.lanes WHERE floor > 990";
    eventually(SOON, "the floors of the other lanes move on", async || number(&world.client, elsewhere).await >= 63)
        .await;
    looked_at(&world).await;
    let behind = number(&world.client, "SELECT count(*) FROM outbox.lanes WHERE floor <= 900").await;
    assert_eq!(behind, 1, "a floor passed an event that nothing would bring back");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_events_ever_leave_in_order_though_the_relay_was_idle() {
    let mut world = World::open("first events").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    let client = world.bed.client().await;
    let first = "SELECT min(floor) FROM outbox.lanes";
    let floors_moved = async || client.query_one(first, &[]).await.expect("the floors are read").get::<_, i64>(0) > 0;
    eventually(SOON, "the floors have caught up with an empty table", floors_moved).await;
    world.order(3, 5).await;
    world.quiet().await;
    world.verdict().await.assert_clean(0);
    assert!(relay.metric("outbox_late_rows_total").await < 0.5, "nothing was found below a floor");
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

/// After `TRUNCATE .. RESTART IDENTITY` the floors are above every new seq; the sweep finds what is below and brings them down.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_events_after_a_restart_of_the_sequence_are_found() {
    let mut world = World::open("restarted sequence").await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    world.order(10, 5).await;
    world.quiet().await;
    let client = world.bed.client().await;
    let above = "SELECT bool_and(floor > 1) FROM outbox.lanes";
    let floors_moved = async || client.query_one(above, &[]).await.expect("the floors are read").get::<_, bool>(0);
    eventually(SOON, "the floors have caught up", floors_moved).await;
    client.batch_execute("TRUNCATE outbox.events RESTART IDENTITY").await.expect("the outbox is emptied");
    world.order(3, 2).await;
    world.quiet().await;
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_finds_what_lies_below_a_floor_that_is_too_high() {
    let world = World::new("late_sweep", [orders()]).await;
    let _consumer = world.consume("orders");
    let client = world.bed.client().await;
    // As an operator's mistake, or a sequence set back after a restore, would leave it.
    client.batch_execute("UPDATE outbox.lanes SET floor = 1000000000").await.expect("the floors are set");
    world.commit_each(&keys("early", 20), |key| good(key, 3)).await;
    let mut relay = Relay::start(&world.bed, &[]).await;
    eventually(ONE_SWEEP, "the sweep has found them", async || world.history.all_arrived()).await;
    assert_eq!(relay.metric("outbox_late_rows_total").await, 60.0);
    let mistaken = "SELECT count(*) FROM outbox.lanes l WHERE l.floor > (SELECT min(e.seq) FROM outbox.events e WHERE e.lane = l.lane)";
    assert_eq!(ask::<i64>(&client, mistaken, &[]).await, 0, "the floors of these lanes are right again");
    // While traffic goes on, a lane that is claimed all the time is brought down too.
    let traffic = world.traffic(&Load::default());
    world.arrived(SOON, 200).await;
    client.batch_execute("UPDATE outbox.lanes SET floor = 1000000000").await.expect("the floors are set again");
    let all_right = "SELECT count(*) = 0 FROM outbox.lanes l
        WHERE l.floor > 999999999 AND EXISTS (SELECT FROM outbox.events e WHERE e.lane = l.lane AND e.published_at IS NULL)";
    let committed = world.history.progress().due;
    world.arrived(ONE_SWEEP, committed).await;
    traffic.stop().await;
    eventually(ONE_SWEEP, "every lane with work is right", async || ask::<bool>(&client, all_right, &[]).await).await;
    world.finish(&mut relay).await.assert_clean(0);
}
