//! Connections are cut at the worst moments: effects equal distinct messages, by a ledger.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::ledger::Step;
use crate::stage::{SOON, Stage, quick};
use testkit::proxy::Proxy;
use testkit::wait::eventually;

#[tokio::test]
async fn a_connection_that_ends_between_commit_and_acknowledgement_makes_a_duplicate_and_no_second_effect() {
    let stage = Stage::new().await;
    let proxy = Arc::new(Proxy::start(stage.broker()).await);
    let (cutter, first) = (Arc::clone(&proxy), AtomicBool::new(true));
    let ledger = stage.ledger(|_, _| Step::Apply).after_commit(move |_| {
        if first.swap(false, Ordering::SeqCst) {
            cutter.reset_all();
        }
    });
    let ledger = Arc::new(ledger);
    let running = stage.start_through(&ledger, quick(), proxy.addr());
    running.ready().await;
    stage.fact("m-1", "order-1").await;
    eventually(SOON, "the copy is a duplicate", async || ledger.said("duplicate") == 1).await;
    assert_eq!(stage.effects().await, (1, 1));
    assert_eq!(ledger.tries("m-1").len(), 2);
    assert_eq!((ledger.said("retried"), ledger.said("dead letter")), (0, 0), "{:?}", ledger.everything());
    stage.idle("OrderService_PaymentEvents").await;
    running.end().await;
}

/// Between COMMIT and acknowledgement, between the copy for a retry and its acknowledgement, in the middle of a frame: wherever
/// the cuts fall.
#[tokio::test]
async fn through_many_cuts_effects_equal_distinct_messages() {
    const MESSAGES: i64 = 200;
    let stage = Stage::new().await;
    let proxy = Proxy::start(stage.broker()).await;
    // Every third message fails once; by the message and not by the try, as copies may be tried twice.
    let failed = Mutex::new(HashSet::new());
    let ledger = Arc::new(stage.ledger(move |message, _| {
        let number: i64 = message.id.trim_start_matches("m-").parse().expect("a number");
        let is_first = failed.lock().expect("no handler panicked").insert(number);
        if number % 3 == 0 && is_first { Step::Fail } else { Step::Slowly(Duration::from_millis(10)) }
    }));
    let running = stage.start_through(&ledger, quick(), proxy.addr());
    running.ready().await;
    for number in 0..MESSAGES {
        stage.fact(&format!("m-{number}"), &format!("order-{}", number % 7)).await;
        if number % 40 == 20 {
            proxy.reset_all();
        }
    }
    for _ in 0..4 {
        let before = stage.effects().await.0;
        eventually(SOON, "it goes on", async || {
            let now = stage.effects().await.0;
            now > before + 5 || now == MESSAGES
        })
        .await;
        proxy.reset_all();
    }
    eventually(SOON, "every message has its effect", async || stage.effects().await.1 == MESSAGES).await;
    stage.idle("OrderService_PaymentEvents").await;
    assert_eq!(stage.effects().await, (MESSAGES, MESSAGES));
    assert_eq!(stage.letters().await, []);
    running.end().await;
}
