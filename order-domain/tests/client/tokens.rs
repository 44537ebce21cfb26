//! Tokens from the auth service: asked for once, renewed in time, and asked for anew when one is refused.

use std::sync::Arc;

use order_domain::client::product::ProductClient;
use order_domain::client::{CallError, Cause, Tokens};
use serde_json::json;

use crate::server::{Reply, Server, nobody};
use crate::stage::{caller_with, id, request};

fn asked(url: &str) -> Tokens {
    Tokens::asked(url, "order-service", "s3cret", &["product:read".to_owned()]).expect("an address")
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_used_by_every_call() {
    let auth = Server::start(|n, _| Reply::ok(json!({"token": format!("token-{n}"), "expiresIn": 900}))).await;
    let server = Server::always(Reply::ok(json!({"id": "product-1"}))).await;
    let client = ProductClient::new(&server.url(), &caller_with(asked(&auth.url()), Arc::new(()))).expect("an address");
    for _ in 0..3 {
        client.get(&id("product-1"), &request()).await.expect("a product");
    }
    let sent = auth.requests();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        sent[0].json(),
        json!({"service": "order-service", "clientSecret": "s3cret", "scope": ["product:read"]})
    );
    assert!(server.requests().iter().all(|request| request.header("authorization") == Some("Bearer token-0")));
}

#[tokio::test]
async fn a_token_that_is_refused_is_asked_for_anew() {
    let auth = Server::start(|n, _| Reply::ok(json!({"token": format!("token-{n}")}))).await;
    let server = Server::start(|_, request| match request.header("authorization") {
        Some("Bearer token-0") => Reply::Json(401, String::new()),
        _ => Reply::ok(json!({"id": "product-1"})),
    })
    .await;
    let client = ProductClient::new(&server.url(), &caller_with(asked(&auth.url()), Arc::new(()))).expect("an address");
    client.get(&id("product-1"), &request()).await.expect_err("refused");
    client.get(&id("product-1"), &request()).await.expect("a product");
}

#[tokio::test]
async fn a_token_that_has_expired_is_not_used() {
    let auth = Server::start(|n, _| Reply::ok(json!({"token": format!("token-{n}"), "expiresIn": 0}))).await;
    let server = Server::always(Reply::ok(json!({"id": "product-1"}))).await;
    let client = ProductClient::new(&server.url(), &caller_with(asked(&auth.url()), Arc::new(()))).expect("an address");
    for _ in 0..2 {
        client.get(&id("product-1"), &request()).await.expect("a product");
    }
    let tokens: Vec<_> =
        server.requests().iter().filter_map(|r| r.header("authorization").map(str::to_owned)).collect();
    assert_eq!(tokens, ["Bearer token-0", "Bearer token-1"]);
}

#[tokio::test]
async fn without_a_token_nobody_is_asked_and_no_breaker_opens() {
    let server = Server::always(Reply::ok(json!({"id": "product-1"}))).await;
    let tokens = asked(&nobody().await);
    let client = ProductClient::new(&server.url(), &caller_with(tokens, Arc::new(()))).expect("an address");
    for _ in 0..4 {
        let error = client.get(&id("product-1"), &request()).await.expect_err("no token").call().cloned();
        let Some(CallError::TryLater { cause, .. }) = error else { panic!("{error:?}") };
        assert!(matches!(cause, Cause::NoToken(_)) && cause.is_unsent(), "{cause:?}");
    }
    assert!(server.requests().is_empty());
}
