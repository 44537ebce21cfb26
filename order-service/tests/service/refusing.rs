//! Every refusal: a typed body in the platform's shape, never a 500, and nothing written.

use serde_json::{Value, json};

use crate::bodies;
use crate::http::{Answer, Request};
use crate::stage::Stage;

/// Placing an order with `change` in its body.
async fn refused(stage: &Stage, change: impl FnOnce(&mut Value)) -> String {
    stage.place("refused", &bodies::order(change)).await.problem()
}

async fn raw(stage: &Stage, content_type: &str, body: &[u8]) -> Answer {
    let headers = [("Content-Type", content_type), ("Idempotency-Key", "raw")];
    stage.request(&Request { method: "POST", path: "/orders", headers: &headers, body: Some(body) }).await
}

#[tokio::test]
async fn values_that_no_order_can_have_are_refused_by_name() {
    let stage = Stage::new().await;
    let long = "x".repeat(256);
    let price = |value: Value| move |body: &mut Value| body["items"][0]["unitPrice"] = value;
    let quantity = |value: Value| move |body: &mut Value| body["items"][0]["quantity"] = value;
    assert_eq!(refused(&stage, quantity(json!(-1))).await, "422 INVALID_QUANTITY");
    assert_eq!(refused(&stage, quantity(json!(0))).await, "422 INVALID_QUANTITY");
    assert_eq!(refused(&stage, quantity(json!(1_000_001))).await, "422 INVALID_QUANTITY");
    assert_eq!(refused(&stage, quantity(json!(1e20))).await, "422 INVALID_QUANTITY");
    assert_eq!(refused(&stage, quantity(json!(1.5))).await, "422 MALFORMED_VALUE");
    assert_eq!(refused(&stage, quantity(json!("1"))).await, "422 MALFORMED_VALUE");
    assert_eq!(refused(&stage, price(json!(-0.01))).await, "422 NEGATIVE_AMOUNT");
    assert_eq!(refused(&stage, price(json!(1.001))).await, "422 AMOUNT_TOO_PRECISE");
    assert_eq!(refused(&stage, price(json!(9_007_199_254_740_993_u64))).await, "422 AMOUNT_TOO_LONG");
    assert_eq!(refused(&stage, price(json!("50.00"))).await, "422 MALFORMED_VALUE");
    assert_eq!(refused(&stage, |body| body["currency"] = json!("XYZ")).await, "422 UNKNOWN_CURRENCY");
    assert_eq!(refused(&stage, |body| body["userId"] = json!(long)).await, "422 VALUE_TOO_LONG");
    assert_eq!(refused(&stage, |body| body["userId"] = json!("ö".repeat(128))).await, "422 VALUE_TOO_LONG");
    assert_eq!(refused(&stage, |body| body["userId"] = json!(" ")).await, "422 EMPTY_VALUE");
    assert_eq!(refused(&stage, |body| body["items"][0]["productId"] = json!("a\u{0}b")).await, "422 MALFORMED_VALUE");
    assert_eq!(refused(&stage, |body| body["customerDetails"]["email"] = json!("nobody")).await, "422 MALFORMED_VALUE");
    assert_eq!(
        refused(&stage, |body| body["shippingAddress"]["country"] = json!("Germany")).await,
        "422 MALFORMED_VALUE"
    );
    assert_eq!(refused(&stage, |body| body["items"] = json!([])).await, "422 INVALID_LINE_COUNT");
    let item = json!({ "productId": "p", "productName": "n", "quantity": 1, "unitPrice": 1 });
    assert_eq!(refused(&stage, |body| body["items"] = vec![item; 1001].into()).await, "422 INVALID_LINE_COUNT");
    assert_eq!(stage.counts().await, (0, 0), "nothing was written");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_without_repeating_them() {
    let stage = Stage::new().await;
    for body in ["", "{", "nul", "{\"userId\": \"\u{1}\"}", "\u{feff}{}"] {
        assert_eq!(raw(&stage, "application/json", body.as_bytes()).await.problem(), "400 MALFORMED_JSON", "{body:?}");
    }
    assert_eq!(raw(&stage, "application/json", b"{\"userId\": \"\xff\"}").await.problem(), "400 MALFORMED_JSON");
    let trailing = format!("{} x", bodies::ORDER);
    assert_eq!(raw(&stage, "application/json", trailing.as_bytes()).await.problem(), "400 MALFORMED_JSON");
    let deep = "[".repeat(100_000);
    assert_eq!(raw(&stage, "application/json", deep.as_bytes()).await.status, 400);
    for body in ["[]", "[1,", "1", "null", "\"secret\""] {
        assert_eq!(raw(&stage, "application/json", body.as_bytes()).await.status, 400, "{body:?}");
    }
    assert_eq!(refused(&stage, |body| body["items"][1]["productId"] = json!(7)).await, "400 INVALID_FIELD");
    assert_eq!(refused(&stage, |body| body["allocation"] = json!("secret")).await, "400 INVALID_FIELD");
    let by_place = json!(["1 Main St", null, "Anytown", null, "12345", "US"]);
    assert_eq!(refused(&stage, |body| body["shippingAddress"] = by_place).await, "400 INVALID_FIELD");
    let body = bodies::order(|body| body["items"][1]["productId"] = json!(["secret"]));
    let answer = stage.place("refused", &body).await;
    assert_eq!(answer.json()["error"]["details"]["field"], "items[1].productId");
    assert!(!answer.text.contains("secret"), "{}", answer.text);
    let missing = bodies::order(|body| body["items"][0]["unitPrice"] = Value::Null);
    let missing = missing.replace("\"unitPrice\":null", "\"unit\":1");
    let answer = stage.place("refused", &missing).await;
    assert_eq!(
        (answer.problem().as_str(), &answer.json()["error"]["details"]["missing"]),
        ("400 MISSING_FIELD", &json!("unitPrice"))
    );
    assert_eq!(stage.counts().await, (0, 0), "nothing was written");
}

#[tokio::test]
async fn requests_of_another_form_are_refused_in_the_same_shape() {
    let stage = Stage::new().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"] {
        let answer = raw(&stage, content_type, bodies::ORDER.as_bytes()).await;
        assert_eq!(answer.problem(), "415 UNSUPPORTED_MEDIA_TYPE", "{content_type}");
    }
    assert_eq!(stage.post("/orders", &json!({})).await.problem(), "400 IDEMPOTENCY_KEY_MISSING");
    for key in ["", "with space", &"k".repeat(256), "schlüssel"] {
        assert_eq!(stage.place(key, bodies::ORDER).await.problem(), "400 MALFORMED_HEADER", "{key:?}");
    }
    for path in ["/", "/order", "/orders/1/unknown", "/openapi.yaml", "/orders/1/items/2"] {
        assert_eq!(stage.get(path).await.problem(), "404 UNKNOWN_PATH", "{path}");
    }
    for (method, path) in
        [("DELETE", "/orders"), ("PUT", "/orders/1"), ("GET", "/orders/1/cancel"), ("POST", "/health")]
    {
        let answer = stage.request(&Request { method, path, headers: &[], body: None }).await;
        assert_eq!(answer.problem(), "405 METHOD_NOT_ALLOWED", "{method} {path}");
        assert!(answer.header("allow").is_some_and(|allow| !allow.is_empty()), "{method} {path}");
    }
    let long = "x".repeat(300);
    let headers = [("X-Correlation-Id", long.as_str())];
    let answer = stage.request(&Request { method: "GET", path: "/health", headers: &headers, body: None }).await;
    assert_eq!(answer.problem(), "422 VALUE_TOO_LONG");
    assert_eq!(stage.counts().await, (0, 0), "nothing was written");
}

