//! Dead letters of every origin are stored by one handler, and stay in the broker until they are.

use std::sync::Arc;

use lapin::BasicProperties;
use order_domain::amqp::Settings;
use serde_json::json;

use crate::ledger::Step;
use crate::stage::{SOON, Stage, quick};
use testkit::wait::eventually;

#[tokio::test]
async fn what_the_notification_service_gave_up_is_a_dead_letter_and_raises_the_alert() {
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|message, _| match &message.fact {
        order_domain::inbound::Fact::Notification(_) => {
            Step::Dead(order_domain::inbound::DeadReason::MaxRetriesExceeded)
        }
        _ => Step::Apply,
    }));
    let running = stage.start(&ledger, Settings::default());
    running.ready().await;
    for (id, kind) in [("e-1", "ORDER_CONFIRMATION"), ("e-2", "CUSTOM")] {
        let body = json!({"id": id, "data": {"type": kind, "orderId": "order-1", "retryCount": 5}}).to_string();
        let key = "notification.retry.maxattempts";
        stage.send("notification.events", key, BasicProperties::default(), body.as_bytes()).await;
    }
    eventually(SOON, "both are stored", async || stage.letters().await.len() == 2).await;
    eventually(SOON, "both are acknowledged", async || ledger.said("stored") == 2).await;
    let letters = stage.letters().await;
    assert_eq!((letters[0].0.as_str(), letters[0].1.as_str()), ("e-1", "MAX_RETRIES_EXCEEDED"));
    let alert = r#"alert {"orderId":"order-1","notificationType":"ORDER_CONFIRMATION","retryCount":5}"#;
    assert_eq!(ledger.said(alert), 1, "{:?}", ledger.everything());
    assert_eq!(ledger.said("alert"), 1, "a type that is not critical raises none");
    running.end().await;
}

#[tokio::test]
async fn a_letter_that_cannot_be_stored_waits_and_is_stored_in_the_end() {
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|_, _| Step::Apply));
    ledger.refuse_letters(true);
    let running = stage.start(&ledger, quick());
    running.ready().await;
    let properties = BasicProperties::default().with_message_id("m-1".into());
    stage.send("payment.events", "payment.failed", properties, b"nonsense").await;
    eventually(SOON, "it became a letter", async || ledger.said("dead letter SCHEMA_INVALID") == 1).await;
    stage.fact("good", "order-1").await;
    eventually(SOON, "others are handled meanwhile", async || ledger.said("applied") == 1).await;
    assert_eq!(stage.letters().await, []);
    ledger.refuse_letters(false);
    eventually(SOON, "it is stored", async || stage.letters().await.len() == 1).await;
    let letter = ("m-1".into(), "SCHEMA_INVALID".into(), 1, "payment.failed".into());
    assert_eq!(stage.letters().await, [letter], "with all that was known of it");
    running.end().await;
}

#[tokio::test]
async fn what_the_broker_puts_aside_comes_the_same_way() {
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|_, _| Step::Apply));
    let running = stage.start(&ledger, quick());
    running.ready().await;
    running.end().await;
    let queue = "OrderService_PaymentEvents";
    stage.management.put_policy(&stage.vhost, "short", &format!("^{queue}$"), json!({"max-length": 1})).await;
    eventually(SOON, "the policy holds", async || {
        let info = stage.management.queue(&stage.vhost, queue).await;
        info.is_some_and(|info| info["policy"] == "short")
    })
    .await;
    for id in ["m-1", "m-2", "m-3"] {
        stage.fact(id, "order-1").await;
    }
    let running = stage.start(&ledger, quick());
    running.ready().await;
    eventually(SOON, "two are stored", async || stage.letters().await.len() == 2).await;
    let letter = |id: &str| (id.into(), "REJECTED_BY_BROKER".into(), 0, "payment.failed".into());
    assert_eq!(stage.letters().await, [letter("m-1"), letter("m-2")]);
    let exchange: String = stage.ask("SELECT DISTINCT exchange FROM letters", &[]).await;
    assert_eq!(exchange, "payment.events");
    eventually(SOON, "the last one is handled", async || ledger.said("applied") == 1).await;
    running.end().await;
}
