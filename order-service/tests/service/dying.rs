//! Order and events are one: the service is killed between the two, and after the COMMIT that its client never hears of.

use serde_json::json;
use tokio_postgres::Client;

use crate::bodies;
use crate::database::Database;
use crate::program::Program;
use crate::stage::{Stage, place, until};

/// Long enough that no timeout of the service ends what a test holds up.
const PATIENT: [&str; 6] =
    ["--lock-seconds-max", "120", "--statement-seconds-max", "120", "--request-seconds-max", "120"];

/// Whether the service waits for a lock on the outbox: its order is written, its events are not.
const APPEND_WAITS: &str =
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'outbox.events'::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
/// Whether the service waits in a COMMIT.
const COMMIT_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'order-service' AND wait_event_type = 'Lock' AND query = 'COMMIT')";
const SERVICE_IS_GONE: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'order-service')";
/// Holds every COMMIT of an order until the test's advisory lock is released.
const HOLD_COMMITS: &str = "
    CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER hold AFTER INSERT OR UPDATE ON order_service.orders
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold();";

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.expect(sql);
}

/// The same database with a new service.
async fn reborn(database: Database) -> Stage {
    let service = Program::start(database.url(), &[]).await;
    Stage { database, service }
}

#[tokio::test]
async fn an_order_whose_service_is_killed_before_its_events_are_written_was_never_placed() {
    let Stage { database, service } = Stage::with(&PATIENT).await;
    let (holder, watcher) = (database.client().await, database.client().await);
    run(&holder, "BEGIN; LOCK TABLE outbox.events IN EXCLUSIVE MODE").await;
    let request = tokio::spawn(place(service.address, "key-1", bodies::ORDER));
    until(&watcher, "the service waits for the outbox", APPEND_WAITS).await;
    let written = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'order_service.orders'::regclass
                   AND mode = 'RowExclusiveLock' AND granted";
    assert!(watcher.query_one(written, &[]).await.expect("asked").get::<_, bool>(0), "its order is written already");
    service.kill().await;
    request.await.expect("no panic").expect_err("the client hears nothing");
    run(&holder, "ROLLBACK").await;
    until(&watcher, "the service's backend ends", SERVICE_IS_GONE).await;

    let stage = reborn(database).await;
    assert_eq!(stage.counts().await, (0, 0), "no order, no events");
    stage.place("key-1", bodies::ORDER).await.data(201);
    assert_eq!(stage.counts().await, (1, 4));
}

#[tokio::test]
async fn a_command_whose_service_is_killed_before_its_events_are_written_was_never_done() {
    let stage = Stage::with(&PATIENT).await;
    let id = stage.placed().await;
    let path = format!("/orders/{id}");
    let before = stage.get(&path).await.text;
    let Stage { database, service } = stage;
    let (holder, watcher) = (database.client().await, database.client().await);
    run(&holder, "BEGIN; LOCK TABLE outbox.events IN EXCLUSIVE MODE").await;
    let (address, cancel) = (service.address, format!("{path}/cancel"));
    let request = tokio::spawn(async move {
        let (headers, body) = ([("Content-Type", "application/json")], bodies::reason().to_string());
        let body = Some(body.as_bytes());
        let request = crate::http::Request { method: "POST", path: &cancel, headers: &headers, body };
        crate::http::send(address, &request).await
    });
    until(&watcher, "the service waits for the outbox", APPEND_WAITS).await;
    service.kill().await;
    request.await.expect("no panic").expect_err("the client hears nothing");
    run(&holder, "ROLLBACK").await;
    until(&watcher, "the service's backend ends", SERVICE_IS_GONE).await;

    let stage = reborn(database).await;
    assert_eq!((stage.get(&path).await.text, stage.counts().await), (before, (1, 4)));
    assert_eq!(stage.post(&format!("{path}/cancel"), &bodies::reason()).await.data(200)["status"], "CANCELLED");
}

#[tokio::test]
async fn an_order_whose_service_is_killed_after_the_commit_is_found_by_its_key_and_told_once() {
    let Stage { database, service } = Stage::with(&PATIENT).await;
    let (holder, watcher) = (database.client().await, database.client().await);
    run(&holder, HOLD_COMMITS).await;
    run(&holder, "SELECT pg_advisory_lock(4711)").await;
    let request = tokio::spawn(place(service.address, "key-1", bodies::ORDER));
    until(&watcher, "the service's COMMIT is on its way", COMMIT_WAITS).await;
    service.kill().await;
    request.await.expect("no panic").expect_err("the client hears nothing");
    run(&holder, "SELECT pg_advisory_unlock(4711)").await;
    until(&watcher, "the service's backend ends", SERVICE_IS_GONE).await;

    let stage = reborn(database).await;
    assert_eq!(stage.counts().await, (1, 4), "it was committed");
    let again = stage.place("key-1", bodies::ORDER).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let order = again.data(200);
    assert_eq!((&order["status"], &order["version"]), (&json!("PENDING_PAYMENT"), &json!(1)));
    let told = stage.events(order["id"].as_str().expect("an id")).await;
    assert_eq!(
        told,
        [
            "order.created",
            "order.created_for_inventory",
            "order.placed_for_analytics",
            "order.confirmation_notification_requested"
        ]
    );
    assert_eq!(stage.counts().await, (1, 4), "one order, one set of events");
}

#[tokio::test]
async fn a_second_try_that_comes_while_the_first_is_at_work_waits_for_it() {
    let stage = Stage::with(&PATIENT).await;
    let (holder, watcher) = (stage.database.client().await, stage.database.client().await);
    run(&holder, "BEGIN; LOCK TABLE outbox.events IN EXCLUSIVE MODE").await;
    let address = stage.service.address;
    let first = tokio::spawn(place(address, "key-1", bodies::ORDER));
    until(&watcher, "the first waits for the outbox", APPEND_WAITS).await;
    let second = tokio::spawn(place(address, "key-1", bodies::ORDER));
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                 AND application_name = 'order-service' AND wait_event = 'transactionid')";
    until(&watcher, "the second waits for the first", waits).await;
    run(&holder, "ROLLBACK").await;
    let first = first.await.expect("no panic").expect("an answer").data(201);
    let second = second.await.expect("no panic").expect("an answer").data(200);
    assert_eq!((first, stage.counts().await), (second, (1, 4)));
}
