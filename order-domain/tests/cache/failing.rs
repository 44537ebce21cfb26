//! A Redis that is down, hangs or is full: a caller notices at most 50 ms, and no error.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use order_domain::client::product::ProductSource;
use serde_json::json;

use crate::redis::Redis;
use crate::server::{Reply, Server};
use crate::stage::{connected, id, news, price, products, request, shared, time};

/// 50 ms, and what a loaded machine adds.
const NOTICED_MAX: Duration = Duration::from_millis(150);

#[tokio::test]
async fn one_that_hangs_costs_its_limit_once_and_then_nothing_for_a_while() {
    let redis = Redis::start();
    let (cache, told) = connected(&redis).await;
    let server = Server::always(Reply::ok(json!({"id": "product-1", "name": "Desk", "price": 19.99}))).await;
    let products = products(&server.url(), Arc::clone(&cache));
    redis.freeze(true);
    let started = Instant::now();
    let product = products.get(&id("product-1"), &request()).await.expect("a product");
    assert!(started.elapsed() < NOTICED_MAX, "{:?}", started.elapsed());
    assert_eq!(product.source, ProductSource::Service);
    assert_eq!(told.failures.load(Ordering::Relaxed), 1, "reading failed; keeping the answer was not tried");
    let started = Instant::now();
    for _ in 0..20 {
        cache.hear(time(0), &[news("product-1", "1.00")]).await;
        assert_eq!(price(&cache, "product-1").await, None);
    }
    assert!(started.elapsed() < NOTICED_MAX, "{:?}", started.elapsed());
    redis.freeze(false);
    let is_back = async || {
        cache.hear(time(0), &[news("product-1", "2.00")]).await;
        price(&cache, "product-1").await.is_some()
    };
    testkit::eventually(Duration::from_secs(20), "it is used again", is_back).await;
}

#[tokio::test]
async fn one_that_is_down_is_noticed_by_nobody_and_used_when_it_is_back() {
    let redis = Redis::start();
    let address = redis.address();
    let (cache, _) = connected(&redis).await;
    drop(redis);
    let started = Instant::now();
    assert_eq!(price(&cache, "product-1").await, None);
    cache.hear(time(0), &[news("product-1", "1.00")]).await;
    assert_eq!(cache.active().await, []);
    assert!(started.elapsed() < NOTICED_MAX * 2, "{:?}", started.elapsed());
    let _redis = Redis::at(address);
    let is_back = async || {
        cache.hear(time(0), &[news("product-1", "2.00")]).await;
        price(&cache, "product-1").await.is_some()
    };
    testkit::eventually(Duration::from_secs(20), "it is used again", is_back).await;
}

#[tokio::test]
async fn one_that_was_never_there_or_takes_connections_and_says_nothing_is_the_same() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = silent.local_addr().expect("it is bound").port();
    for url in [format!("redis://127.0.0.1:{port}/0"), "redis://127.0.0.1:1/0".to_owned()] {
        let store = order_domain::cache::RedisStore::new(&url).expect("an address");
        let cache = order_domain::cache::Cache::new(order_domain::cache::Store::Redis(store), Arc::new(()));
        let started = Instant::now();
        assert_eq!(price(&cache, "product-1").await, None);
        assert!(started.elapsed() < NOTICED_MAX, "{url}: {:?}", started.elapsed());
    }
    assert!(order_domain::cache::RedisStore::new("http://secret@host").is_err_and(|text| !text.contains("secret")));
}

#[tokio::test]
async fn one_that_is_full_keeps_nothing_and_fails_nobody() {
    let redis = Redis::start();
    let (cache, told) = connected(&redis).await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let started = Instant::now();
    cache.hear(time(0), &[news("product-1", "1.00")]).await;
    assert!(started.elapsed() < NOTICED_MAX, "{:?}", started.elapsed());
    assert_eq!(told.failures.load(Ordering::Relaxed), 1);
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(price(&shared(&redis), "product-1").await, None);
}