#[tokio::test]
async fn parameters_that_are_none_are_refused() {
    let stage = Stage::new().await;
    for (query, expected) in [
        ("limit=0", "400 INVALID_LIMIT"),
        ("limit=101", "400 INVALID_LIMIT"),
        ("limit=-1", "400 MALFORMED_QUERY"),
        ("limit=many", "400 MALFORMED_QUERY"),
        ("limit=1&limit=2", "400 MALFORMED_QUERY"),
        ("cursor=", "400 INVALID_CURSOR"),
        ("cursor=abc", "400 INVALID_CURSOR"),
        ("cursor=9223372036854775808", "400 INVALID_CURSOR"),
        ("userId=", "422 EMPTY_VALUE"),
        ("userId=a%00b", "422 MALFORMED_VALUE"),
    ] {
        assert_eq!(stage.get(&format!("/orders?{query}")).await.problem(), expected, "{query}");
    }
    let long = "x".repeat(256);
    assert_eq!(stage.get(&format!("/orders?userId={long}")).await.problem(), "422 VALUE_TOO_LONG");
    assert_eq!(stage.get(&format!("/orders/{long}")).await.problem(), "422 VALUE_TOO_LONG");
    assert_eq!(stage.get("/orders/%00").await.problem(), "422 MALFORMED_VALUE");
    assert_eq!(stage.get("/orders/%FF").await.problem(), "400 MALFORMED_PATH");
}

