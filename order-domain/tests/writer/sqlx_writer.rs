//! `append` in a `sqlx` transaction: the same rows and the same check.

use order_domain::Context;
use order_domain::event::Aggregate;
use order_domain::outbox::Outbox;
use order_domain::sqlx::{append, lock};
use sqlx::{Connection as _, PgConnection};

use crate::database::{Database, PLACED_EVENTS, placed};
use crate::support::samples::{a, life};

async fn connect(database: &Database) -> PgConnection {
    PgConnection::connect(database.url()).await.expect("the test server is reachable")
}

#[tokio::test]
async fn every_event_of_a_life_is_a_row_with_its_bytes() {
    let (database, events) = (Database::new().await, life());
    let mut connection = connect(&database).await;
    let mut transaction = connection.begin().await.expect("begun");
    append(&mut transaction, &events).await.expect("appended");
    transaction.commit().await.expect("committed");
    let rows = "SELECT id::text, payload::text FROM outbox.events ORDER BY seq";
    let rows = database.client().await.query(rows, &[]).await.expect("read");
    let found: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let expected: Vec<_> = events.iter().map(|e| (e.id().to_string(), e.payload().to_json())).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_rolled_back_order_leaves_no_event() {
    let database = Database::new().await;
    let mut connection = connect(&database).await;
    let mut transaction = connection.begin().await.expect("begun");
    append(&mut transaction, &placed("order-1", &Context::now())).await.expect("appended");
    drop(transaction);
    connection.close().await.expect("closed");
    assert_eq!(database.events().await, 0);
}

#[tokio::test]
async fn two_transactions_on_one_unlocked_aggregate_are_found_out() {
    let database = Database::new().await;
    let (mut one, mut two) = (connect(&database).await, connect(&database).await);
    let mut first = one.begin().await.expect("begun");
    lock(&Outbox::default(), &mut first, &Aggregate::Order(a("order-1"))).await.expect("claimed");
    append(&mut first, &placed("order-1", &Context::now())).await.expect("appended");
    let mut second = two.begin().await.expect("begun");
    let error = append(&mut second, &placed("order-1", &Context::now())).await.expect_err("not alone");
    assert_eq!(error.code(), "AGGREGATE_NOT_LOCKED");
    first.commit().await.expect("committed");
    append(&mut second, &placed("order-1", &Context::now())).await.expect("alone now");
    second.commit().await.expect("committed");
    assert_eq!(database.events().await, 2 * PLACED_EVENTS);
}
