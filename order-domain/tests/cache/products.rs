//! Products by copy and call: one call for concurrent misses, an answer that was on its way undoes nothing, and copies stand in while the
//! Product Service is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use order_domain::client::BreakerState;
use order_domain::client::product::{ProductError, ProductSource};
use serde_json::json;
use tokio::sync::Notify;

use crate::server::{Reply, Server, nobody};
use crate::stage::{id, memory, news, price, products, request, time};

#[tokio::test]
async fn the_second_question_is_answered_by_the_copy() {
    let server = Server::always(Reply::ok(json!({"id": "product-1", "name": "Desk", "price": 19.99}))).await;
    let products = products(&server.url(), memory());
    let first = products.get(&id("product-1"), &request()).await.expect("a product");
    let second = products.get(&id("product-1"), &request()).await.expect("a product");
    assert_eq!((first.source, second.source), (ProductSource::Service, ProductSource::Cache));
    assert_eq!((first.price, server.requests().len()), (second.price, 1));
}

#[tokio::test]
async fn concurrent_misses_make_one_call_and_share_its_answer_or_its_error() {
    for (reply, is_ok) in [
        (Reply::ok(json!({"id": "product-1", "name": "Desk", "price": 19.99})), true),
        (Reply::Json(500, String::new()), false),
    ] {
        let server = Server::always(reply).await;
        let products = Arc::new(products(&server.url(), memory()));
        let ask = || {
            let products = Arc::clone(&products);
            tokio::spawn(async move { products.get(&id("product-1"), &request()).await.is_ok() })
        };
        for answer in (0..50).map(|_| ask()).collect::<Vec<_>>() {
            assert_eq!(answer.await.expect("no panic"), is_ok);
        }
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn who_asked_first_may_go_away() {
    let reply =
        |n| if n == 0 { Reply::Hang } else { Reply::ok(json!({"id": "product-1", "name": "Desk", "price": 1})) };
    let server = Server::start(move |n, _| reply(n)).await;
    let products = Arc::new(products(&server.url(), memory()));
    let leader = Arc::clone(&products);
    let leader = tokio::spawn(async move { leader.get(&id("product-1"), &request()).await });
    let is_asked = async || !server.requests().is_empty();
    testkit::eventually(Duration::from_secs(10), "the first has asked", is_asked).await;
    let follower = Arc::clone(&products);
    let follower = tokio::spawn(async move { follower.get(&id("product-1"), &request()).await });
    leader.abort();
    follower.await.expect("no panic").expect("the next one asks");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_that_was_on_its_way_does_not_undo_what_was_told_meanwhile() {
    let (asked, told) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (asking, is_told) = (Arc::clone(&asked), Arc::clone(&told));
    let server = Server::start(move |_, _| {
        asking.notify_one();
        while !is_told.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1)); // the answer is on its way
        }
        Reply::ok(json!({"id": "product-1", "name": "Desk", "price": 10.00}))
    });
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let server = runtime.spawn(server).await.expect("it listens");
    let cache = memory();
    let products = Arc::new(products(&server.url(), Arc::clone(&cache)));
    let call = tokio::spawn(async move { products.get(&id("product-1"), &request()).await });
    asked.notified().await;
    tokio::time::sleep(Duration::from_millis(5)).await; // the event is of a later millisecond
    cache.hear(time(0), &[news("product-1", "20.00")]).await;
    told.store(true, Ordering::Release);
    call.await.expect("no panic").expect("an answer");
    assert_eq!(price(&cache, "product-1").await.as_deref(), Some("20.00"));
    runtime.shutdown_background();
}

#[tokio::test]
async fn a_bad_answer_is_kept_by_nobody() {
    for body in [json!({"id": "product-1", "name": "Desk", "price": -1}), json!({"id": "product-2", "price": 1})] {
        let server = Server::always(Reply::ok(body)).await;
        let cache = memory();
        let products = products(&server.url(), Arc::clone(&cache));
        products.get(&id("product-1"), &request()).await.expect_err("a bad answer");
        for product_id in ["product-1", "product-2"] {
            assert_eq!(price(&cache, product_id).await, None);
        }
    }
}

#[tokio::test]
async fn copies_stand_in_while_the_service_is_away_and_say_that_they_are_copies() {
    let cache = memory();
    let products = products(&nobody().await, Arc::clone(&cache));
    cache.hear(time(0), &[news("product-1", "20.00")]).await;
    let ids = [id("product-1"), id("product-2")];
    for _ in 0..4 {
        let fresh = products.fresh(&ids, &request()).await;
        assert!(matches!(fresh.away, Some(ProductError::BatchFailed(_))), "{:?}", fresh.away);
        assert_eq!(fresh.products.keys().collect::<Vec<_>>(), [&ids[0]]);
        assert_eq!(serde_json::to_value(&fresh.products[&ids[0]]).expect("JSON")["_source"], "cache");
    }
    assert_eq!(products.client().state(), BreakerState::Open);
    let error = products.get(&ids[1], &request()).await.expect_err("no copy");
    assert_eq!(error.to_string(), "Product Service is currently unavailable and product not in cache");
    assert_eq!(products.get(&ids[0], &request()).await.expect("a copy").source, ProductSource::Cache);
}

#[tokio::test]
async fn what_a_batch_answers_becomes_copies_for_five_minutes() {
    let answer =
        json!([{"id": "product-1", "name": "Desk", "price": 20}, {"id": "product-2", "name": "Lamp", "price": 5}]);
    let server = Server::always(Reply::ok(answer)).await;
    let redis = crate::redis::Redis::start();
    let (cache, _) = crate::stage::connected(&redis).await;
    let products = products(&server.url(), cache);
    let fresh = products.fresh(&[id("product-1"), id("product-2")], &request()).await;
    assert_eq!((fresh.products.len(), fresh.away), (2, None));
    let life: i64 = redis.cli(&["TTL", "product:product-2"]).parse().expect("a number");
    assert!((295..=300).contains(&life), "{life}");
}
