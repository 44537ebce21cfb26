//! Row 13: a database clock that was ahead once.

use super::field::{Field, SOON, lines};
use testkit::{Relay, eventually};

#[tokio::test]
async fn what_a_clock_an_hour_ahead_has_left_is_set_right_by_the_next_run_and_said_once() {
    let field = Field::new("clock_ahead").await;
    field.insert("parked", 2_500, "order.paid").await;
    field
        .run(
            "UPDATE outbox.upkeep SET last_run_at = clock_timestamp() + interval '1 hour', run_by = 'another';
             INSERT INTO outbox.waits (key, lane, event_id, seq, reason, attempts, until)
             SELECT aggregate_id, lane, id, seq, 'retry', 1, clock_timestamp() + interval '1 hour' FROM outbox.events;
             INSERT INTO outbox.holds (scope, exchange, kind, reason, next_probe_at)
             VALUES ('exchange', 'elsewhere', 'missing', 'it was not there', clock_timestamp() + interval '1 hour')",
        )
        .await;
    let relay = Relay::start(&field.bed, &[]).await;
    eventually(SOON, "the parked retries have left", async || field.pending("parked").await == 0).await;
    let late = "SELECT count(*) FROM outbox.upkeep WHERE last_run_at > clock_timestamp() OR last_run_at < clock_timestamp() - interval '5 minutes'";
    eventually(SOON, "every job runs again", async || field.ask::<i64>(late, &[]).await == 0).await;
    let holds = "SELECT count(*) FROM outbox.holds";
    eventually(SOON, "the hold was looked at", async || field.ask::<i64>(holds, &[]).await == 0).await;
    let log = relay.log();
    assert_eq!(lines(&log, "clock was ahead"), 1, "{log}");
}
