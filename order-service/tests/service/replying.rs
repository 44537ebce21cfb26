//! A request through the outbox whose answer somebody waits for: it reaches who waits, whichever replica hears it; without an answer the Product
//! Service is called within the same deadline; and nothing is left afterwards.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_postgres::Client;

use crate::hearers::Hearers;
use crate::http::{Answer, Request, send};
use crate::neighbours::{Fault, products};
use crate::server::{Reply, Server};
use crate::stage::Stage;

const REQUEST: &str = "SELECT payload ->> 'requestId' FROM outbox.events WHERE event_type = 'product.details_requested'
                       ORDER BY seq DESC LIMIT 1";

async fn ask(address: std::net::SocketAddr, product_id: &str) -> Answer {
    let path = format!("/admin/products/{product_id}");
    send(address, &Request { method: "GET", path: &path, headers: &[], body: None }).await.expect("an answer")
}

/// The id of the request that is in the outbox.
async fn request_id(client: &Client) -> Option<String> {
    client.query_opt(REQUEST, &[]).await.expect("read").map(|row| row.get(0))
}

async fn is_nothing_left(stage: &Stage) -> bool {
    let sql = "SELECT count(*) = 0 FROM order_service.replies";
    stage.database.client().await.query_one(sql, &[]).await.expect("counted").get(0)
}

#[tokio::test]
async fn an_answer_reaches_who_waits_whichever_replica_hears_it() {
    let products = products().await;
    let product = products.server.url();
    let hearers = Hearers::with_replicas(&["--product-url", &product], 2).await;
    let client = hearers.stage.database.client().await;
    for n in 0..6 {
        let address = if n % 2 == 0 { hearers.stage.service.address } else { hearers.others[0].address };
        let product_id = format!("product-{n}");
        let started = Instant::now();
        let (asking, asked_before) = (product_id.clone(), request_id(&client).await);
        let waiting = tokio::spawn(async move { ask(address, &asking).await });
        hearers.eventually("the request is in the outbox", async || request_id(&client).await != asked_before).await;
        let details = json!({"id": product_id, "name": "Desk", "price": 24.99, "status": "ACTIVE"});
        let data = json!({"productId": product_id, "requestId": request_id(&client).await, "productDetails": details});
        hearers.tell_product("product.details_provided", &json!({"id": format!("event-{n}"), "data": data})).await;
        let found = waiting.await.expect("no panic").data(200);
        assert_eq!((&found["name"], &found["price"]), (&json!("Desk"), &json!(24.99)));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    assert!(products.lines().is_empty(), "nobody is called");
    assert!(is_nothing_left(&hearers.stage).await);
}

#[tokio::test]
async fn without_an_answer_the_product_service_is_called_within_the_same_deadline() {
    let server = Server::always(Reply::ok(json!({"id": "product-1", "name": "Desk", "price": 24.99}))).await;
    let hearers = Hearers::new(&["--product-url", &server.url()]).await;
    let started = Instant::now();
    let found = ask(hearers.stage.service.address, "product-1").await.data(200);
    let took = started.elapsed();
    assert!((Duration::from_millis(4_800)..Duration::from_secs(10)).contains(&took), "{took:?}");
    assert_eq!(
        (&found["price"], server.requests()[0].line()),
        (&json!(24.99), "GET /api/v1/products/product-1".into())
    );
    assert!(hearers.stage.service.log().iter().any(|line| line.contains("Request timed out")));
    assert!(is_nothing_left(&hearers.stage).await);
    let copy = ask(hearers.stage.service.address, "product-1").await.data(200);
    assert_eq!((&copy["_source"], server.requests().len()), (&json!("cache"), 1));
}

#[tokio::test]
async fn where_nobody_answers_at_all_the_request_ends_in_time_by_the_documents_words() {
    let products = products().await;
    let hearers = Hearers::new(&["--product-url", &products.server.url()]).await;
    products.set(Fault::Hangs);
    let started = Instant::now();
    let refused = ask(hearers.stage.service.address, "product-1").await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(refused.problem(), "503 PRODUCT_SERVICE_UNAVAILABLE");
    let message = "Product Service is currently unavailable and product not in cache";
    assert_eq!(refused.json()["error"]["message"], message);
    assert!(is_nothing_left(&hearers.stage).await);
}

#[tokio::test]
async fn without_the_address_of_the_product_service_there_is_nothing_to_ask() {
    let stage = Stage::new().await;
    assert_eq!(stage.get("/admin/products/product-1").await.problem(), "404 PRODUCT_SERVICE_NOT_CONFIGURED");
}
