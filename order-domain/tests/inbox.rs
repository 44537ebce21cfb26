//! The inbox with a real PostgreSQL. `dev/with-services NAME -- cargo test -p order-domain --features postgres --test inbox`.

mod support;

#[path = "writer/database.rs"]
#[allow(dead_code, reason = "the tests of the writers use the rest")]
mod database;

use std::time::Duration;

use database::Database;
use order_domain::inbound::FaultKind;
use order_domain::inbox::{self, RETENTION_MIN, Retention};
use tokio_postgres::Client;

async fn database() -> Database {
    let database = Database::new().await;
    for _ in 0..2 {
        database
            .client()
            .await
            .batch_execute(inbox::TABLE)
            .await
            .expect("the table is made, and making it again does nothing");
    }
    database
}

async fn marks(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM inbox.handled_messages", &[]).await.expect("counted").get(0)
}

#[tokio::test]
async fn a_message_is_handled_once_by_each_consumer() {
    let database = database().await;
    let mut client = database.client().await;
    for (consumer, id, is_first) in
        [("billing", "m-1", true), ("billing", "m-1", false), ("shipping", "m-1", true), ("billing", "m-2", true)]
    {
        let transaction = client.transaction().await.expect("a transaction");
        assert_eq!(inbox::once(&transaction, consumer, id).await.expect("marked"), is_first, "{consumer} {id}");
        transaction.commit().await.expect("committed");
    }
    assert_eq!(marks(&client).await, 3);
}

#[tokio::test]
async fn a_try_that_fails_leaves_no_mark_and_a_forgotten_one_is_handled_again() {
    let database = database().await;
    let mut client = database.client().await;
    let transaction = client.transaction().await.expect("a transaction");
    assert!(inbox::once(&transaction, "billing", "m-1").await.expect("marked"));
    transaction.rollback().await.expect("rolled back");
    let transaction = client.transaction().await.expect("a transaction");
    assert!(inbox::once(&transaction, "billing", "m-1").await.expect("marked"));
    assert!(inbox::forget(&transaction, "billing", "m-1").await.expect("forgotten"));
    assert!(!inbox::forget(&transaction, "billing", "m-1").await.expect("forgotten already"));
    assert!(inbox::once(&transaction, "billing", "m-1").await.expect("marked again"));
    transaction.commit().await.expect("committed");
    assert_eq!(marks(&client).await, 1);
}

#[tokio::test]
async fn of_two_at_once_the_second_waits_and_then_depends_on_the_first() {
    let database = database().await;
    for commits in [true, false] {
        let id = format!("m-{commits}");
        let mut first = database.client().await;
        let one = first.transaction().await.expect("a transaction");
        assert!(inbox::once(&one, "billing", &id).await.expect("marked"));
        let mut second = database.client().await;
        let second_id = id.clone();
        let two = tokio::spawn(async move {
            let transaction = second.transaction().await.expect("a transaction");
            let is_first = inbox::once(&transaction, "billing", &second_id).await.expect("an answer");
            transaction.commit().await.expect("committed");
            is_first
        });
        let watcher = database.client().await;
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while watcher.query_one(waiting, &[]).await.expect("asked").get::<_, i64>(0) == 0 {
            assert!(std::time::Instant::now() < end, "the second does not wait");
            tokio::time::sleep(Duration::from_millis(10)).await; // between two looks
        }
        if commits {
            one.commit().await.expect("committed");
        } else {
            one.rollback().await.expect("rolled back");
        }
        assert_eq!(two.await.expect("the second ends"), !commits);
    }
}

#[tokio::test]
async fn old_marks_are_deleted_in_chunks_and_young_ones_stay() {
    let database = database().await;
    let client = database.client().await;
    let fill = "INSERT INTO inbox.handled_messages SELECT 'billing', 'old-' || n, now() - interval '15 days' FROM generate_series(1, 25) n
                UNION ALL SELECT 'billing', 'young-' || n, now() - interval '13 days' FROM generate_series(1, 5) n";
    client.execute(fill, &[]).await.expect("filled");
    let mut deleted = Vec::new();
    while deleted.last() != Some(&0) {
        deleted.push(inbox::clean(&client, Retention::default(), 10).await.expect("deleted"));
    }
    assert_eq!(deleted, [10, 10, 5, 0]);
    assert_eq!(marks(&client).await, 5);
    assert!(Retention::new(RETENTION_MIN - Duration::from_secs(1)).is_err(), "a relay may send it again");
    assert!(Retention::new(RETENTION_MIN).is_ok());
}

#[tokio::test]
async fn what_no_table_takes_is_the_messages_fault_and_everything_else_is_not() {
    let database = database().await;
    let client = database.client().await;
    client
        .batch_execute("CREATE TABLE t (n int CHECK (n > 0), PRIMARY KEY (n)); INSERT INTO t VALUES (1)")
        .await
        .expect("made");
    for (sql, kind) in [
        ("INSERT INTO t VALUES (1)", FaultKind::Message),
        ("INSERT INTO t VALUES (0)", FaultKind::Message),
        ("SELECT 'x'::int", FaultKind::Message),
        ("SELECT 1 FROM nothing_of_that_name", FaultKind::Infrastructure),
        ("SET statement_timeout = '1ms'; SELECT pg_sleep(1)", FaultKind::Infrastructure),
        ("SELECT pg_terminate_backend(pg_backend_pid())", FaultKind::Infrastructure),
        ("SELECT 1", FaultKind::Infrastructure),
    ] {
        let error = client.batch_execute(sql).await.expect_err(sql);
        let fault = inbox::fault(&error);
        assert_eq!(fault.kind, kind, "{sql}: {fault}");
    }
}
