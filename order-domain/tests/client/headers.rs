//! What every request carries.

use std::sync::Arc;

use order_domain::Context;
use order_domain::client::product::ProductClient;
use order_domain::client::{Deadline, Scope, Tokens};
use serde_json::json;

use crate::server::{Reply, Server};
use crate::stage::{caller_with, id, products, request};

#[tokio::test]
async fn the_token_the_correlation_id_and_the_trace_are_sent() {
    let server = Server::always(Reply::ok(json!({"id": "product-1"}))).await;
    let caller = caller_with(Tokens::given("secret-token").expect("a token"), Arc::new(()));
    let client = ProductClient::new(&server.url(), &caller).expect("an address");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let context = Context::now()
        .with_correlation_id("corr-42".parse().expect("an id"))
        .with_traceparent(trace.parse().expect("a trace"));
    let scope = Scope::of(&context, Deadline::after(std::time::Duration::from_secs(5)));
    client.get(&id("product-1"), &scope).await.expect("a product");
    let sent = &server.requests()[0];
    assert_eq!(sent.header("authorization"), Some("Bearer secret-token"));
    assert_eq!((sent.header("x-correlation-id"), sent.header("traceparent")), (Some("corr-42"), Some(trace)));
    assert_eq!(sent.header("accept"), Some("application/json"));
}

#[tokio::test]
async fn what_is_not_there_is_not_sent() {
    let server = Server::always(Reply::ok(json!({"id": "product-1"}))).await;
    products(&server.url()).get(&id("product-1"), &request()).await.expect("a product");
    let sent = &server.requests()[0];
    for name in ["authorization", "x-correlation-id", "traceparent", "idempotency-key", "content-type"] {
        assert_eq!(sent.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_token_shows_itself_to_nobody() {
    let tokens = Tokens::given("secret-token").expect("a token");
    assert!(!format!("{tokens:?}").contains("secret"));
    Tokens::given("line\nfeed").expect_err("it cannot stand in a header");
}
