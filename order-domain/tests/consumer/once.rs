//! A message has its effect once, however often and at whatever times its copies come.

use std::sync::Arc;
use std::time::Duration;

use lapin::BasicProperties;
use order_domain::amqp::Settings;

use crate::ledger::Step;
use crate::stage::{SOON, Stage};
use testkit::wait::eventually;

#[tokio::test]
async fn the_same_message_three_times_at_once_has_one_effect_and_three_acknowledgements() {
    let stage = Stage::new().await;
    // With the transaction open for a while, the copies meet at the mark.
    let ledger = Arc::new(stage.ledger(|_, _| Step::Slowly(Duration::from_millis(300))));
    let running = stage.start(&ledger, Settings::default());
    running.ready().await;
    for _ in 0..3 {
        stage.fact("m-1", "order-1").await;
    }
    eventually(SOON, "all three are handled", async || {
        ledger.said("applied payment") + ledger.said("duplicate payment") == 3
    })
    .await;
    assert_eq!((ledger.said("applied"), ledger.said("duplicate")), (1, 2));
    assert_eq!(stage.effects().await, (1, 1));
    stage.idle("OrderService_PaymentEvents").await;
    running.end().await;
}

#[tokio::test]
async fn a_copy_that_comes_later_is_a_duplicate_and_another_id_is_another_message() {
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|_, _| Step::Apply));
    let running = stage.start(&ledger, Settings::default());
    running.ready().await;
    stage.fact("m-1", "order-1").await;
    eventually(SOON, "it is applied", async || ledger.said("applied") == 1).await;
    stage.fact("m-1", "order-1").await;
    // The same id by AMQP's property and by a standard envelope.
    let properties = BasicProperties::default().with_message_id("m-1".into());
    let body = br#"{"data": {"orderId": "order-1", "paymentId": "pay-1"}}"#;
    stage.send("payment.events", "payment.failed", properties, body).await;
    let body = br#"{"messageId": "msg-m-1", "messageType": "PaymentFailedEvent", "payload": {"orderId": "order-1", "paymentId": "pay-1"}}"#;
    stage.send("payment.events", "payment.failed", BasicProperties::default(), body).await;
    stage.fact("m-2", "order-1").await;
    eventually(SOON, "all five are handled", async || ledger.said("applied") + ledger.said("duplicate") == 5).await;
    assert_eq!((ledger.said("applied"), ledger.said("duplicate")), (2, 3));
    assert_eq!(stage.effects().await, (2, 2));
    running.end().await;
}

#[tokio::test]
async fn a_message_without_any_id_is_known_by_its_key_and_body() {
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|_, _| Step::Apply));
    let running = stage.start(&ledger, Settings::default());
    running.ready().await;
    let sent = |at: &str| {
        format!(
            r#"{{"eventType": "notification.sent", "notificationId": "n-1", "orderId": "order-1", "type": "CUSTOM",
                "channels": ["EMAIL"], "sentAt": "{at}", "messageId": "msg_1"}}"#
        )
    };
    for at in ["2023-11-21T15:27:38.456Z", "2023-11-21T15:27:38.456Z", "2023-11-21T15:27:39.456Z"] {
        let body = sent(at);
        stage.send("notification.events", "notification.sent", BasicProperties::default(), body.as_bytes()).await;
    }
    eventually(SOON, "all three are handled", async || ledger.said("applied") + ledger.said("duplicate") == 3).await;
    // The provider's messageId is not an id of the event: two reports of one notification are two messages.
    assert_eq!((ledger.said("applied"), ledger.said("duplicate")), (2, 1));
    running.end().await;
}
