//! Rows that commit long after they took their seq: later ones have been published, and they are delivered all the same.

use std::time::{Duration, Instant};

use testkit::traffic::Load;
use testkit::{Committed, Fate, Relay, Traffic, body_hash, eventually};
use uuid::Uuid;

use crate::journey::stage::{SOON, Stage, ask, good, keys, orders};

/// A late row is delivered within one sweep.
const ONE_SWEEP: Duration = Duration::from_secs(30);

const INSERT: &str = "INSERT INTO outbox.events (id, aggregate_type, aggregate_id, event_type, payload)
    VALUES ($1, 'Order', $2, 'order.created', '{}') RETURNING seq";

/// What the history knows of such a row.
fn late_row(id: Uuid, key: &str) -> Committed {
    Committed { id, key: key.into(), ordinal: 0, payload: body_hash(b"{}"), fate: Fate::Delivered, certain: true }
}

#[tokio::test]
async fn a_row_that_commits_after_later_ones_were_published_is_delivered() {
    let stage = Stage::new("late_commit", [orders()]).await;
    let _consumer = stage.consume("orders");
    let mut relay = Relay::start(&stage.bed, &[]).await;
    let (id, mut client) = (Uuid::new_v4(), stage.bed.client().await);
    let transaction = client.transaction().await.expect("a transaction");
    let seq: i64 = transaction.query_one(INSERT, &[&id, &"late"]).await.expect("an uncommitted row").get(0);
    let traffic = Traffic::start(&stage.bed.database_url(), &stage.history, &Load { keys: 500, ..Load::default() });
    let started = Instant::now();
    let later = async || started.elapsed() > Duration::from_secs(5) && stage.history.progress().distinct > 500;
    eventually(SOON, "others flow for five seconds", later).await;
    let of_lane = "SELECT floor FROM outbox.lanes WHERE lane = hashtextextended('late', 0) & 63";
    let floor: i64 = stage.ask(of_lane, &[]).await;
    assert!(floor <= seq, "the floor {floor} passed the open transaction's seq {seq}");
    transaction.commit().await.expect("committed late");
    stage.history.commit([late_row(id, "late")]);
    eventually(ONE_SWEEP, "the late row is delivered", async || stage.has_arrived(id)).await;
    traffic.stop().await;
    assert_eq!(relay.metric("outbox_late_rows_total").await, 0.0, "the floor never passed it");
    stage.finish(&mut relay).await.assert_clean(0);
}

#[tokio::test]
async fn floors_follow_what_was_published_once_old_transactions_have_ended() {
    let stage = Stage::new("late_floors", [orders()]).await;
    let _consumer = stage.consume("orders");
    let mut relay = Relay::start(&stage.bed, &[]).await;
    let traffic = Traffic::start(&stage.bed.database_url(), &stage.history, &Load { keys: 500, ..Load::default() });
    let lowest = "SELECT min(floor) FROM outbox.lanes";
    eventually(SOON, "every floor moves under traffic", async || stage.ask::<i64>(lowest, &[]).await > 1).await;
    traffic.stop().await;
    let last: i64 = stage.ask("SELECT last_value FROM outbox.events_seq_seq", &[]).await;
    let above = "SELECT count(*) FROM outbox.lanes WHERE floor > $1::bigint + 1";
    stage.bed.quiet(&stage.history, SOON).await;
    assert_eq!(stage.ask::<i64>(above, &[&last]).await, 0, "no floor is above what was handed out");
    assert_eq!(relay.metric("outbox_late_rows_total").await, 0.0, "no floor passed an event");
    stage.finish(&mut relay).await.assert_clean(0);
}

#[tokio::test]
async fn the_sweep_finds_what_lies_below_a_floor_that_is_too_high() {
    let stage = Stage::new("late_sweep", [orders()]).await;
    let _consumer = stage.consume("orders");
    let client = stage.bed.client().await;
    // As an operator's mistake, or a sequence set back after a restore, would leave it.
    client.batch_execute("UPDATE outbox.lanes SET floor = 1000000000").await.expect("the floors are set");
    stage.commit(&keys("early", 20), |key| good(key, 3)).await;
    let mut relay = Relay::start(&stage.bed, &[]).await;
    eventually(ONE_SWEEP, "the sweep has found them", async || stage.history.all_arrived()).await;
    assert_eq!(relay.metric("outbox_late_rows_total").await, 60.0);
    let mistaken = "SELECT count(*) FROM outbox.lanes l WHERE l.floor > (SELECT min(e.seq) FROM outbox.events e WHERE e.lane = l.lane)";
    assert_eq!(ask::<i64>(&client, mistaken, &[]).await, 0, "the floors of these lanes are right again");
    // While traffic goes on, a lane that is claimed all the time is brought down too.
    let traffic = Traffic::start(&stage.bed.database_url(), &stage.history, &Load::default());
    stage.delivered(SOON, 200).await;
    client.batch_execute("UPDATE outbox.lanes SET floor = 1000000000").await.expect("the floors are set again");
    let all_right = "SELECT count(*) = 0 FROM outbox.lanes l
        WHERE l.floor > 999999999 AND EXISTS (SELECT FROM outbox.events e WHERE e.lane = l.lane AND e.published_at IS NULL)";
    let committed = stage.history.progress().due;
    stage.delivered(ONE_SWEEP, committed).await;
    traffic.stop().await;
    eventually(ONE_SWEEP, "every lane with work is right", async || ask::<bool>(&client, all_right, &[]).await).await;
    stage.finish(&mut relay).await.assert_clean(0);
}
