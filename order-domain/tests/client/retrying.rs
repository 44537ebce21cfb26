//! Repetitions: which answers are repeated, how often, and never past the deadline.

use std::time::{Duration, Instant};

use order_domain::client::inventory::{self, AllocationRequest, InventoryClient};
use order_domain::client::payment::{self, PaymentClient, PaymentRequest};
use order_domain::client::product::{self, ProductClient};
use order_domain::client::{CallError, Cause};
use serde_json::json;

use crate::server::{Reply, Server, nobody};
use crate::stage::{caller, id, products, quick, request, scope};

fn allocation() -> AllocationRequest {
    AllocationRequest {
        order_item_id: "item-1".parse().expect("an id"),
        inventory_item_id: "inv-1".parse().expect("an id"),
        quantity: 2,
        warehouse_id: None,
        expires_at: None,
    }
}

fn inventory(url: &str) -> InventoryClient {
    InventoryClient::with(url, quick(inventory::POLICY), &caller()).expect("an address")
}

#[tokio::test]
async fn the_product_service_is_asked_four_times_before_it_is_given_up() {
    for status in [429, 500, 503, 504] {
        let server = Server::always(Reply::Json(status, String::new())).await;
        let error = products(&server.url()).get(&id("product-1"), &request()).await.expect_err("it fails");
        assert_eq!(error.to_string(), format!("Failed to fetch product details: Product Service: status {status}"));
        assert_eq!(server.requests().len(), 4, "{status}");
    }
    for status in [400, 401, 403, 404, 409, 422] {
        let server = Server::always(Reply::Json(status, String::new())).await;
        products(&server.url()).get(&id("product-1"), &request()).await.expect_err("it refuses");
        assert_eq!(server.requests().len(), 1, "{status} is an answer");
    }
}

#[tokio::test]
async fn a_service_that_comes_back_is_noticed() {
    let answer = |n| if n < 2 { Reply::Json(503, String::new()) } else { Reply::ok(json!({"id": "product-1"})) };
    let server = Server::start(move |n, _| answer(n)).await;
    products(&server.url()).get(&id("product-1"), &request()).await.expect("a product");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn the_first_repetition_comes_after_the_second_of_the_document_or_what_the_service_asks_for() {
    let answer = |n| if n == 0 { Reply::Json(503, String::new()) } else { Reply::ok(json!({"id": "product-1"})) };
    let server = Server::start(move |n, _| answer(n)).await;
    let client = ProductClient::new(&server.url(), &caller()).expect("an address");
    let started = Instant::now();
    client.get(&id("product-1"), &request()).await.expect("a product");
    let took = started.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_millis(1900)).contains(&took), "{took:?}");
    let asked = Reply::With(429, "Retry-After: 2\r\n", String::new());
    let server = Server::start(move |n, _| if n == 0 { asked.clone() } else { answer(1) }).await;
    let client = ProductClient::new(&server.url(), &caller()).expect("an address");
    let started = Instant::now();
    client.get(&id("product-1"), &request()).await.expect("a product");
    let took = started.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_millis(2900)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_service_that_hangs_costs_no_more_than_the_deadline() {
    let server = Server::always(Reply::Hang).await;
    let client = ProductClient::with(&server.url(), product::POLICY, &caller()).expect("an address");
    let started = Instant::now();
    let limit = Duration::from_secs(3);
    client.get(&id("product-1"), &scope(limit)).await.expect_err("it hangs");
    assert!(started.elapsed() < limit, "{:?}", started.elapsed());
    assert_eq!(server.requests().len(), 2, "at 0 and 1.5 s; a third attempt at 4 s could not end in time");
}

#[tokio::test]
async fn what_reserves_is_sent_once_unless_it_surely_never_arrived() {
    let order_id = "order-1".parse().expect("an id");
    for reply in [Reply::Json(500, String::new()), Reply::Json(503, String::new()), Reply::Close, Reply::ok("<html>")] {
        let server = Server::always(reply.clone()).await;
        let error = inventory(&server.url()).create(&order_id, &allocation(), &request()).await.expect_err("no answer");
        assert!(matches!(error, CallError::OutcomeUnknown { .. }), "{reply:?}: {error:?}");
        assert_eq!(server.requests().len(), 1, "{reply:?}");
    }
    let server = Server::always(Reply::Json(429, String::new())).await;
    let error = inventory(&server.url()).create(&order_id, &allocation(), &request()).await.expect_err("too many");
    assert!(matches!(error, CallError::TryLater { cause: Cause::Status(429), .. }), "{error:?}");
    assert_eq!(server.requests().len(), 1, "Inventory is not asked again on 429");
    let started = Instant::now();
    let error = inventory(&nobody().await).create(&order_id, &allocation(), &request()).await.expect_err("nobody");
    assert!(error.is_unsent(), "{error:?}");
    assert!(started.elapsed() >= Duration::from_millis(20 + 40 + 80), "it was tried four times");
}

#[tokio::test]
async fn what_reads_or_can_be_repeated_is() {
    let server = Server::always(Reply::Json(503, String::new())).await;
    let client = inventory(&server.url());
    client.by_order(&"order-1".parse().expect("an id"), &request()).await.expect_err("it fails");
    client.confirm(&"alloc-1".parse().expect("an id"), &request()).await.expect_err("it fails");
    assert_eq!(server.requests().len(), 8);
}

#[tokio::test]
async fn a_payment_is_repeated_by_the_same_key() {
    let answer = |n| if n < 2 { Reply::Close } else { Reply::ok(json!({"paymentId": "pay-1", "status": "ACCEPTED"})) };
    let server = Server::start(move |n, _| answer(n)).await;
    let client = PaymentClient::with(&server.url(), quick(payment::POLICY), &caller()).expect("an address");
    let payment = PaymentRequest {
        payment_id: "pay-1".parse().expect("an id"),
        order_id: "order-1".parse().expect("an id"),
        amount: "162.50".parse().expect("an amount"),
        currency: "USD".parse().expect("a currency"),
    };
    client.pay(&payment, &request()).await.expect("paid");
    let sent = server.requests();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|request| request.header("idempotency-key") == Some("pay-1")));
}
