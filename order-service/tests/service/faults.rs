//! Hearing while things break: processes that are killed at the worst moments, a broker that is cut off, a database that is away. Judged
//! by a ledger: each message that was told has its effect, and its mark, once.

use std::time::{Duration, Instant};

use serde_json::json;
use testkit::PrivateServices;

use crate::broker::Broker;
use crate::database::Database;
use crate::facts;
use crate::gate::{Gate, Proxy};
use crate::hearers::{Hearers, PAUSE, start};
use crate::stage::{Stage, until};

/// Holds every COMMIT that has written an allocation, until the test's advisory lock is released.
const HOLD_COMMITS: &str = "
    CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER hold AFTER INSERT OR UPDATE ON order_service.allocations
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold();";
const COMMIT_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'order-service' AND wait_event_type = 'Lock' AND query = 'COMMIT')";
const SERVICE_IS_GONE: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'order-service')";
/// Has every allocation of the table be refused as a value is that no column takes: a fault of the message.
const REFUSE: &str = "
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION USING ERRCODE = '23514'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON order_service.allocations FOR EACH ROW EXECUTE FUNCTION refuse();";
const PATIENT: [&str; 4] = ["--lock-seconds-max", "120", "--statement-seconds-max", "120"];

#[tokio::test]
async fn a_message_whose_service_is_killed_between_commit_and_acknowledgement_has_one_effect() {
    let mut hearers = Hearers::new(&PATIENT).await;
    let (id, item) = hearers.placed().await;
    let (holder, watcher) = (hearers.stage.database.client().await, hearers.stage.database.client().await);
    holder.batch_execute(HOLD_COMMITS).await.expect("made");
    holder.batch_execute("SELECT pg_advisory_lock(4711)").await.expect("held");
    let told = facts::allocation("AllocationCreated", &id, &item, "2030-01-01T10:00:01Z");
    hearers.tell_inventory("created", &told).await;
    until(&watcher, "the COMMIT is on its way", COMMIT_WAITS).await;
    hearers = reborn(hearers, || async {
        holder.batch_execute("SELECT pg_advisory_unlock(4711)").await.expect("released");
        until(&watcher, "its backend ends", SERVICE_IS_GONE).await;
    })
    .await;
    hearers.until_counted("it comes again, and is known", |counts| counts("duplicate") == 1).await;
    hearers.until_empty().await;
    let counts = hearers.counts().await;
    assert_eq!((counts("applied"), hearers.marks().await), (0, 1), "the effect was that of the killed one");
    assert_eq!(hearers.order(&id).await["items"][0]["allocation"]["status"], "PENDING");
}

/// SIGKILL, then `between`, then another process.
async fn reborn<F: Future<Output = ()>>(hearers: Hearers, between: impl FnOnce() -> F) -> Hearers {
    let Hearers { broker, stage: Stage { database, service }, others } = hearers;
    service.kill().await;
    between().await;
    let service = start(&database, broker.url(), &[]).await;
    let hearers = Hearers { broker, stage: Stage { database, service }, others };
    hearers.until_consuming(1).await;
    hearers
}

