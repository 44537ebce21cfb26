//! `append` in a `tokio_postgres` transaction.

use std::slice::from_ref;

use order_domain::event::Aggregate;
use order_domain::notification::{CustomNotification, TemplateData};
use order_domain::outbox::{AppendError, EVENTS_MAX, Outbox};
use order_domain::postgres::{append, append_to, lock};
use order_domain::{Context, Event, Order, product};
use tokio_postgres::Row;

use crate::database::{Database, PLACED_EVENTS, placed};
use crate::support::samples::{WHEN, a, at, custom_notification, life, order_in_parts};

const ROWS: &str = "SELECT id::text, aggregate_type, aggregate_id, event_type, event_version, payload::text, headers::text,
    correlation_id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM outbox.events ORDER BY seq";

async fn rows(database: &Database) -> Vec<Row> {
    database.client().await.query(ROWS, &[]).await.expect("read")
}

fn check_row(row: &Row, event: &Event) {
    assert_eq!(row.get::<_, String>(0), event.id().to_string());
    assert_eq!(row.get::<_, String>(1), event.aggregate().kind());
    assert_eq!(row.get::<_, String>(2), event.aggregate().id());
    assert_eq!(row.get::<_, String>(3), event.event_type().as_str());
    assert_eq!(row.get::<_, String>(4), "1.0");
    assert_eq!(row.get::<_, String>(5), event.payload().to_json(), "byte for byte");
    assert_eq!(row.get::<_, Option<String>>(7), event.correlation_id().map(ToString::to_string));
    assert_eq!(row.get::<_, String>(8), event.occurred_at().to_string());
}

#[tokio::test]
async fn every_event_of_a_life_is_a_row_in_its_order_with_its_bytes() {
    let (database, events) = (Database::new().await, life());
    let mut client = database.client().await;
    let transaction = client.transaction().await.expect("begun");
    append(&transaction, &events).await.expect("appended");
    transaction.commit().await.expect("committed");
    let rows = rows(&database).await;
    assert_eq!(rows.len(), events.len());
    for (row, event) in rows.iter().zip(&events) {
        check_row(row, event);
    }
}

