//! Placing orders: once for each key.

use serde_json::{Value, json};

use crate::bodies;
use crate::http::Request;
use crate::stage::{Stage, place};

#[tokio::test]
async fn an_order_that_was_placed_can_be_read_and_its_events_are_in_the_outbox() {
    let stage = Stage::new().await;
    let placed = stage.place("key-1", bodies::ORDER).await;
    let order = placed.data(201);
    let id = order["id"].as_str().expect("an id").to_owned();
    assert_eq!(placed.header("location"), Some(format!("/orders/{id}").as_str()));
    assert_eq!(
        (&order["status"], &order["version"], &order["itemCount"]),
        (&json!("PENDING_PAYMENT"), &json!(1), &json!(2))
    );
    assert_eq!(order["orderNumber"], "ORD-00000001");
    for text in [r#""unitPrice":299.99"#, r#""unitPrice":50.00"#, r#""totalAmount":1029.47"#, r#""tax":79.5"#] {
        assert!(placed.text.contains(text), "{text} in {}", placed.text);
    }
    let read = stage.get(&format!("/orders/{id}")).await;
    let head = |text: &str| text.split(r#""items""#).next().expect("a text").to_owned();
    assert_eq!(head(&read.text), head(&placed.text), "digit by digit");
    let mut items = stage.get(&format!("/orders/{id}/items")).await.data(200);
    assert_eq!(items, read.data(200)["items"]);
    let allocated = items.as_array_mut().expect("items").iter_mut();
    allocated.for_each(|item| assert_eq!(item["allocation"].take()["status"], "NONE"));
    let mut before = order["items"].clone();
    before.as_array_mut().expect("items").iter_mut().for_each(|item| item["allocation"] = json!(null));
    assert_eq!(items, before, "but for what Inventory tells");
    assert_eq!(items[0]["inventoryItemId"], "inv_01GXYZ234DEF");
    assert!(items[0]["orderItemId"].is_string() && items[0]["quantity"] == 3, "what Inventory reads");
    let expected = [
        "order.created",
        "order.created_for_inventory",
        "order.placed_for_analytics",
        "order.confirmation_notification_requested",
    ];
    assert_eq!(stage.events(&id).await, expected);
}

#[tokio::test]
async fn events_carry_the_correlation_and_the_trace_of_the_request() {
    let (stage, trace) = (Stage::new().await, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let headers = [
        ("Content-Type", "application/json; charset=utf-8"),
        ("Idempotency-Key", "key-1"),
        ("X-Correlation-Id", "corr-42"),
        ("traceparent", trace),
    ];
    let body = Some(bodies::ORDER.as_bytes());
    let placed = stage.request(&Request { method: "POST", path: "/orders", headers: &headers, body }).await;
    placed.data(201);
    assert_eq!(placed.header("x-correlation-id"), Some("corr-42"));
    let sql = "SELECT DISTINCT correlation_id, headers ->> 'traceparent' FROM outbox.events";
    let row = stage.database.client().await.query_one(sql, &[]).await.expect("all have the same");
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("corr-42", trace));
}

#[tokio::test]
async fn no_correlation_id_is_made_up_so_that_the_relay_takes_the_orders() {
    let stage = Stage::new().await;
    let placed = stage.place("key-1", bodies::ORDER).await;
    let id = placed.data(201)["id"].as_str().expect("an id").to_owned();
    assert_eq!(placed.header("x-correlation-id"), None);
    stage.post(&format!("/orders/{id}/cancel"), &bodies::reason()).await.data(200);
    let sql = "SELECT count(*), count(correlation_id) FROM outbox.events";
    let row = stage.database.client().await.query_one(sql, &[]).await.expect("counted");
    assert!(row.get::<_, i64>(0) > 3, "placed and cancelled");
    assert_eq!(row.get::<_, i64>(1), 0);
}

#[tokio::test]
async fn the_same_key_and_body_give_the_same_order_back_and_tell_nothing_twice() {
    let stage = Stage::new().await;
    let first = stage.place("key-1", bodies::ORDER).await.data(201);
    let again = stage.place("key-1", bodies::ORDER).await;
    assert_eq!((again.data(200), again.header("idempotent-replayed")), (first.clone(), Some("true")));
    assert_eq!(stage.counts().await, (1, 4));
    let id = first["id"].as_str().expect("an id");
    stage.post(&format!("/orders/{id}/cancel"), &bodies::reason()).await.data(200);
    let later = stage.place("key-1", bodies::ORDER).await.data(200);
    assert_eq!((&later["id"], &later["status"]), (&first["id"], &json!("CANCELLED")), "as it is now");
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let stage = Stage::new().await;
    stage.place("key-1", bodies::ORDER).await.data(201);
    let other = bodies::order(|body| body["items"][0]["quantity"] = json!(4));
    let refused = stage.place("key-1", &other).await;
    assert_eq!(refused.problem(), "409 IDEMPOTENCY_KEY_REUSED");
    assert_eq!(refused.json()["error"]["details"], json!({ "idempotencyKey": "key-1" }));
    assert_eq!(stage.counts().await, (1, 4));
}

#[tokio::test]
async fn requests_with_one_key_at_once_make_one_order() {
    let stage = Stage::new().await;
    let address = stage.service.address;
    let requests: Vec<_> = (0..8).map(|_| tokio::spawn(place(address, "key-1", bodies::ORDER))).collect();
    let (mut ids, mut created): (Vec<Value>, u32) = (Vec::new(), 0);
    for request in requests {
        let answer = request.await.expect("no panic").expect("an answer");
        created += u32::from(answer.status == 201);
        ids.push(answer.data(answer.status)["id"].clone());
    }
    ids.dedup();
    assert_eq!((ids.len(), created), (1, 1));
    assert_eq!(stage.counts().await, (1, 4));
}

#[tokio::test]
async fn an_order_without_anything_to_pay_is_confirmed_at_once() {
    let stage = Stage::new().await;
    let free = bodies::order(|body| {
        body["tax"] = json!(null);
        body["items"] = json!([{ "productId": "p", "productName": "Sample", "quantity": 1.0, "unitPrice": 0 }]);
        body["confirmation"] = json!("PAID");
        body["allocation"] = json!("SYNCHRONOUS");
    });
    assert_eq!(stage.place("key-1", &free).await.data(201)["status"], "CONFIRMED");
}
