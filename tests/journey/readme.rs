//! What the README tells people to type works as it stands there: the INSERT of every language, the plain SQL, the function.

use testkit::TestBed;
use tokio_postgres::types::{ToSql, Type};

const README: &str = include_str!("../../README.md");

/// Changed by anything that reads it as `jsonb` or as a number.
const PAYLOAD: &str = r#"{"orderId": "order-42", "amount": 50.00, "big":9007199254740993, "a":1,  "a":2}"#;

/// The code blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("a block has an end")).collect()
}

/// The INSERT in a block, its placeholders numbered.
fn insert_of(block: &str) -> String {
    let from = block.find("INSERT INTO outbox.events").expect("the block inserts an event");
    let line = block[from..].lines().next().expect("a line");
    let end = line.find("AS json))").expect("the payload is given as text") + "AS json))".len();
    let mut parts = line[..end].split('?');
    let mut statement = parts.next().expect("a first part").to_owned();
    for (number, part) in parts.enumerate() {
        statement.push_str(&format!("${}{part}", number + 1));
    }
    statement
}

#[tokio::test]
async fn the_insert_of_every_language_keeps_the_payloads_bytes() {
    let bed = TestBed::new("readme").await;
    bed.migrate().await;
    let client = bed.client().await;
    for language in ["java", "js", "go", "rust"] {
        let statement = insert_of(blocks(language)[0]);
        let values = ["Order", language, "order.paid", PAYLOAD];
        let params: Vec<_> = values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
        client.execute_typed(&statement, &params).await.unwrap_or_else(|error| panic!("{language}: {error:?}"));
        let stored = "SELECT payload::text FROM outbox.events WHERE aggregate_id = $1";
        let stored: String = client.query_one(stored, &[&language]).await.expect("the event is there").get(0);
        assert_eq!(stored, PAYLOAD, "{language}");
    }
}

#[tokio::test]
async fn the_plain_sql_and_the_function_insert_an_event() {
    let bed = TestBed::new("readme sql").await;
    bed.migrate().await;
    let client = bed.client().await;
    client.batch_execute("ALTER TABLE orders ADD COLUMN status text").await.expect("the README's order has a status");
    let transaction = blocks("sql").into_iter().find(|block| block.starts_with("BEGIN;")).expect("a transaction");
    client.batch_execute(transaction).await.expect("the transaction of the README is taken");
    let from = README.find("SELECT outbox.emit(").expect("the README has the function");
    let call = README[from..].split('`').next().expect("it ends").replace('…', "");
    client.batch_execute(&call).await.expect("the function of the README is taken");
    let events = "SELECT count(*) FROM outbox.events WHERE aggregate_id = 'order-42' AND published_at IS NULL";
    assert_eq!(client.query_one(events, &[]).await.expect("a count").get::<_, i64>(0), 2);
}
