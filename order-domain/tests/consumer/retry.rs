//! A message that cannot be handled is tried again after 1, 2 and 4 s, by its own queue alone, and then is a dead letter.

use std::sync::Arc;
use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use order_domain::amqp::{Settings, retry_queue};

use crate::ledger::Step;
use crate::stage::{SOON, Stage, quick};
use testkit::wait::eventually;

#[tokio::test]
async fn it_is_tried_four_times_at_0_1_3_and_7_seconds_and_then_put_aside() {
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|message, _| if message.id == "bad" { Step::Fail } else { Step::Apply }));
    let running = stage.start(&ledger, Settings::default());
    running.ready().await;
    stage.fact("bad", "order-1").await;
    stage.fact("good", "order-1").await;
    eventually(SOON, "it is a dead letter", async || stage.letters().await.len() == 1).await;
    let letter = ("bad".into(), "MAX_RETRIES_EXCEEDED".into(), 4, "payment.failed".into());
    assert_eq!(stage.letters().await, [letter]);
    let tries = ledger.tries("bad");
    let pauses: Vec<_> = tries.windows(2).map(|pair| pair[1].duration_since(pair[0])).collect();
    assert_eq!(pauses.len(), 3);
    for (pause, seconds) in pauses.iter().zip([1, 2, 4]) {
        let least = Duration::from_secs(seconds);
        assert!(*pause >= least && *pause < least + Duration::from_secs(3), "{pauses:?}");
    }
    assert_eq!(
        stage.effects().await,
        (1, 1),
        "a try that failed left nothing behind, and the other message was handled"
    );
    assert_eq!((ledger.said("retried 1"), ledger.said("retried 2"), ledger.said("retried 3")), (1, 1, 1));
    let marks: i64 = stage.ask("SELECT count(*) FROM inbox.handled_messages", &[]).await;
    assert_eq!(marks, 1, "a message without effect has no mark");
    running.end().await;
}

#[tokio::test]
async fn a_try_that_works_is_the_last_one_and_the_only_effect() {
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|message, number| match (message.id.as_str(), number) {
        ("third", 0 | 1) => Step::Fail,
        ("panics", 0) => Step::Panic,
        _ => Step::Apply,
    }));
    let running = stage.start(&ledger, quick());
    running.ready().await;
    stage.fact("third", "order-1").await;
    stage.fact("panics", "order-1").await;
    eventually(SOON, "both are applied", async || ledger.said("applied") == 2).await;
    assert_eq!((ledger.tries("third").len(), ledger.tries("panics").len()), (3, 2));
    assert_eq!(stage.effects().await, (2, 2));
    assert_eq!(ledger.said("dead letter"), 0);
    running.end().await;
}

/// One queue for each delay: in a common one the first message's 4 s would hold the others back.
#[tokio::test]
async fn a_long_delay_holds_no_short_one_back() {
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|message, number| match (message.id.as_str(), number) {
        ("slow", 0 | 1) | ("quick", 0) => Step::Fail,
        _ => Step::Apply,
    }));
    let delays = [Duration::from_millis(100), Duration::from_secs(5)];
    let running = stage.start(&ledger, Settings { retry_delays: delays.to_vec(), ..quick() });
    running.ready().await;
    stage.fact("slow", "order-1").await;
    eventually(SOON, "it waits for long", async || ledger.tries("slow").len() == 2).await;
    stage.fact("quick", "order-1").await;
    eventually(SOON, "the other one is applied", async || ledger.said("applied") == 1).await;
    assert_eq!(ledger.tries("slow").len(), 2, "it still waits");
    eventually(SOON, "and it is applied", async || ledger.said("applied") == 2).await;
    running.end().await;
}

#[tokio::test]
async fn a_copy_comes_back_to_its_own_queue_alone_with_its_id_key_and_headers() {
    let stage = Stage::new().await;
    for queue in ["other", "by-cc"] {
        let options = QueueDeclareOptions::default();
        stage.channel.queue_declare(queue.into(), options, FieldTable::default()).await.expect("declared");
    }
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    stage.channel.queue_bind("other".into(), "payment.events".into(), "#".into(), options, none).await.expect("bound");
    let ledger = Arc::new(stage.ledger(|message, number| {
        assert_eq!(message.correlation_id.as_ref().map(|id| id.as_str()), Some("corr-1"));
        assert!(message.traceparent.is_some(), "the trace goes on");
        if number < 2 { Step::Fail } else { Step::Apply }
    }));
    let running = stage.start(&ledger, quick());
    running.ready().await;
    let mut headers = FieldTable::default();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    headers.insert("traceparent".into(), AMQPValue::LongString(trace.into()));
    headers.insert("CC".into(), AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::LongString("by-cc".into())])));
    // A neighbour that sends our count charges the message nothing.
    headers.insert("x-inbound-attempts".into(), AMQPValue::LongUInt(3));
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_correlation_id("corr-1".into())
        .with_expiration("60000".into());
    let body = br#"{"data": {"orderId": "order-1", "paymentId": "pay-1"}}"#;
    stage.send("payment.events", "payment.failed", properties, body).await;
    eventually(SOON, "the third try is applied", async || ledger.said("applied") == 1).await;
    assert_eq!(ledger.everything().iter().filter(|seen| seen.starts_with("retried")).count(), 2);
    assert_eq!(stage.effects().await, (1, 1), "the id of a message without one stays the same");
    assert!(stage.take("other").await.is_some(), "another service's queue got the message");
    assert!(stage.take("other").await.is_none(), "and no copy of it");
    assert!(stage.take("by-cc").await.is_none(), "a copy takes none of the sender's other ways");
    assert_eq!(retry_queue("q", Duration::from_secs(2)), "q.retry.2s");
    running.end().await;
}
