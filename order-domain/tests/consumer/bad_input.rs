//! What nobody can use: each is acknowledged once, put aside with its reason, leaves nothing half-written, and no body gets
//! into a log.

use std::io::Write;
use std::sync::{Arc, Mutex};

use lapin::BasicProperties;
use order_domain::amqp::Settings;
use order_domain::inbound::DeadReason;
use tracing_subscriber::fmt::MakeWriter;

use crate::ledger::Step;
use crate::stage::{SOON, Stage};
use testkit::wait::eventually;

/// Stands in every body, and must stand in no log.
const SECRET: &str = "jane.doe@example.com";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[rustfmt::skip]
fn rows() -> Vec<(&'static str, &'static str, Vec<u8>, &'static str)> {
    let fact = |fields: &str| format!(r#"{{"id": "{SECRET}", {fields}}}"#).into_bytes();
    let failed = r#""data": {"orderId": "order-1", "paymentId": "pay-1", "note": "jane.doe@example.com"}"#;
    let mut bad_utf8 = fact(failed);
    bad_utf8.push(0xff);
    let huge = format!(r#"{{"id": "{SECRET}", "data": {{"fill": "{}"}}}}"#, "x".repeat(10 * 1024 * 1024));
    vec![
        ("no JSON", "payment.failed", b"jane.doe@example.com".to_vec(), "SCHEMA_INVALID"),
        ("nothing", "payment.failed", Vec::new(), "SCHEMA_INVALID"),
        ("no envelope", "payment.failed", fact(r#""a": 1"#), "SCHEMA_INVALID"),
        ("a list", "payment.failed", b"[1, \"jane.doe@example.com\"]".to_vec(), "SCHEMA_INVALID"),
        ("wrong field type", "payment.failed", fact(r#""data": {"orderId": 7, "paymentId": "pay-1"}"#), "SCHEMA_INVALID"),
        ("a price below zero", "product.updated", fact(r#""data": {"productId": "p", "price": -1}"#), "SCHEMA_INVALID"),
        ("a price as a text", "product.updated", fact(r#""data": {"productId": "p", "price": "1"}"#), "SCHEMA_INVALID"),
        ("an id over 255 bytes", "payment.failed", fact(&format!(r#""data": {{"orderId": "{}", "paymentId": "pay-1"}}"#, "o".repeat(256))), "SCHEMA_INVALID"),
        ("bad UTF-8", "payment.failed", bad_utf8, "SCHEMA_INVALID"),
        ("a higher major", "payment.failed", fact(&format!(r#""type": "payment.failed", "dataVersion": "2.0", {failed}"#)), "UNSUPPORTED_VERSION"),
        ("a type that contradicts", "payment.failed", fact(&format!(r#""type": "payment.completed", {failed}"#)), "UNKNOWN_EVENT_TYPE"),
        ("an unknown key", "payment.nonsense", fact(failed), "UNKNOWN_EVENT_TYPE"),
        ("an unknown order", "payment.failed", fact(r#""data": {"orderId": "nobody's", "paymentId": "pay-1"}"#), "ORDER_UNKNOWN"),
        ("an unknown item", "payment.failed", fact(r#""data": {"orderId": "other's", "paymentId": "pay-1"}"#), "ITEM_UNKNOWN"),
        ("10 MB", "payment.failed", huge.into_bytes(), "PAYLOAD_TOO_LARGE"),
    ]
}

#[tokio::test]
async fn each_bad_message_is_put_aside_once_with_its_reason() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    // For the whole binary: a subscriber of one thread misses what other tests have logged first. No other test sends the secret.
    tracing::subscriber::set_global_default(subscriber).expect("there is no other log");
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|message, _| match message.fact.order_id().map(|id| id.as_str()) {
        Some("nobody's") => Step::Dead(DeadReason::OrderUnknown),
        Some("other's") => Step::Dead(DeadReason::ItemUnknown),
        Some(_) | None => Step::Apply,
    }));
    let running = stage.start(&ledger, Settings::default());
    running.ready().await;
    let bind = lapin::options::QueueBindOptions::default();
    let queue = "OrderService_PaymentEvents";
    let none = lapin::types::FieldTable::default();
    let bound = stage.channel.queue_bind(queue.into(), "payment.events".into(), "payment.nonsense".into(), bind, none);
    bound.await.expect("somebody binds what nobody reads");

    let rows = rows();
    for (number, (_, key, body, _)) in rows.iter().enumerate() {
        let exchange = if key.starts_with("product") { "product.events" } else { "payment.events" };
        let properties = BasicProperties::default().with_message_id(format!("row-{number:02}").into());
        stage.send(exchange, key, properties, body).await;
    }
    eventually(SOON, "every one is stored", async || stage.letters().await.len() == rows.len()).await;
    for (letter, (what, key, _, reason)) in stage.letters().await.iter().zip(&rows) {
        assert_eq!((letter.1.as_str(), letter.2, letter.3.as_str()), (*reason, 1, *key), "{what}");
    }
    assert_eq!(ledger.said("dead "), 2 * rows.len(), "each was acknowledged once: {:?}", ledger.everything());
    assert_eq!(ledger.said("retried"), 0);
    assert_eq!(stage.effects().await, (0, 0), "nothing is half-written");
    let marks: i64 = stage.ask("SELECT count(*) FROM inbox.handled_messages", &[]).await;
    assert_eq!(marks, 0, "a replay would meet no mark");
    let (kept, bytes): (i32, i64) = {
        let client = stage.database.client().await;
        let sql = "SELECT octet_length(body), bytes FROM letters WHERE reason = 'PAYLOAD_TOO_LARGE'";
        let row = client.query_one(sql, &[]).await.expect("the large one");
        (row.get(0), row.get(1))
    };
    assert_eq!(kept, 4096, "the start of it");
    assert!(bytes > 10 * 1024 * 1024, "{bytes}");
    running.end().await;
    let log = String::from_utf8(log.0.lock().expect("no writer panicked").clone()).expect("a log of text");
    assert!(log.contains("a message became a dead letter") && log.contains("SCHEMA_INVALID"), "{log}");
    assert!(!log.contains(SECRET) && !log.contains("nobody's\", \"paymentId"), "a body is in the log");
}
