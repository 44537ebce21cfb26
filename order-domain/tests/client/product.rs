//! The Product Service: paths, bodies and texts of its document, and its contract.

use order_domain::client::product::{ProductClient, ProductError, ProductSource};
use serde_json::{Value, json};

use crate::server::{Reply, Server};
use crate::stage::{caller, id, products, request};

/// The contract of the document (8.2), in the shape of Pact version 3.
const PACT: &str = include_str!("../golden/004-product-pact.json");

#[tokio::test]
async fn should_return_product_details() {
    let pact: Value = serde_json::from_str(PACT).expect("JSON");
    let interaction = pact["interactions"][0].clone();
    let (asked, answered) = (interaction["request"].clone(), interaction["response"].clone());
    let server = Server::always(Reply::ok(&answered["body"])).await;
    let client = ProductClient::new(&server.url(), &caller()).expect("an address");
    let product_id = id("e8acc97f-c204-4c53-9c33-5d91a1061618");
    let product = client.get(&product_id, &request()).await.expect("a product");
    assert_eq!(product.id, product_id);
    assert_eq!(product.name.as_ref().map(|name| name.as_str()), Some("Ergonomic Office Chair"));
    assert_eq!(product.price, Some("249.99".parse().expect("an amount")), "basePrice");
    assert_eq!(product.status.as_ref().map(|status| status.as_str()), Some("ACTIVE"));
    assert_eq!(product.source, ProductSource::Service);
    let sent = &server.requests()[0];
    assert_eq!((json!(sent.method), json!(sent.path)), (asked["method"].clone(), asked["path"].clone()));
}

#[tokio::test]
async fn a_batch_is_one_call_and_comes_back_by_id() {
    let answer = json!([{"id": "product-2", "currentPrice": 2.50, "price": 9}, {"id": "product-1", "price": 19.99}]);
    let server = Server::always(Reply::ok(answer)).await;
    let ids: Vec<_> = (1..=10).map(|n| id(&format!("product-{n}"))).collect();
    let found = products(&server.url()).batch(&ids, &request()).await.expect("products");
    assert_eq!(found.keys().map(|id| id.as_str()).collect::<Vec<_>>(), ["product-1", "product-2"]);
    assert_eq!(found[&ids[1]].price, Some("2.50".parse().expect("an amount")), "currentPrice counts first");
    let sent = server.requests();
    assert_eq!((sent.len(), sent[0].line()), (1, "POST /api/v1/products/batch".to_owned()));
    let expected: Vec<String> = (1..=10).map(|n| format!("product-{n}")).collect();
    assert_eq!(sent[0].json(), json!({ "ids": expected }));
}

#[tokio::test]
async fn both_shapes_of_an_answer_are_read() {
    let envelope = json!({"success": true, "data": {"id": "product-1", "price": 19.99}});
    let server = Server::always(Reply::ok(envelope)).await;
    let product = products(&server.url()).get(&id("product-1"), &request()).await.expect("a product");
    assert_eq!(product.price, Some("19.99".parse().expect("an amount")));
}

#[tokio::test]
async fn errors_have_the_texts_of_the_document() {
    let server = Server::always(Reply::Json(404, String::new())).await;
    let client = products(&server.url());
    let error = client.get(&id("product-9"), &request()).await.expect_err("not found");
    assert_eq!(error, ProductError::NotFound(id("product-9")));
    assert_eq!(error.to_string(), "Product with ID product-9 not found");
    let server = Server::always(Reply::Json(400, "no".into())).await;
    let client = products(&server.url());
    let error = client.get(&id("product-9"), &request()).await.expect_err("refused");
    assert_eq!(error.to_string(), "Failed to fetch product details: Product Service refused this: status 400");
    let error = client.batch(&[id("product-9")], &request()).await.expect_err("refused");
    assert_eq!(error.to_string(), "Failed to fetch products in batch: Product Service refused this: status 400");
}

#[tokio::test]
async fn an_id_cannot_lead_to_another_path() {
    let server = Server::always(Reply::ok(json!({"id": "x"}))).await;
    let client = products(&server.url());
    for text in ["..", "."] {
        let error = client.get(&id(text), &request()).await.expect_err("no such product");
        assert_eq!(error, ProductError::NotFound(id(text)));
    }
    assert!(server.requests().is_empty(), "and nobody is asked");
    drop(client.get(&id("../batch?x=1#y %2e"), &request()).await.expect_err("another product"));
    assert_eq!(server.requests()[0].path, "/api/v1/products/..%2Fbatch%3Fx=1%23y%20%252e");
}

#[tokio::test]
async fn two_calls_use_one_connection() {
    let server = Server::always(Reply::ok(json!({"id": "product-1", "price": 1}))).await;
    let client = products(&server.url());
    for _ in 0..2 {
        client.get(&id("product-1"), &request()).await.expect("a product");
    }
    assert_eq!((server.requests().len(), server.connections()), (2, 1));
}

#[test]
fn stock_that_is_not_told_of_is_there_and_what_is_not_sold_is_not() {
    let read = |more: Value| {
        let mut body = json!({"id": "product-1"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let server = Server::always(Reply::ok(body)).await;
            products(&server.url()).get(&id("product-1"), &request()).await.expect("a product")
        })
    };
    assert!(read(json!({})).has(1_000));
    assert!(read(json!({"quantityAvailable": 2})).has(2) && !read(json!({"quantityAvailable": 2})).has(3));
    for not_sold in [json!({"available": false}), json!({"status": "DISCONTINUED"}), json!({"quantityAvailable": -1})] {
        assert!(!read(not_sold.clone()).has(1), "{not_sold}");
    }
}
