//! Reserving stock before an order is placed: what Inventory says, what it does not say, and that nothing is reserved twice.

use serde_json::{Value, json};

use crate::bodies;
use crate::neighbours::{Fault, inventory};
use crate::server::nobody;
use crate::stage::{Stage, until};

/// Places an order that is to be reserved first, and answers with it as it is read.
async fn placed(stage: &Stage) -> Value {
    let body = bodies::order(|body| body["allocation"] = json!("SYNCHRONOUS"));
    let order = stage.place(&uuid::Uuid::new_v4().to_string(), &body).await.data(201);
    stage.get(&format!("/orders/{}", order["id"].as_str().expect("an id"))).await.data(200)
}

/// What Inventory is told of the order by its event.
async fn is_to_allocate(stage: &Stage, order: &Value) -> bool {
    let sql = "SELECT payload ->> 'requiresPreAllocation' = 'true' FROM outbox.events
               WHERE aggregate_id = $1 AND event_type = 'order.created_for_inventory'";
    let id = order["id"].as_str().expect("an id");
    stage.database.client().await.query_one(sql, &[&id]).await.expect("one event").get(0)
}

#[tokio::test]
async fn stock_is_reserved_before_the_order_is_placed_and_not_again_by_its_event() {
    let inventory = inventory().await;
    let stage = Stage::with(&["--inventory-url", &inventory.server.url()]).await;
    let order = placed(&stage).await;
    assert_eq!(inventory.lines(), ["POST /allocations/bulk"]);
    let sent = inventory.server.requests()[0].json();
    let item = &sent["items"][0];
    assert_eq!((&sent["orderId"], &item["quantity"]), (&order["id"], &json!(3)));
    assert!(item["expiresAt"].is_string(), "an order that is never committed leaves nothing");
    let allocation = &order["items"][0]["allocation"];
    assert_eq!((&allocation["status"], &allocation["warehouseId"]), (&json!("PENDING"), &json!("wh-1")));
    assert!(!is_to_allocate(&stage, &order).await);
    assert_eq!(order["reviews"][0]["reason"], "ALLOCATION", "the second line has no stock item");
    assert_eq!(inventory.with(|stock| stock.live().len()), 1);
}

#[tokio::test]
async fn an_order_without_that_wish_asks_nobody() {
    let inventory = inventory().await;
    let stage = Stage::with(&["--inventory-url", &inventory.server.url()]).await;
    let id = stage.placed().await;
    assert!(inventory.lines().is_empty());
    let order = stage.get(&format!("/orders/{id}")).await.data(200);
    assert!(is_to_allocate(&stage, &order).await);
}

#[tokio::test]
async fn missing_stock_is_refused_with_what_inventory_says() {
    let inventory = inventory().await;
    let stage = Stage::with(&["--inventory-url", &inventory.server.url()]).await;
    inventory.with(|stock| stock.is_empty = true);
    let body = bodies::order(|body| body["allocation"] = json!("SYNCHRONOUS"));
    let refused = stage.place("key-1", &body).await;
    assert_eq!(refused.problem(), "409 STOCK_REFUSED");
    let error = &refused.json()["error"];
    assert_eq!(error["message"], "Not enough inventory available");
    assert_eq!(error["details"], json!({"requested": 3, "available": 2, "inventoryCode": "INSUFFICIENT_STOCK"}));
    assert_eq!(stage.counts().await, (0, 0));
}

#[tokio::test]
async fn inventory_that_was_surely_not_asked_hears_of_the_order_by_its_event() {
    let stage = Stage::with(&["--inventory-url", &nobody().await]).await;
    let order = placed(&stage).await;
    assert_eq!(order["items"][0]["allocation"]["status"], "OPTIMISTIC");
    assert!(is_to_allocate(&stage, &order).await);
}

#[tokio::test]
async fn a_timeout_after_inventory_has_reserved_reserves_once_in_the_end() {
    let inventory = inventory().await;
    let stage = Stage::with(&["--inventory-url", &inventory.server.url(), "--reconcile-seconds", "1"]).await;
    inventory.with(|stock| stock.is_silent_once = true);
    let order = placed(&stage).await;
    assert!(!is_to_allocate(&stage, &order).await, "it may have reserved: it is not asked a second time");
    let sql = "SELECT count(*) = 1 FROM order_service.allocations WHERE state = 'PENDING'";
    until(&stage.database.client().await, "the reservation is found", sql).await;
    let id = order["id"].as_str().expect("an id");
    let order = stage.get(&format!("/orders/{id}")).await.data(200);
    assert_eq!(order["items"][0]["allocation"]["warehouseId"], "wh-1");
    let posts = inventory.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!((posts, inventory.with(|stock| stock.records.len())), (1, 1));
}

#[tokio::test]
async fn the_stock_of_a_paid_order_is_confirmed_and_of_a_cancelled_one_given_back_where_events_were_lost() {
    let inventory = inventory().await;
    let stage = Stage::with(&["--inventory-url", &inventory.server.url(), "--reconcile-seconds", "1"]).await;
    let (paid, cancelled) = (placed(&stage).await, placed(&stage).await);
    let path = |order: &Value, what: &str| format!("/orders/{}/{what}", order["id"].as_str().expect("an id"));
    stage.post(&path(&paid, "start-payment"), &json!({"paymentId": "pay-1"})).await.data(200);
    inventory.set(Fault::Fails);
    stage.post(&path(&paid, "complete-payment"), &bodies::paid()).await.data(200);
    stage.post(&path(&cancelled, "cancel"), &bodies::reason()).await.data(200);
    inventory.set(Fault::None);
    let sql =
        "SELECT count(*) FILTER (WHERE state = 'CONFIRMED') = 1 AND count(*) FILTER (WHERE state = 'UNAVAILABLE') = 1
               FROM order_service.allocations";
    until(&stage.database.client().await, "both sides agree", sql).await;
    let live = inventory.with(|stock| stock.live());
    assert_eq!((live.len(), &live[0]["orderId"], &live[0]["status"]), (1, &paid["id"], &json!("CONFIRMED")));
}