#[tokio::test]
async fn a_thousand_events_keep_their_order() {
    let (database, context) = (Database::new().await, Context::now());
    let request = |n: usize| product::details_requested(a("product-1"), a(&format!("request-{n}")), &context);
    let events: Vec<_> = (0..EVENTS_MAX).map(request).collect();
    let mut client = database.client().await;
    let transaction = client.transaction().await.expect("begun");
    append(&transaction, &events).await.expect("appended");
    append(&transaction, &[]).await.expect("nothing is nothing");
    transaction.commit().await.expect("committed");
    let rows = rows(&database).await;
    let found: Vec<String> = rows.iter().map(|row| row.get(2)).collect();
    let expected: Vec<_> = events.iter().map(|event| event.aggregate().id()).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn headers_carry_the_trace_and_the_idempotency_key() {
    let database = Database::new().await;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let context = at(WHEN).with_traceparent(a(traceparent)).with_correlation_id(a("corr-1"));
    let mut client = database.client().await;
    let transaction = client.transaction().await.expect("begun");
    append(&transaction, &placed("order-1", &context)).await.expect("appended");
    transaction.commit().await.expect("committed");
    let first = rows(&database).await.remove(0);
    let expected = format!(r#"{{"idempotency-key":"ord_order-1_created_v1","traceparent":"{traceparent}"}}"#);
    assert_eq!((first.get::<_, String>(6), first.get::<_, Option<String>>(7)), (expected, Some("corr-1".into())));
}

#[tokio::test]
async fn a_rolled_back_order_leaves_no_event() {
    let database = Database::new().await;
    let mut client = database.client().await;
    let transaction = client.transaction().await.expect("begun");
    transaction.execute("INSERT INTO orders VALUES ('order-1', '{}')", &[]).await.expect("inserted");
    append(&transaction, &placed("order-1", &Context::now())).await.expect("appended");
    transaction.rollback().await.expect("rolled back");
    assert_eq!(database.events().await, 0);
}

#[tokio::test]
async fn two_transactions_on_one_unlocked_aggregate_are_found_out() {
    let database = Database::new().await;
    let (mut one, mut two) = (database.client().await, database.client().await);
    let first = one.transaction().await.expect("begun");
    append(&first, &placed("order-1", &Context::now())).await.expect("the first is alone");
    let second = two.transaction().await.expect("begun");
    let error = append(&second, &placed("order-1", &Context::now())).await.expect_err("the second is not");
    assert!(matches!(&error, AppendError::NotLocked { aggregates } if aggregates == &["Order order-1"]), "{error:?}");
    assert_eq!(error.code(), "AGGREGATE_NOT_LOCKED");
    append(&second, &placed("order-2", &Context::now())).await.expect("another aggregate is free");
    second.commit().await.expect("committed");
    first.commit().await.expect("committed");
    assert_eq!(database.events().await, 2 * PLACED_EVENTS);
}

/// The claim of a transaction ends a moment after its row lock: the next one must not be taken for a culprit.
#[tokio::test]
async fn transactions_that_lock_the_aggregate_first_never_disturb_each_other() {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 40;
    let database = Database::new().await;
    let client = database.client().await;
    client.execute("INSERT INTO orders VALUES ('order-1', '{}')", &[]).await.expect("inserted");
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let client = database.client().await;
        writers.spawn(async move { append_often(client, ROUNDS).await });
    }
    writers.join_all().await;
    assert_eq!(database.events().await, (WRITERS * ROUNDS) as i64 * PLACED_EVENTS);
}

async fn append_often(mut client: tokio_postgres::Client, rounds: usize) {
    for _ in 0..rounds {
        let transaction = client.transaction().await.expect("begun");
        let lock = "SELECT 1 FROM orders WHERE id = 'order-1' FOR UPDATE";
        transaction.execute(lock, &[]).await.expect("locked");
        append(&transaction, &placed("order-1", &Context::now())).await.expect("appended");
        transaction.commit().await.expect("committed");
    }
}

#[tokio::test]
async fn an_aggregate_without_a_row_can_be_claimed_and_is_waited_for() {
    let database = Database::new().await;
    let outbox = Outbox::default();
    let aggregate = Aggregate::Order(a("order-1"));
    let (mut one, mut two) = (database.client().await, database.client().await);
    let first = one.transaction().await.expect("begun");
    lock(&outbox, &first, &aggregate).await.expect("claimed");
    append(&first, &placed("order-1", &Context::now())).await.expect("its own claim is no hindrance");
    let second = two.transaction().await.expect("begun");
    second.batch_execute("SET LOCAL lock_timeout = '50ms'").await.expect("set");
    let error = lock(&outbox, &second, &aggregate).await.expect_err("it is claimed");
    assert_eq!(error.code().map(|code| code.code()), Some("55P03"), "lock_not_available");
    drop(second);
    first.commit().await.expect("committed");
    let third = two.transaction().await.expect("begun");
    lock(&outbox, &third, &aggregate).await.expect("free again");
}

#[tokio::test]
async fn another_schema_is_another_outbox() {
    let database = Database::new().await;
    let mut client = database.client().await;
    let copy = "CREATE SCHEMA shop_outbox; CREATE TABLE shop_outbox.events (LIKE outbox.events INCLUDING ALL)";
    client.batch_execute(copy).await.expect("copied");
    let transaction = client.transaction().await.expect("begun");
    let outbox = Outbox::in_schema("shop_outbox").expect("a schema");
    append_to(&outbox, &transaction, &placed("order-1", &Context::now())).await.expect("appended");
    transaction.commit().await.expect("committed");
    let row = client.query_one("SELECT count(*) FROM shop_outbox.events", &[]).await.expect("counted");
    assert_eq!((row.get::<_, i64>(0), database.events().await), (PLACED_EVENTS, 0));
    for wrong in ["", "Shop", "1a", "a-b", "a\"b", "a b"] {
        assert!(Outbox::in_schema(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn too_many_events_and_a_missing_table_are_told_apart() {
    let database = Database::new().await;
    let mut client = database.client().await;
    let event = product::details_requested(a("product-1"), a("request-1"), &Context::now());
    let transaction = client.transaction().await.expect("begun");
    let error = append(&transaction, &vec![event.clone(); EVENTS_MAX + 1]).await.expect_err("too many");
    assert_eq!(error.code(), "TOO_MANY_EVENTS");
    let error = append(&transaction, &vec![large_event(); EVENTS_MAX]).await.expect_err("60 MB");
    assert_eq!(error.code(), "TOO_MANY_BYTES");
    let missing = Outbox::in_schema("nowhere").expect("a schema's name");
    let error = append_to(&missing, &transaction, from_ref(&event)).await.expect_err("no table");
    assert_eq!(error.code(), "DATABASE_ERROR");
    drop(transaction);

    let transaction = client.transaction().await.expect("begun");
    append(&transaction, from_ref(&event)).await.expect("appended");
    let error = append(&transaction, from_ref(&event)).await.expect_err("one id twice");
    assert!(matches!(error, AppendError::Database(_)), "{error:?}");
}

/// A notification with 60 kB of data.
fn large_event() -> Event {
    let order = Order::place(order_in_parts(), &Context::now()).expect("placed").order;
    let data = TemplateData::from_json(&format!(r#"{{"text":"{}"}}"#, "x".repeat(60_000))).expect("an object");
    let request = CustomNotification { template_data: data, ..custom_notification() };
    order.notify(request, &Context::now()).expect("requested").events.remove(0)
}

/// As the order service's own role: it may write the producer's columns, and nothing else.
#[tokio::test]
async fn a_role_that_may_only_insert_can_append() {
    let database = Database::new().await;
    let mut client = database.client().await;
    let role = format!("writer_{}", database.url().len() + std::process::id() as usize);
    let grants = format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA outbox TO {role};
         GRANT INSERT (id, aggregate_type, aggregate_id, event_type, payload, partition_key, event_version, headers,
                       correlation_id, created_at) ON outbox.events TO {role};
         SET ROLE {role}"
    );
    client.batch_execute(&grants).await.expect("granted");
    let transaction = client.transaction().await.expect("begun");
    append(&transaction, &placed("order-1", &Context::now())).await.expect("appended");
    transaction.commit().await.expect("committed");
    assert_eq!(database.events().await, PLACED_EVENTS);
    let drop = format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}");
    client.batch_execute(&drop).await.expect("dropped");
}

/// The unit test of the Notification document, section 10.1, by its name. Nothing here can fail to publish: the row waits in the
/// outbox, which is the retry queue, until a relay has a broker to send it to.
#[tokio::test]
async fn should_handle_publish_errors_by_adding_to_retry_queue() {
    let database = Database::new().await;
    let mut client = database.client().await;
    let transaction = client.transaction().await.expect("a transaction");
    let confirmation = placed("order-1", &at(WHEN)).pop().expect("the request for a confirmation comes last");
    append(&transaction, from_ref(&confirmation)).await.expect("appended");
    transaction.commit().await.expect("committed");
    let sql = "SELECT event_type FROM outbox.events WHERE published_at IS NULL";
    let waiting: String = client.query_one(sql, &[]).await.expect("one row").get(0);
    assert_eq!(waiting, "order.confirmation_notification_requested");
}
