//! Queues and exchanges: what is ours is declared, what is not is looked for, and what is missing stops nothing else.

use std::sync::Arc;

use lapin::ExchangeKind;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use order_domain::amqp::{ConsumerState, Settings};

use crate::ledger::Step;
use crate::stage::{SOON, Stage, quick};
use testkit::wait::eventually;

#[tokio::test]
async fn a_missing_exchange_is_named_and_bound_once_it_is_there_while_the_rest_runs() {
    let stage = Stage::without_exchanges().await;
    for exchange in ["inventory.events", "payment.events"] {
        stage.exchange(exchange, ExchangeKind::Topic).await;
    }
    let ledger = Arc::new(stage.ledger(|_, _| Step::Apply));
    let running = stage.start(&ledger, quick());
    running.ready().await;
    let health = running.consumers.health();
    let missing: Vec<_> = health.iter().map(|health| health.problems.len()).collect();
    assert_eq!(missing, [1, 1, 1, 0, 0, 0, 0, 0], "{health:?}");
    assert!(health[1].problems[0].contains("'inventory.notifications' does not exist"), "{health:?}");
    stage.fact("m-1", "order-1").await;
    eventually(SOON, "the rest is heard", async || ledger.said("applied payment") == 1).await;

    stage.exchange("inventory.notifications", ExchangeKind::Topic).await;
    eventually(SOON, "nothing of Inventory is missing", async || running.consumers.health()[1].problems.is_empty())
        .await;
    let body = br#"{"id": "m-2", "data": {"orderId": "order-1", "inventoryItemId": "inv-1"}}"#;
    let key = "inventory.insufficientstock.inventoryitem";
    stage.send("inventory.notifications", key, lapin::BasicProperties::default(), body).await;
    eventually(SOON, "it is heard", async || ledger.said("applied inventory") == 1).await;
    running.end().await;
}

#[tokio::test]
async fn with_declare_topology_the_exchanges_of_others_are_made() {
    let stage = Stage::without_exchanges().await;
    let ledger = Arc::new(stage.ledger(|_, _| Step::Apply));
    let running = stage.start(&ledger, Settings { declare_topology: true, ..quick() });
    running.ready().await;
    let exchanges = stage.management.exchanges(&stage.vhost).await;
    for name in
        ["inventory.events", "inventory.notifications", "notification.events", "payment.events", "product.events"]
    {
        assert!(exchanges.contains(&(name.to_owned(), "topic".to_owned())), "{exchanges:?}");
    }
    assert!(running.consumers.health().iter().all(|health| health.problems.is_empty()));
    running.end().await;
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_named_and_the_other_consumers_run() {
    let stage = Stage::new().await;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let queue = "OrderService_ProductEvents";
    stage.channel.queue_declare(queue.into(), options, FieldTable::default()).await.expect("declared");
    let ledger = Arc::new(stage.ledger(|_, _| Step::Apply));
    let running = stage.start(&ledger, quick());
    eventually(
        SOON,
        "its consumer fails by name",
        async || matches!(&running.consumers.health()[2].state, ConsumerState::Failing(why) if why.contains(queue)),
    )
    .await;
    stage.idle("OrderService_PaymentEvents").await;
    stage.fact("m-1", "order-1").await;
    eventually(SOON, "the others run", async || ledger.said("applied payment") == 1).await;
    stage.management.delete_queue(&stage.vhost, queue).await;
    eventually(SOON, "it runs once the queue is gone", async || {
        running.consumers.health()[2].state == ConsumerState::Running
    })
    .await;
    running.end().await;
}

/// Somebody deletes the queue of a consumer that runs.
#[tokio::test]
async fn a_queue_that_is_deleted_is_declared_and_bound_again() {
    let stage = Stage::new().await;
    let ledger = Arc::new(stage.ledger(|_, _| Step::Apply));
    let running = stage.start(&ledger, quick());
    running.ready().await;
    let queue = "OrderService_PaymentEvents";
    stage.management.delete_queue(&stage.vhost, queue).await;
    eventually(SOON, "it is there again", async || {
        let info = stage.management.queue(&stage.vhost, queue).await;
        info.is_some_and(|info| info["consumers"] == 1)
    })
    .await;
    stage.fact("m-1", "order-1").await;
    eventually(SOON, "and bound", async || ledger.said("applied") == 1).await;
    running.end().await;
}