#[tokio::test]
async fn an_order_that_is_not_there_is_not_found_by_any_command() {
    let stage = Stage::new().await;
    for path in ["/orders/none", "/orders/none/items", "/orders/%2e%2e", "/orders/a%2Fb"] {
        assert_eq!(stage.get(path).await.problem(), "404 ORDER_NOT_FOUND", "{path}");
    }
    for (command, body) in commands() {
        let answer = stage.post(&format!("/orders/none/{command}"), &body).await;
        assert_eq!(answer.problem(), "404 ORDER_NOT_FOUND", "{command}");
    }
    let answer = stage.send_json("PATCH", "/orders/none", &json!({})).await;
    assert_eq!(answer.problem(), "404 ORDER_NOT_FOUND");
}

/// Those that tell what has happened, and are not refused.
const FACTS: [&str; 6] =
    ["complete-payment", "fail-payment", "report-delay", "deliver", "initiate-refund", "complete-refund"];

/// A body that each command can read.
fn commands() -> [(&'static str, Value); 14] {
    let refund = json!({ "refundId": "refund-1" });
    [
        ("cancel", bodies::reason()),
        ("start-payment", json!({ "paymentId": "pay-1" })),
        ("complete-payment", bodies::paid()),
        ("fail-payment", json!({ "paymentId": "pay-1", "reason": "card declined" })),
        ("retry-payment", json!({})),
        ("process", json!({})),
        ("ship", bodies::parcel("ship-1")),
        ("report-delay", bodies::reason()),
        ("deliver", json!({})),
        ("initiate-return", json!({ "returnId": "return-1", "reason": "too small" })),
        ("approve-return", json!({})),
        ("request-refund", json!({ "refundId": "refund-1", "reason": "sent back" })),
        ("initiate-refund", refund.clone()),
        ("complete-refund", refund),
    ]
}

#[tokio::test]
async fn what_the_status_does_not_allow_is_refused_and_changes_nothing() {
    let stage = Stage::new().await;
    let id = stage.placed().await;
    stage.post(&format!("/orders/{id}/cancel"), &bodies::reason()).await.data(200);
    let before = (stage.get(&format!("/orders/{id}")).await.text, stage.counts().await);
    for (command, body) in commands().into_iter().filter(|(command, _)| !FACTS.contains(command)) {
        let answer = stage.post(&format!("/orders/{id}/{command}"), &body).await;
        assert_eq!(answer.problem(), "409 ILLEGAL_TRANSITION", "{command}");
    }
    let answer = stage.send_json("PATCH", &format!("/orders/{id}"), &json!({})).await;
    assert_eq!(answer.problem(), "409 ILLEGAL_TRANSITION");
    assert_eq!(answer.json()["error"]["details"], json!({ "command": "be updated", "status": "CANCELLED" }));
    assert_eq!((stage.get(&format!("/orders/{id}")).await.text, stage.counts().await), before);
}

#[tokio::test]
async fn commands_that_ask_for_too_much_are_refused_and_change_nothing() {
    let stage = Stage::new().await;
    let id = stage.placed().await;
    let path = |command: &str| format!("/orders/{id}/{command}");
    let order = stage.get(&format!("/orders/{id}")).await.data(200);
    let item = &order["items"][0]["orderItemId"];
    let part = |item: &Value, quantity: i64| json!([{ "orderItemId": item, "quantity": quantity }]);
    let ship = |lines: Value| {
        let mut parcel = bodies::parcel("ship-1");
        parcel["lines"] = lines;
        parcel
    };
    let post = async |command: &str, body: Value| stage.post(&path(command), &body).await;
    post("start-payment", json!({ "paymentId": "pay-1" })).await.data(200);
    assert_eq!(post("start-payment", json!({ "paymentId": "pay-1" })).await.problem(), "409 DUPLICATE_PAYMENT");
    assert_eq!(
        post("complete-payment", json!({ "paymentId": "p", "amount": -1 })).await.problem(),
        "422 NEGATIVE_AMOUNT"
    );
    assert_eq!(stage.send_json("PATCH", &format!("/orders/{id}"), &json!({})).await.problem(), "409 NOTHING_TO_CHANGE");
    post("complete-payment", bodies::paid()).await.data(200);
    let more = json!({ "refundId": "r", "amount": 99999, "reason": "greed" });
    assert_eq!(post("request-refund", more).await.problem(), "409 REFUND_EXCEEDS_PAID");
    post("process", json!({})).await.data(200);
    let before = (stage.get(&format!("/orders/{id}")).await.text, stage.counts().await);
    assert_eq!(post("ship", ship(part(item, 4))).await.problem(), "409 QUANTITY_EXCEEDED");
    assert_eq!(post("ship", ship(part(&json!("none"), 1))).await.problem(), "422 UNKNOWN_ITEM");
    assert_eq!(post("ship", ship(part(item, -1))).await.problem(), "422 INVALID_QUANTITY");
    assert_eq!(post("ship", ship(json!([]))).await.problem(), "422 EMPTY_VALUE");
    let late = json!({ "shipmentId": "s", "carrier": "UPS", "estimatedDelivery": "tomorrow" });
    assert_eq!(post("ship", late).await.problem(), "422 MALFORMED_VALUE");
    let unknown = json!({ "lines": part(&json!("none"), 1) });
    assert_eq!(post("deliver", unknown).await.problem(), "409 ITEM_UNKNOWN");
    assert_eq!(post("report-delay", json!({ "reason": "" })).await.problem(), "422 EMPTY_VALUE");
    assert_eq!(post("cancel", json!({ "reason": "x".repeat(1025) })).await.problem(), "422 VALUE_TOO_LONG");
    assert_eq!((stage.get(&format!("/orders/{id}")).await.text, stage.counts().await), before);
}

#[tokio::test]
async fn notifications_that_no_consumer_could_read_are_refused() {
    let stage = Stage::new().await;
    let path = format!("/orders/{}/notifications", stage.placed().await);
    let (before, headers) = (stage.counts().await, [("Content-Type", "application/json")]);
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(65_536));
    for (data, expected) in [
        ("[]", "422 MALFORMED_VALUE"),
        ("\"text\"", "422 MALFORMED_VALUE"),
        (r#"{"a": "\ud800"}"#, "422 MALFORMED_VALUE"),
        (r#"{"a": 1e999}"#, "422 MALFORMED_VALUE"),
        (nested.as_str(), "422 MALFORMED_VALUE"),
        (large.as_str(), "422 TOO_LARGE"),
    ] {
        let body = format!(r#"{{"type": "CUSTOM", "templateData": {data}}}"#);
        let body = Some(body.as_bytes());
        let answer = stage.request(&Request { method: "POST", path: &path, headers: &headers, body }).await;
        assert_eq!(answer.problem(), expected, "{:.40}", data);
    }
    for body in [
        json!({ "type": "custom", "templateData": {} }),
        json!({ "type": "A", "templateData": {}, "channels": ["e mail"] }),
    ] {
        assert_eq!(stage.post(&path, &body).await.problem(), "422 MALFORMED_VALUE", "{body}");
    }
    assert_eq!(stage.counts().await, before, "nothing was written");
}
