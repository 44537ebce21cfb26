//! When the service ends, what is at hand is finished and acknowledged, and the rest is handed back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use order_domain::amqp::{ConsumerState, Settings};

use crate::ledger::Step;
use crate::stage::{SOON, Stage};
use testkit::wait::eventually;

#[tokio::test]
async fn what_is_at_hand_is_finished_and_the_rest_is_for_another_replica() {
    let stage = Stage::new().await;
    let slow = Arc::new(stage.ledger(|_, _| Step::Slowly(Duration::from_secs(1))));
    let running = stage.start(&slow, Settings { work_max: 2, ..Settings::default() });
    running.ready().await;
    for number in 0..6 {
        stage.fact(&format!("m-{number}"), "order-1").await;
    }
    eventually(SOON, "two are at hand", async || slow.tries("m-0").len() + slow.tries("m-1").len() == 2).await;
    let health = running.consumers.watch();
    running.end().await;
    assert_eq!(slow.said("applied"), 2, "they were finished and acknowledged: {:?}", slow.everything());
    assert!(health.iter().all(|health| health.borrow().state == ConsumerState::Stopped));
    assert_eq!(stage.waiting("OrderService_PaymentEvents").await, 4);
    let other = Arc::new(stage.ledger(|_, _| Step::Apply));
    let running = stage.start(&other, Settings::default());
    eventually(SOON, "another replica has the rest", async || other.said("applied") == 4).await;
    assert_eq!(other.said("duplicate"), 0, "none of them was handled twice");
    assert_eq!(stage.effects().await, (6, 6));
    running.end().await;
}

#[tokio::test]
async fn a_handler_that_hangs_ends_with_the_drain_time_and_leaves_nothing() {
    let stage = Stage::new().await;
    let hanging = Arc::new(stage.ledger(|_, _| Step::Slowly(Duration::from_secs(600))));
    let settings = Settings { drain_timeout: Duration::from_millis(500), ..Settings::default() };
    let running = stage.start(&hanging, settings);
    running.ready().await;
    stage.fact("m-1", "order-1").await;
    eventually(SOON, "it is at hand", async || hanging.tries("m-1").len() == 1).await;
    let started = Instant::now();
    running.end().await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(stage.effects().await, (0, 0));
    assert_eq!(stage.waiting("OrderService_PaymentEvents").await, 1);
}
