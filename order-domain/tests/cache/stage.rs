//! What the tests have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use order_domain::cache::{Cache, MemoryStore, Products, RedisStore, Store};
use order_domain::client::product::{self, ProductClient};
use order_domain::client::{
    BreakerPolicy, CallObserver, CallPolicy, Caller, Deadline, Http, Opening, RetryPolicy, Scope, Tokens, client_config,
};
use order_domain::inbound::product::{Price, ProductNews};
use order_domain::value::id::ProductId;
use order_domain::value::text::ForeignText;
use order_domain::value::timestamp::Timestamp;

use crate::redis::Redis;

/// Counts what the cache tells.
#[derive(Default)]
pub struct Told {
    pub hits: AtomicUsize,
    pub misses: AtomicUsize,
    pub failures: AtomicUsize,
}

impl CallObserver for Told {
    fn cached(&self, hits: usize, misses: usize) {
        self.hits.fetch_add(hits, Ordering::Relaxed);
        self.misses.fetch_add(misses, Ordering::Relaxed);
    }

    fn cache_failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn memory() -> Arc<Cache> {
    Arc::new(Cache::new(Store::Memory(MemoryStore::default()), Arc::new(())))
}

pub fn shared(redis: &Redis) -> Arc<Cache> {
    told(redis).0
}

pub fn told(redis: &Redis) -> (Arc<Cache>, Arc<Told>) {
    let told = Arc::new(Told::default());
    let store = RedisStore::new(&redis.url()).expect("an address");
    (Arc::new(Cache::new(Store::Redis(store), Arc::clone(&told) as _)), told)
}

/// A cache whose connection is there, so that what follows is not about connecting.
pub async fn connected(redis: &Redis) -> (Arc<Cache>, Arc<Told>) {
    let (cache, counts) = told(redis);
    let is_there = async || {
        cache.hear(None, &[news("warm", "1.00")]).await;
        cache.get(&id("warm")).await.is_some()
    };
    testkit::eventually(Duration::from_secs(20), "Redis keeps a copy", is_there).await;
    (cache, counts)
}

pub fn products(url: &str, cache: Arc<Cache>) -> Products {
    let tls = client_config(None, None).expect("a configuration");
    let caller = Caller { http: Http::new(tls).expect("a client"), tokens: Tokens::none(), observer: Arc::new(()) };
    let retry = RetryPolicy { retries: 0, ..product::POLICY.retry };
    let breaker = BreakerPolicy { opening: Opening::InARow(3), open_for: Duration::from_secs(30) };
    let policy = CallPolicy { retry, breaker, ..product::POLICY };
    Products::new(ProductClient::with(url, policy, &caller).expect("an address"), cache)
}

pub fn request() -> Scope {
    Scope::until(Deadline::after(Duration::from_secs(10)))
}

pub fn id(text: &str) -> ProductId {
    text.parse().expect("an id")
}

pub fn news(product_id: &str, price: &str) -> ProductNews {
    ProductNews {
        product_id: id(product_id),
        name: Some(ForeignText::new("Test Product")),
        price: Some(Price(price.parse().expect("an amount"))),
        status: Some(ForeignText::new("ACTIVE")),
        available: None,
        quantity_available: None,
        details: None,
    }
}

/// Seconds from now.
pub fn time(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::new(Timestamp::now().time() + time::Duration::seconds(seconds)).expect("a time"))
}

pub async fn price(cache: &Cache, product_id: &str) -> Option<String> {
    cache.get(&id(product_id)).await.and_then(|product| product.price).map(|price| price.to_string())
}
