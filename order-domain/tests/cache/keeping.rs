//! Which answer wins, for how long it counts, and what is listed as sold: alike in memory and in Redis.

use std::sync::Arc;
use std::time::Duration;

use order_domain::cache::Cache;
use order_domain::client::product::ProductSource;
use order_domain::value::text::ForeignText;

use crate::redis::Redis;
use crate::stage::{connected, id, memory, news, price, shared, time};

async fn newest_wins(cache: &Cache) {
    cache.hear(time(-10), &[news("product-1", "20.00")]).await;
    cache.hear(time(-60), &[news("product-1", "10.00")]).await;
    assert_eq!(price(cache, "product-1").await.as_deref(), Some("20.00"));
    cache.hear(time(-5), &[news("product-1", "30.00")]).await;
    assert_eq!(price(cache, "product-1").await.as_deref(), Some("30.00"));
    let copy = cache.get(&id("product-1")).await.expect("a copy");
    assert_eq!(serde_json::to_value(&copy).expect("JSON")["_source"], "cache");
    assert_eq!(copy.source, ProductSource::Cache);
    cache.forget(&id("product-1")).await;
    assert_eq!(price(cache, "product-1").await, None);
}

async fn sold_products_are_listed(cache: &Cache) {
    let many: Vec<_> = (0..120).map(|n| news(&format!("sold-{n}"), "1.00")).collect();
    cache.hear(time(-10), &many).await;
    let mut ended = news("sold-7", "1.00");
    ended.status = Some(ForeignText::new("DISCONTINUED"));
    cache.hear(time(-5), &[ended]).await;
    let active = cache.active().await;
    let sold = active.iter().filter(|id| id.as_str().starts_with("sold-")).count();
    assert_eq!(sold, 119);
    assert!(!active.contains(&id("sold-7")));
}

#[tokio::test]
async fn copies_in_memory() {
    let cache = memory();
    newest_wins(&cache).await;
    sold_products_are_listed(&cache).await;
}

#[tokio::test]
async fn copies_in_redis() {
    let redis = Redis::start();
    let (cache, _) = connected(&redis).await;
    newest_wins(&cache).await;
    sold_products_are_listed(&cache).await;
    let life: i64 = redis.cli(&["TTL", "product:sold-1"]).parse().expect("a number");
    assert!((3590..=3600).contains(&life), "{life}");
    assert_eq!(redis.cli(&["TTL", "products:active"]), "-1", "the list does not expire");
    redis.cli(&["DEL", "product:sold-1"]);
    assert!(cache.active().await.contains(&id("sold-1")), "also where its copy has expired");
}

#[tokio::test]
async fn replicas_share_what_is_in_redis_and_do_not_undo_each_other() {
    let redis = Redis::start();
    let (first, _) = connected(&redis).await;
    let (second, _) = connected(&redis).await;
    let writers = (0..40).map(|n: i64| {
        let cache = Arc::clone(if n % 2 == 0 { &first } else { &second });
        tokio::spawn(async move { cache.hear(time(-100 + n), &[news("product-1", &format!("{n}.00"))]).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("no panic");
    }
    // Writers who lost three times have given up, and on a loaded machine a store may have rested: both are told again.
    let newest = time(0);
    let is_kept = async || {
        first.hear(newest, &[news("product-1", "99.00")]).await;
        price(&second, "product-1").await.as_deref() == Some("99.00")
    };
    testkit::eventually(Duration::from_secs(20), "the newest is kept", is_kept).await;
    for cache in [&first, &second] {
        cache.hear(time(-50), &[news("product-1", "1.00")]).await;
    }
    let is_seen = async || price(&second, "product-1").await;
    let seen = testkit::eventually(Duration::from_secs(20), "a copy is seen", is_seen).await;
    assert_eq!(seen, "99.00");
}

#[tokio::test]
async fn keys_of_another_type_or_form_count_as_absent_and_are_replaced() {
    let redis = Redis::start();
    let (cache, told) = connected(&redis).await;
    redis.cli(&["LPUSH", "product:list", "a"]);
    redis.cli(&["SET", "product:html", "<html>"]);
    redis.cli(&["HSET", "product:hash", "id", "1"]);
    for product_id in ["list", "html", "hash"] {
        assert_eq!(price(&cache, product_id).await, None, "{product_id}");
        cache.hear(time(0), &[news(product_id, "5.00")]).await;
        assert_eq!(price(&cache, product_id).await.as_deref(), Some("5.00"), "{product_id}");
    }
    assert_eq!(told.failures.load(std::sync::atomic::Ordering::Relaxed), 0);
    redis.cli(&["DEL", "products:active"]);
    redis.cli(&["SET", "products:active", "a text"]);
    assert_eq!(shared(&redis).active().await, [], "no failure reaches a caller");
}
