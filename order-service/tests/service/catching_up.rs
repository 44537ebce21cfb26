//! What was not done while a service was away is done after: by one replica, once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bodies;
use crate::hearers::Hearers;
use crate::neighbours::{Fault, products, users};
use crate::program::Program;
use crate::redis::Redis;
use crate::stage::{Stage, until};

async fn reviews(stage: &Stage, id: &str) -> Value {
    stage.get(&format!("/orders/{id}")).await.data(200)["reviews"].take()
}

#[tokio::test]
async fn an_order_that_was_flagged_is_cleared_when_the_services_are_back() {
    let (products, users) = (products().await, users().await);
    let (product, user) = (products.server.url(), users.server.url());
    let stage = Stage::with(&["--product-url", &product, "--user-url", &user, "--verify-seconds", "1"]).await;
    products.set(Fault::Down);
    users.set(Fault::Down);
    let good = stage.placed().await;
    let body = bodies::order(|body| body["items"][1]["unitPrice"] = json!(60.00));
    let off = stage.place("key-off", &body).await.data(201)["id"].as_str().expect("an id").to_owned();
    assert_eq!(reviews(&stage, &good).await.as_array().map(Vec::len), Some(2));
    let client = stage.database.client().await;
    users.set(Fault::None);
    products.set(Fault::None);
    let sql = "SELECT count(*) = 0 FROM order_service.reviews WHERE reason IN ('PRICE_UNVERIFIED', 'USER_UNVERIFIED')";
    until(&client, "nothing is unverified any more", sql).await;
    assert_eq!(reviews(&stage, &good).await, json!([]));
    assert_eq!(reviews(&stage, &off).await[0]["reason"], "PRICE_DISCREPANCY", "what is found is a review of its own");
}

#[tokio::test]
async fn of_two_replicas_one_asks_for_everything_that_is_sold_in_requests_of_fifty() {
    let products = products().await;
    let redis = Redis::start();
    let (product, cache) = (products.server.url(), redis.url());
    let flags = ["--product-url", &product, "--redis-url", &cache];
    let stage = Stage::with(&flags).await;
    let _other = Program::start(stage.database.url(), &flags).await;
    let ids: Vec<String> = (0..120).map(|n| format!("sold-{n:03}")).collect();
    let mut command = vec!["SADD", "products:active"];
    command.extend(ids.iter().map(String::as_str));
    redis.cli(&command);
    let client = stage.database.client().await;
    until(&client, "the job is known", "SELECT count(*) = 1 FROM order_service.jobs WHERE name = 'refresh'").await;
    client.execute("UPDATE order_service.jobs SET next_at = now() WHERE name = 'refresh'", &[]).await.expect("due");
    let sql = "SELECT next_at > now() + interval '2 seconds' AND progress = '' FROM order_service.jobs WHERE name = 'refresh'";
    until(&client, "it comes to its end", sql).await;
    let sql = "SELECT payload::text, created_at FROM outbox.events WHERE event_type = 'product.batch_details_requested' ORDER BY seq";
    let rows = client.query(sql, &[]).await.expect("read");
    let payloads: Vec<Value> = rows.iter().map(|row| serde_json::from_str(row.get(0)).expect("JSON")).collect();
    let sizes: Vec<_> = payloads.iter().map(|payload| payload["productIds"].as_array().map(Vec::len)).collect();
    assert_eq!(sizes, [Some(50), Some(50), Some(20)]);
    assert!(payloads.iter().all(|payload| payload["refreshMode"] == true));
    let mut asked: Vec<Value> =
        payloads.iter().flat_map(|p| p["productIds"].as_array().cloned().unwrap_or_default()).collect();
    asked.dedup();
    assert_eq!(asked, ids.iter().map(|id| json!(id)).collect::<Vec<_>>(), "each once");
    let at: Vec<std::time::SystemTime> = rows.iter().map(|row| row.get(1)).collect();
    for pair in at.windows(2) {
        let pause = pair[1].duration_since(pair[0]).expect("in order");
        assert!(pause >= Duration::from_secs(1), "{pause:?}");
    }
}

#[tokio::test]
async fn should_update_product_cache_when_receiving_product_details() {
    let products = products().await;
    let redis = Redis::start();
    let (product, cache) = (products.server.url(), redis.url());
    let hearers = Hearers::new(&["--product-url", &product, "--redis-url", &cache]).await;
    // Without a type and a time, as the document shows it.
    let event = json!({
        "id": "event-1",
        "data": {
            "productId": "product-1", "requestId": "request-1",
            "productDetails": {"id": "product-1", "name": "Updated Product Name", "price": 24.99, "status": "ACTIVE"}
        }
    });
    hearers.tell_product("product.details_provided", &event).await;
    hearers.until_handled(1).await;
    let is_kept = async || redis.cli(&["GET", "product:product-1"]).contains("Updated Product Name");
    hearers.eventually("the copy is kept", is_kept).await;
    assert_eq!(redis.cli(&["SISMEMBER", "products:active", "product-1"]), "1");
}