#[tokio::test]
async fn a_message_whose_service_is_killed_between_its_retry_copy_and_its_acknowledgement_has_one_effect() {
    let broker = Broker::new().await;
    let database = Database::new().await;
    let proxy = Proxy::before(broker.address()).await;
    let service = start(&database, &broker.url_by(proxy.address), &PATIENT).await;
    let hearers = Hearers { broker, stage: Stage { database, service }, others: Vec::new() };
    hearers.until_consuming(1).await;
    let (id, item) = hearers.placed().await;
    let client = hearers.stage.database.client().await;
    client.batch_execute(REFUSE).await.expect("made");
    // The try is held up, so that the broker is silent by the time the copy is published.
    client.batch_execute("BEGIN; LOCK TABLE order_service.allocations").await.expect("locked");
    hearers
        .tell_inventory("created", &facts::allocation("AllocationCreated", &id, &item, "2030-01-01T10:00:01Z"))
        .await;
    let waits =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'order_service.allocations'::regclass)";
    let watcher = hearers.stage.database.client().await;
    until(&watcher, "a try has begun", waits).await;
    proxy.set(Gate::ServerSilent);
    client.batch_execute("ROLLBACK").await.expect("released");
    let waiting = "OrderService_InventoryEvents.retry.1s";
    hearers
        .eventually("the copy is at the broker, and nobody knows", async || {
            hearers.broker.ready(waiting).await.is_some_and(|copies| copies > 0)
                || hearers.broker.ready("OrderService_InventoryEvents").await.is_some_and(|copies| copies > 0)
        })
        .await;
    let hearers = reborn(hearers, || async {
        client.batch_execute("DROP TRIGGER refuse ON order_service.allocations").await.expect("dropped");
    })
    .await;
    hearers.until_counted("both copies are handled", |counts| counts("applied") + counts("duplicate") == 2).await;
    hearers.until_empty().await;
    let counts = hearers.counts().await;
    assert_eq!((counts("applied"), counts("duplicate"), counts("dead"), hearers.marks().await), (1, 1, 0, 1));
}

#[tokio::test]
async fn a_fault_of_a_message_is_tried_four_times_and_charged_and_then_waits_for_a_person() {
    let hearers = Hearers::new(&[]).await;
    let (id, item) = hearers.placed().await;
    let client = hearers.stage.database.client().await;
    client.batch_execute(REFUSE).await.expect("made");
    let told = facts::allocation("AllocationCreated", &id, &item, "2030-01-01T10:00:01Z");
    hearers.tell_inventory("created", &told).await;
    let letters = hearers.until_dead(1).await;
    assert_eq!((&letters[0]["failureReason"], &letters[0]["attempts"]), (&json!("MAX_RETRIES_EXCEEDED"), &json!(4)));
    assert_eq!(hearers.counts().await("retried"), 3);
    assert_eq!(hearers.marks().await, 0);
    client.batch_execute("DROP TRIGGER refuse ON order_service.allocations").await.expect("dropped");
    let path = format!("/admin/dead-letters/{}/replay", letters[0]["id"]);
    hearers.stage.post(&path, &json!({ "by": "anna" })).await.data(200);
    assert_eq!(hearers.order(&id).await["items"][0]["allocation"]["status"], "PENDING");
    assert_eq!(hearers.marks().await, 1);
}

#[tokio::test]
async fn a_database_that_is_away_costs_no_message_an_attempt() {
    away(Duration::from_secs(8)).await;
}

/// The long one: `cargo test -p order-service -- --ignored`.
#[tokio::test]
#[ignore = "takes more than a minute"]
async fn a_database_that_is_away_for_a_minute_costs_no_message_an_attempt() {
    away(Duration::from_secs(60)).await;
}

async fn away(duration: Duration) {
    let (broker, database) = (Broker::new().await, Database::new().await);
    let proxy = Proxy::before(database.address()).await;
    let by_proxy = database.by(proxy.address);
    let service = start(&by_proxy, broker.url(), &PAUSE).await;
    let hearers = Hearers { broker, stage: Stage { database, service }, others: Vec::new() };
    hearers.until_consuming(1).await;
    let (id, item) = hearers.placed().await;
    proxy.set(Gate::Closed);
    let begun = Instant::now();
    let mut told = 0;
    while begun.elapsed() < duration {
        let at = format!("2030-01-01T10:{:02}:{:02}Z", told / 60, told % 60);
        hearers.tell_inventory("created", &facts::allocation("AllocationCreated", &id, &item, &at)).await;
        told += 1;
        tokio::time::sleep(Duration::from_millis(250)).await; // the outage goes on
    }
    proxy.set(Gate::Open);
    hearers.until_handled(told).await;
    hearers.until_empty().await;
    let counts = hearers.counts().await;
    assert_eq!((counts("retried"), counts("dead"), counts("deadLettersStored")), (0, 0, 0), "nothing was charged");
    assert!(counts("handedBack") > 0, "it was met at all");
    assert_eq!(hearers.stage.get("/admin/dead-letters").await.data(200)["deadLetters"], json!([]));
    assert_eq!(hearers.order(&id).await["items"][0]["allocation"]["status"], "PENDING");
}

