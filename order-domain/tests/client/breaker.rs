//! The breaker in use: one call is one sample, a service that is down is left alone, and one call finds out that it is back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use order_domain::client::inventory::{self, InventoryClient};
use order_domain::client::product::{self, ProductClient};
use order_domain::client::{BreakerPolicy, BreakerState, CallError, CallPolicy, Cause, Tokens};
use serde_json::json;

use crate::server::{Reply, Server};
use crate::stage::{Told, caller, caller_with, id, once, quick, request};

/// The policy of the Product Service, open for so long.
fn open_for(limit: Duration) -> CallPolicy {
    let breaker = BreakerPolicy { open_for: limit, ..product::POLICY.breaker };
    CallPolicy { breaker, ..quick(product::POLICY) }
}

#[tokio::test]
async fn the_third_call_in_a_row_that_fails_opens_it_and_nobody_is_asked_any_more() {
    let server = Server::always(Reply::Json(500, String::new())).await;
    let told = Arc::new(Told::default());
    let caller = caller_with(Tokens::none(), Arc::clone(&told) as _);
    let client = ProductClient::with(&server.url(), quick(product::POLICY), &caller).expect("an address");
    for _ in 0..3 {
        assert_eq!(client.state(), BreakerState::Closed);
        client.get(&id("product-1"), &request()).await.expect_err("it fails");
    }
    assert_eq!((client.state(), server.requests().len()), (BreakerState::Open, 12));
    let started = Instant::now();
    let error = client.get(&id("product-1"), &request()).await.expect_err("open").call().cloned();
    assert!(matches!(error, Some(CallError::TryLater { cause: Cause::CircuitOpen, .. })), "{error:?}");
    assert!(started.elapsed() < Duration::from_millis(200));
    assert_eq!(server.requests().len(), 12);
    assert_eq!(told.count("product get try_later"), 3);
    assert_eq!((told.count("product get circuit_open"), told.count("product open")), (1, 1));
}

#[tokio::test]
async fn answers_that_say_no_keep_it_closed() {
    for status in [400, 404, 409] {
        let server = Server::always(Reply::Json(status, String::new())).await;
        let client = ProductClient::new(&server.url(), &caller()).expect("an address");
        for _ in 0..5 {
            client.get(&id("product-1"), &request()).await.expect_err("it says no");
        }
        assert_eq!((client.state(), server.requests().len()), (BreakerState::Closed, 5), "{status}");
    }
}

#[tokio::test]
async fn one_call_finds_out_that_the_service_is_back() {
    let is_up = |n| if n < 12 { Reply::Json(500, String::new()) } else { Reply::ok(json!({"id": "product-1"})) };
    let server = Server::start(move |n, _| is_up(n)).await;
    let told = Arc::new(Told::default());
    let caller = caller_with(Tokens::none(), Arc::clone(&told) as _);
    let policy = open_for(Duration::from_millis(100));
    let client = ProductClient::with(&server.url(), policy, &caller).expect("an address");
    for _ in 0..3 {
        client.get(&id("product-1"), &request()).await.expect_err("it fails");
    }
    let back = async || client.get(&id("product-1"), &request()).await.is_ok();
    testkit::eventually(Duration::from_secs(10), "it lets one call try", back).await;
    assert_eq!(client.state(), BreakerState::Closed);
    assert_eq!((told.count("product half_open"), told.count("product closed")), (1, 2), "closed at the start too");
}

#[tokio::test]
async fn a_probe_that_is_dropped_gives_its_place_back() {
    let reply = |n| match n {
        0..12 => Reply::Json(500, String::new()),
        12 => Reply::Hang,
        _ => Reply::ok(json!({"id": "product-1"})),
    };
    let server = Server::start(move |n, _| reply(n)).await;
    let client = ProductClient::with(&server.url(), open_for(Duration::ZERO), &caller()).expect("an address");
    for _ in 0..3 {
        client.get(&id("product-1"), &request()).await.expect_err("it fails");
    }
    let (product_id, scope) = (id("product-1"), request());
    let probe = client.get(&product_id, &scope);
    assert!(tokio::time::timeout(Duration::from_millis(100), probe).await.is_err(), "nobody waits any more");
    assert_eq!(client.state(), BreakerState::HalfOpen);
    client.get(&product_id, &scope).await.expect("the next one may try");
    assert_eq!(client.state(), BreakerState::Closed);
}

#[tokio::test]
async fn half_of_the_calls_may_fail_and_more_may_not() {
    let server =
        Server::start(|n, _| if n % 2 == 1 || n >= 6 { Reply::Json(500, String::new()) } else { Reply::ok("[]") });
    let server = server.await;
    let policy = once(inventory::POLICY);
    let client = InventoryClient::with(&server.url(), policy, &caller()).expect("an address");
    let order_id = "order-1".parse().expect("an id");
    for _ in 0..6 {
        drop(client.by_order(&order_id, &request()).await);
    }
    assert_eq!(client.state(), BreakerState::Closed, "three of six failed");
    client.by_order(&order_id, &request()).await.expect_err("the fourth of seven");
    assert_eq!(client.state(), BreakerState::Open);
}
