//! Bad answers: each ends in a typed error, within the deadline, and none is taken for an answer.

use std::time::{Duration, Instant};

use order_domain::client::product::{self, ProductClient, ProductError};
use order_domain::client::{CallError, Cause};
use serde_json::json;

use crate::server::{Reply, Server, nobody};
use crate::stage::{caller, id, once, products, request, scope};

/// Why the call for `product-1` failed.
async fn cause(reply: Reply) -> Cause {
    let server = Server::always(reply).await;
    cause_at(&server.url()).await
}

async fn cause_at(url: &str) -> Cause {
    let client = ProductClient::with(url, once(product::POLICY), &caller()).expect("an address");
    let started = Instant::now();
    let error = client.get(&id("product-1"), &request()).await.expect_err("a bad answer");
    assert!(started.elapsed() < Duration::from_secs(2), "within an attempt: {:?}", started.elapsed());
    match error {
        ProductError::Failed(CallError::TryLater { cause, .. }) => cause,
        other => panic!("another error: {other:?}"),
    }
}

fn unusable(text: &str) -> Cause {
    Cause::Unusable(text.to_owned())
}

#[tokio::test]
async fn html_is_no_product() {
    let html = Reply::ok("<html><body>Welcome to the captive portal</body></html>");
    assert_eq!(cause(html).await, unusable("it is not the details of a product"));
    assert_eq!(cause(Reply::ok("")).await, unusable("it is not the details of a product"));
}

#[tokio::test]
async fn fifty_megabytes_are_not_read() {
    let too_large = Cause::TooLarge { bytes_max: 4 << 20 };
    for has_length in [true, false] {
        assert_eq!(cause(Reply::Huge { bytes: 50 << 20, has_length }).await, too_large, "{has_length}");
    }
}

#[tokio::test]
async fn a_byte_a_second_is_not_waited_for() {
    let body = json!({"id": "product-1", "price": 19.99}).to_string();
    let limit = Duration::from_millis(500);
    assert_eq!(cause(Reply::Drip(body)).await, Cause::TimedOut { limit });
    assert_eq!(cause(Reply::Hang).await, Cause::TimedOut { limit });
}

#[tokio::test]
async fn another_product_is_no_answer() {
    let other = Reply::ok(json!({"id": "product-2", "price": 19.99}));
    assert_eq!(cause(other).await, unusable("it is another product"));
    let server = Server::always(Reply::ok(json!([{"id": "product-2"}]))).await;
    let error = products(&server.url()).batch(&[id("product-1")], &request()).await.expect_err("not asked for");
    assert!(error.to_string().ends_with("it has a product that was not asked for"), "{error}");
}

#[tokio::test]
async fn a_price_that_nobody_can_pay_is_no_price() {
    for price in ["-1", "1e400", "\"19.99\"", "0.00000001"] {
        let reply = Reply::ok(format!(r#"{{"id": "product-1", "price": {price}}}"#));
        assert_eq!(cause(reply).await, unusable("it is not the details of a product"), "{price}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::always(Reply::ok(json!({"id": "product-1", "price": 1}))).await;
    let location: &'static str = format!("Location: {}/api/v1/products/product-1\r\n", elsewhere.url()).leak();
    for status in [301, 302, 307, 308] {
        assert_eq!(cause(Reply::With(status, location, String::new())).await, Cause::Redirected(status));
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn connections_that_end_or_were_never_there_are_told_apart() {
    assert_eq!(cause(Reply::Close).await, Cause::ConnectionLost);
    assert_eq!(cause(Reply::Cut("{".into())).await, Cause::ConnectionLost);
    assert_eq!(cause_at(&nobody().await).await, Cause::NotConnected);
}

#[tokio::test]
async fn json_of_other_shapes_is_refused() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for body in ["null", "[]", "42", r#"["product-1"]"#, r#"{"id": 1}"#, "{}", &deep, r#"{"id": "product-1""#, "\u{1}"]
    {
        match cause(Reply::ok(body)).await {
            Cause::Unusable(_) => {}
            other => panic!("{}: {other:?}", &body[..body.len().min(40)]),
        }
    }
}

#[tokio::test]
async fn a_refusal_that_says_success_false_is_a_refusal_with_any_status() {
    let body =
        json!({"success": false, "error": {"code": "NOT_SOLD_HERE", "message": "not\nhere", "details": {"a": 1}}});
    for status in [200, 422] {
        let server = Server::always(Reply::Json(status, body.to_string())).await;
        let error = products(&server.url()).get(&id("product-1"), &request()).await.expect_err("refused");
        let ProductError::Failed(CallError::Refused { refused, .. }) = error else { panic!("{error:?}") };
        assert_eq!((refused.status, refused.code.as_str()), (status, "NOT_SOLD_HERE"));
        assert_eq!((refused.message.as_str(), &refused.details["a"]), ("not here", &json!(1)));
    }
}

#[tokio::test]
async fn without_time_for_an_attempt_nobody_is_asked() {
    let server = Server::always(Reply::ok(json!({"id": "product-1"}))).await;
    let error = products(&server.url()).get(&id("product-1"), &scope(Duration::from_millis(400))).await;
    let error = error.expect_err("too late").call().cloned().expect("a call");
    assert!(error.is_unsent() && matches!(error, CallError::TryLater { cause: Cause::NoTime, .. }), "{error:?}");
    assert!(server.requests().is_empty());
}