#[tokio::test]
async fn connections_to_the_broker_that_are_cut_again_and_again_lose_and_double_nothing() {
    let (broker, database) = (Broker::new().await, Database::new().await);
    let proxy = Proxy::before(broker.address()).await;
    let service = start(&database, &broker.url_by(proxy.address), &PAUSE).await;
    let hearers = Hearers { broker, stage: Stage { database, service }, others: Vec::new() };
    hearers.until_consuming(1).await;
    let (id, item) = hearers.placed().await;
    let told = 120;
    for number in 0..told {
        let at = format!("2030-01-01T10:{:02}:{:02}Z", number / 60, number % 60);
        hearers.tell_inventory("created", &facts::allocation("AllocationCreated", &id, &item, &at)).await;
        if number % 30 == 15 {
            proxy.set(Gate::Closed);
            proxy.set(Gate::Open);
        }
    }
    hearers.until_handled(told).await;
    hearers.until_empty().await;
    let counts = hearers.counts().await;
    assert_eq!((counts("retried"), counts("dead")), (0, 0));
    let handled = counts("applied") + counts("stale") + counts("known") + counts("duplicate");
    assert!(handled >= u64::try_from(told).expect("small"), "each was acknowledged at least once");
}

#[tokio::test]
async fn a_broker_that_is_restarted_in_order_and_by_force_loses_and_doubles_no_effect() {
    let services = PrivateServices::start("order_restart", &["rabbitmq"], None).await;
    let urls = services.urls();
    let (broker, database) = (Broker::at(&urls.amqp, &urls.management).await, Database::new().await);
    let service = start(&database, broker.url(), &PAUSE).await;
    let mut hearers = Hearers { broker, stage: Stage { database, service }, others: Vec::new() };
    hearers.until_consuming(1).await;
    let (id, item) = hearers.placed().await;
    let told = 90;
    for number in 0..told {
        let at = format!("2030-01-01T10:{:02}:{:02}Z", number / 60, number % 60);
        hearers.tell_inventory("created", &facts::allocation("AllocationCreated", &id, &item, &at)).await;
        match number {
            29 => services.stop("rabbitmq").await,
            59 => services.kill("rabbitmq").await,
            _ => continue,
        }
        services.start_again("rabbitmq").await;
        hearers.broker.again().await;
    }
    hearers.until_handled(told).await;
    hearers.until_empty().await;
    let counts = hearers.counts().await;
    assert_eq!((counts("retried"), counts("dead"), counts("deadLettersStored")), (0, 0, 0), "nothing was charged");
    let effects = counts("applied") + counts("stale") + counts("known");
    assert_eq!(effects, u64::try_from(told).expect("small"), "each message has its effect once, however often it came");
    assert_eq!(hearers.order(&id).await["items"][0]["allocation"]["status"], "PENDING");
}

#[tokio::test]
async fn a_service_that_is_stopped_finishes_what_it_has_begun_and_hands_back_the_rest() {
    let hearers = Hearers::new(&[]).await;
    let (id, item) = hearers.placed().await;
    let told = 100;
    for number in 0..told {
        let at = format!("2030-01-01T10:{:02}:{:02}Z", number / 60, number % 60);
        hearers.tell_inventory("created", &facts::allocation("AllocationCreated", &id, &item, &at)).await;
    }
    let Hearers { broker, stage: Stage { database, service }, others } = hearers;
    service.terminate();
    assert_eq!(service.ended().await.code(), Some(0));
    let service = start(&database, broker.url(), &[]).await;
    let hearers = Hearers { broker, stage: Stage { database, service }, others };
    hearers.until_handled(told).await;
    hearers.until_empty().await;
    assert_eq!(hearers.counts().await("duplicate"), 0, "what was acknowledged does not come again");
}
