//! Placing an order after the Product Service and the User Service were asked. The names of the first tests are those of the Product
//! Service's document (8.1).

use serde_json::{Value, json};

use crate::bodies;
use crate::http::Request;
use crate::neighbours::{products, users};
use crate::stage::Stage;

#[tokio::test]
async fn should_fetch_product_details_when_creating_an_order() {
    let products = products().await;
    let stage = Stage::with(&["--product-url", &products.server.url()]).await;
    stage.placed().await;
    let sent = products.server.requests();
    assert_eq!(sent.len(), 1, "one call for all lines");
    assert_eq!(sent[0].line(), "POST /api/v1/products/batch");
    assert_eq!(sent[0].json(), json!({"ids": ["prod-456", "prod-789"]}));
}

#[tokio::test]
async fn should_publish_order_created_event_after_order_creation() {
    let products = products().await;
    let stage = Stage::with(&["--product-url", &products.server.url()]).await;
    let id = stage.placed().await;
    let sql = "SELECT correlation_id, payload::text FROM outbox.events WHERE aggregate_id = $1 AND event_type = 'order.created'";
    let row = stage.database.client().await.query_one(sql, &[&id]).await.expect("one event");
    let payload: Value = serde_json::from_str(row.get(1)).expect("JSON");
    assert_eq!(payload["orderId"], id.as_str());
    assert_eq!(row.get::<_, Option<&str>>(0), None, "the relay then takes the order's id for it");
}

#[tokio::test]
async fn should_throw_an_error_when_product_is_not_available() {
    let products = products().await;
    let stage = Stage::with(&["--product-url", &products.server.url()]).await;
    products.with(|known| {
        known.insert(
            "product-2".into(),
            json!({"id": "product-2", "name": "Test Product", "price": 29.99, "quantityAvailable": 0}),
        )
    });
    let body = bodies::order(|body| body["items"][0]["productId"] = json!("product-2"));
    let refused = stage.place("key-1", &body).await;
    assert_eq!(refused.problem(), "409 PRODUCT_UNAVAILABLE");
    let error = &refused.json()["error"];
    assert_eq!(error["message"], "Product product-2 is not available in the requested quantity");
    assert_eq!(error["details"], json!({"productId": "product-2", "available": false, "quantityAvailable": 0}));
    assert_eq!(stage.counts().await, (0, 0));
    products.with(|known| known.get_mut("product-2").expect("known")["quantityAvailable"] = json!(3));
    stage.place("key-1", &body).await.data(201);
}

#[tokio::test]
async fn lines_of_one_product_need_their_stock_together() {
    let products = products().await;
    let stage = Stage::with(&["--product-url", &products.server.url()]).await;
    products.with(|known| known.get_mut("prod-456").expect("known")["quantityAvailable"] = json!(4));
    let body = bodies::order(|body| {
        let mut line = body["items"][0].clone();
        line["quantity"] = json!(2);
        body["items"].as_array_mut().expect("items").push(line);
    });
    assert_eq!(stage.place("key-1", &body).await.problem(), "409 PRODUCT_UNAVAILABLE");
}

#[tokio::test]
async fn a_product_that_does_not_exist_is_refused_by_the_documents_words() {
    let products = products().await;
    let stage = Stage::with(&["--product-url", &products.server.url()]).await;
    let body = bodies::order(|body| body["items"][0]["productId"] = json!("product-9"));
    let refused = stage.place("key-1", &body).await;
    assert_eq!(refused.problem(), "409 PRODUCT_NOT_FOUND");
    assert_eq!(refused.json()["error"]["message"], "Product with ID product-9 not found");
}

#[tokio::test]
async fn a_price_that_is_far_off_is_a_review_and_the_order_keeps_its_own() {
    let products = products().await;
    let stage = Stage::with(&["--product-url", &products.server.url()]).await;
    products.with(|known| known.get_mut("prod-789").expect("known")["price"] = json!(40.00));
    let id = stage.placed().await;
    let order = stage.get(&format!("/orders/{id}")).await.data(200);
    let reviews = &order["reviews"];
    assert_eq!(
        (&reviews[0]["reason"], &reviews[0]["subject"], reviews.as_array().map(Vec::len)),
        (&json!("PRICE_DISCREPANCY"), &json!("prod-789"), Some(1)),
        "{order}"
    );
    assert_eq!(reviews[0]["message"], "The order says 50.00, the Product Service 40.0");
    assert_eq!(order["items"][1]["unitPrice"], json!(50.00));
    products.with(|known| known.get_mut("prod-789").expect("known")["price"] = json!(49.00));
    let id = stage.placed().await;
    let order = stage.get(&format!("/orders/{id}")).await.data(200);
    assert_eq!(order["reviews"], json!([]), "2 % and 1.00 in all are only logged");
}

#[tokio::test]
async fn a_customer_who_may_not_order_does_not() {
    let users = users().await;
    let stage = Stage::with(&["--user-url", &users.server.url()]).await;
    stage.placed().await;
    users.with(|known| known.insert("user-xyz-789".into(), "BLOCKED".into()));
    assert_eq!(stage.place("key-1", bodies::ORDER).await.problem(), "409 USER_NOT_ACTIVE");
    users.with(|known| known.clear());
    assert_eq!(stage.place("key-1", bodies::ORDER).await.problem(), "409 USER_NOT_FOUND");
    assert_eq!(stage.counts().await.0, 1);
}

#[tokio::test]
async fn what_was_placed_is_answered_again_without_asking_anybody_and_what_is_no_order_is_refused_first() {
    let products = products().await;
    let stage = Stage::with(&["--product-url", &products.server.url()]).await;
    stage.place("key-1", bodies::ORDER).await.data(201);
    stage.place("key-1", bodies::ORDER).await.data(200);
    let body = bodies::order(|body| body["items"][0]["quantity"] = json!(-1));
    assert_eq!(stage.place("key-2", &body).await.status, 422);
    assert_eq!(products.server.requests().len(), 1);
}

#[tokio::test]
async fn calls_carry_the_operation_of_the_request() {
    let (products, users) = (products().await, users().await);
    let stage = Stage::with(&["--product-url", &products.server.url(), "--user-url", &users.server.url()]).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "key-1"),
        ("X-Correlation-Id", "corr-42"),
        ("traceparent", trace),
    ];
    let body = Some(bodies::ORDER.as_bytes());
    stage.request(&Request { method: "POST", path: "/orders", headers: &headers, body }).await.data(201);
    for sent in [&products.server.requests()[0], &users.server.requests()[0]] {
        assert_eq!((sent.header("x-correlation-id"), sent.header("traceparent")), (Some("corr-42"), Some(trace)));
    }
    let id = stage.placed().await;
    assert_eq!(products.server.requests()[1].header("x-correlation-id"), Some(id.as_str()), "the order's id otherwise");
}
