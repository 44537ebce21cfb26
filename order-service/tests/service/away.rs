//! Services that are down, hang, fail or are lost: orders are placed within the request's deadline, flagged, and the breaker is seen to open.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bodies;
use crate::neighbours::{Fault, inventory, products, users};
use crate::redis::Redis;
use crate::stage::Stage;

/// What a request may take.
const DEADLINE: Duration = Duration::from_secs(10);

fn reasons(order: &Value) -> Vec<String> {
    let reviews = order["reviews"].as_array().expect("reviews").iter();
    let mut reasons: Vec<String> =
        reviews.map(|review| review["reason"].as_str().expect("a reason").to_owned()).collect();
    reasons.sort();
    reasons
}

async fn breaker(stage: &Stage, service: &str) -> String {
    let health = stage.get("/health").await.data(200);
    let neighbours = health["neighbours"].as_array().expect("neighbours").clone();
    let found = neighbours.iter().find(|one| one["service"] == service).expect("it is called");
    found["breaker"].as_str().expect("a state").to_owned()
}

/// Places an order in time, and says why a person should look at it.
async fn placed_and_flagged(stage: &Stage) -> Vec<String> {
    let started = Instant::now();
    let id = stage.placed().await;
    assert!(started.elapsed() < DEADLINE, "{:?}", started.elapsed());
    reasons(&stage.get(&format!("/orders/{id}")).await.data(200))
}

#[tokio::test]
async fn without_the_product_service_orders_are_placed_and_flagged() {
    with_each_fault(without_products).await;
}

/// At the same time, because most faults take their time.
async fn with_each_fault(test: impl AsyncFn(Fault)) {
    let [down, hangs, fails, lost, slow] = Fault::ALL.map(|fault| test(fault));
    tokio::join!(down, hangs, fails, lost, slow);
}

async fn without_products(fault: Fault) {
    let products = products().await;
    let stage = Stage::with(&["--product-url", &products.server.url()]).await;
    products.set(fault);
    for _ in 0..3 {
        assert_eq!(placed_and_flagged(&stage).await, ["PRICE_UNVERIFIED"], "{fault:?}");
    }
    assert_eq!(breaker(&stage, "product").await, "open", "{fault:?}: three calls in a row have failed");
    let (asked, started) = (products.lines().len(), Instant::now());
    assert_eq!(placed_and_flagged(&stage).await, ["PRICE_UNVERIFIED"]);
    assert!(started.elapsed() < Duration::from_secs(2), "nobody is asked any more: {:?}", started.elapsed());
    assert_eq!(products.lines().len(), asked);
    let log = stage.service.log();
    assert!(log.iter().any(|line| line.contains("Circuit breaker to Product Service opened")), "{fault:?}");
}

#[tokio::test]
async fn without_the_user_service_orders_are_placed_and_flagged() {
    with_each_fault(async |fault| {
        let users = users().await;
        let stage = Stage::with(&["--user-url", &users.server.url()]).await;
        users.set(fault);
        assert_eq!(placed_and_flagged(&stage).await, ["USER_UNVERIFIED"], "{fault:?}");
    })
    .await;
}

#[tokio::test]
async fn without_inventory_orders_are_placed_and_their_stock_is_taken_to_be_there() {
    with_each_fault(async |fault| {
        let inventory = inventory().await;
        let stage = Stage::with(&["--inventory-url", &inventory.server.url()]).await;
        inventory.set(fault);
        let body = bodies::order(|body| body["allocation"] = "SYNCHRONOUS".into());
        let started = Instant::now();
        let order = stage.place("key-1", &body).await.data(201);
        assert!(started.elapsed() < DEADLINE, "{fault:?}: {:?}", started.elapsed());
        let order = stage.get(&format!("/orders/{}", order["id"].as_str().expect("an id"))).await.data(200);
        assert_eq!(order["items"][0]["allocation"]["status"], "OPTIMISTIC", "{fault:?}");
        let posts = inventory.lines().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, 1, "{fault:?}: it may have reserved, so it is not asked again");
    })
    .await;
}

#[tokio::test]
async fn with_everybody_away_at_once_an_order_is_placed_in_time() {
    let (products, users, inventory) = (products().await, users().await, inventory().await);
    let (product, user, stock) = (products.server.url(), users.server.url(), inventory.server.url());
    let redis = Redis::start();
    let flags =
        ["--product-url", &product, "--user-url", &user, "--inventory-url", &stock, "--redis-url", &redis.url()];
    let stage = Stage::with(&flags).await;
    products.set(Fault::Hangs);
    users.set(Fault::Hangs);
    inventory.set(Fault::Hangs);
    redis.freeze(true);
    let body = bodies::order(|body| body["allocation"] = "SYNCHRONOUS".into());
    let started = Instant::now();
    let order = stage.place("key-1", &body).await.data(201);
    assert!(started.elapsed() < DEADLINE, "{:?}", started.elapsed());
    let id = order["id"].as_str().expect("an id");
    let order = stage.get(&format!("/orders/{id}")).await.data(200);
    assert_eq!(reasons(&order), ["ALLOCATION", "PRICE_UNVERIFIED", "USER_UNVERIFIED"]);
    assert_eq!(order["items"][0]["allocation"]["status"], "OPTIMISTIC");
    redis.freeze(false);
}

#[tokio::test]
async fn a_redis_that_is_down_or_hangs_is_noticed_by_nobody() {
    let products = products().await;
    let redis = Redis::start();
    let stage = Stage::with(&["--product-url", &products.server.url(), "--redis-url", &redis.url()]).await;
    assert_eq!(placed_and_flagged(&stage).await, Vec::<String>::new());
    redis.freeze(true);
    assert_eq!(placed_and_flagged(&stage).await, Vec::<String>::new());
    redis.freeze(false);
    drop(redis);
    let started = Instant::now();
    assert_eq!(placed_and_flagged(&stage).await, Vec::<String>::new());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}
