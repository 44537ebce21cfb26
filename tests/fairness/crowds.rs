//! Rows 4 to 6: thousands of keys that wait, and thousands of events of one key.

use std::time::Duration;

use tokio::time::Instant;

use super::field::{Field, SOON, lines, orders, routes_file};
use testkit::{Relay, eventually};

/// What others may have to wait on a machine of their own; the promise is one second.
const NOT_LONG: Duration = Duration::from_secs(3);

/// Whether others waited for their own turn and not for the crowd, which took so long: on a machine that is shared, all of it takes longer.
fn is_short(lag: Duration, crowd: Duration) -> bool {
    lag < NOT_LONG || lag < crowd / 3
}

/// Every update of a wait takes 0.3 ms more, as on a slow disk.
const SLOW_WAITS: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.0003); RETURN NEW; END';
    CREATE TRIGGER slow BEFORE UPDATE ON outbox.waits FOR EACH ROW EXECUTE FUNCTION slow()";

#[tokio::test]
async fn a_hold_with_twenty_thousand_waiting_keys_is_lifted_though_each_update_is_slow() {
    let field = Field::new("crowd_lift").await;
    field.bed.management().delete_exchange(field.bed.vhost(), "order.events").await;
    let relay = Relay::start(&field.bed, &[]).await;
    field.insert("order", 20_000, "order.paid").await;
    eventually(SOON * 2, "all of them wait", async || field.waits("held").await == 20_000).await;
    field.run(SLOW_WAITS).await;
    field.bed.declare_topology(&orders()).await;
    eventually(SOON * 2, "all of them have left", async || field.pending("order").await == 0).await;
    let log = relay.log();
    assert_eq!(lines(&log, "off hold"), 1, "{log}");
    assert_eq!(lines(&log, "statement timeout"), 0, "{log}");
    assert_eq!(field.ask::<i64>("SELECT count(*) FROM outbox.holds", &[]).await, 0);
}

#[tokio::test]
async fn a_probe_that_fails_is_counted_and_said_and_no_hold_is_said_to_be_lifted() {
    let field = Field::new("crowd_refused").await;
    field.bed.management().delete_exchange(field.bed.vhost(), "order.events").await;
    let relay = Relay::start(&field.bed, &[]).await;
    field.insert("order", 3, "order.paid").await;
    eventually(SOON, "all of them wait", async || field.waits("held").await == 3).await;
    field
        .run(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END';
             CREATE TRIGGER no BEFORE DELETE ON outbox.holds FOR EACH ROW EXECUTE FUNCTION no()",
        )
        .await;
    field.bed.declare_topology(&orders()).await;
    let failed = async || relay.metric_where("outbox_failures_total", "reason=\"probe\"").await >= 1.0;
    eventually(SOON, "a failed probe is counted", failed).await;
    let log = relay.log();
    assert_eq!(lines(&log, "could not be tried"), 1, "{log}");
    assert_eq!(lines(&log, "off hold"), 0, "{log}");
    field.run("DROP TRIGGER no ON outbox.holds").await;
    eventually(SOON, "all of them have left", async || field.pending("order").await == 0).await;
    eventually(SOON, "it is said now", async || lines(&relay.log(), "off hold") == 1).await;
}

#[tokio::test]
async fn what_a_dead_relay_left_of_a_lift_is_done_by_the_upkeep() {
    let field = Field::new("crowd_left").await;
    field.insert("order", 3_000, "order.paid").await;
    field
        .run(
            "INSERT INTO outbox.waits (key, lane, event_id, seq, reason, until, hold_id)
             SELECT aggregate_id, lane, id, seq, 'held', 'infinity', 4711 FROM outbox.events",
        )
        .await;
    let _relay = Relay::start(&field.bed, &[]).await;
    eventually(SOON, "all of them have left", async || field.pending("order").await == 0).await;
}

#[tokio::test]
async fn twenty_thousand_keys_without_a_route_delay_nobody_and_leave_once_a_relay_knows_their_type() {
    let field = Field::new("crowd_no_route").await;
    let known = routes_file(&[("paid", "order.paid", "order.events")]);
    let mut relay = Relay::start(&field.bed, &["--routes", &known]).await;
    field.insert("odd", 20_000, "order.odd").await;
    eventually(SOON * 2, "all of them wait", async || field.waits("no_route").await == 20_000).await;
    let due = "SELECT count(*) FROM outbox.waits WHERE until < 'infinity'";
    assert_eq!(field.ask::<i64>(due, &[]).await, 0, "none of them comes back by itself");
    eventually(SOON, "the gauge says so", async || relay.metric("outbox_no_route_keys").await == 20_000.0).await;
    let lag = field.worst_lag("live", 40, async || true).await;
    assert!(lag < NOT_LONG, "a live event took {lag:?} beside keys without a route");
    assert_eq!(relay.stop(Duration::from_secs(30)).await.code(), Some(0));

    let both = routes_file(&[("paid", "order.paid", "order.events"), ("odd", "order.odd", "order.events")]);
    let relay = Relay::start(&field.bed, &["--routes", &both]).await;
    let started = Instant::now();
    let lag = field.worst_lag("lifted", 20, async || field.pending("odd").await == 0).await;
    let crowd = started.elapsed();
    println!("live events beside 20,000 keys that are lifted in {crowd:?}: {lag:?} at the worst");
    assert!(is_short(lag, crowd), "a live event took {lag:?} while 20,000 keys were lifted in {crowd:?}");
    assert_eq!((field.pending("odd").await, field.waits("no_route").await), (0, 0));
    assert_eq!(lines(&relay.log(), "these keys waited for a route"), 1, "{}", relay.log());
}

#[tokio::test]
async fn ten_thousand_events_of_one_key_do_not_delay_another_key_of_their_lane() {
    let field = Field::new("crowd_hot").await;
    let _relay = Relay::start(&field.bed, &[]).await;
    field.insert_of_key("hot", 10_000).await;
    let started = Instant::now();
    let mut keys = Vec::new();
    for number in 0..20 {
        let key = field.key_in_lane(&format!("cold{number}"), "hot").await;
        field.insert_of_key(&key, 1).await;
        keys.push(key);
    }
    let left = async || field.pending("cold").await == 0;
    eventually(SOON, "the other keys' events have left", left).await;
    let hot = field.pending("hot").await;
    // At the pace so far.
    let crowd = started.elapsed().mul_f64(10_000.0 / (10_000 - hot).max(1) as f64);
    let lag = field.lag_of("cold").await;
    println!("20 other keys of the lane: {lag:?} at the worst, {hot} events of the hot key pending");
    assert!(hot > 0, "the key with many events was done before the others, which says nothing");
    assert!(is_short(lag, crowd), "another key of the lane took {lag:?}, the crowd {crowd:?}");
}
