//! The Inventory Service: paths and bodies of its document, and what its answers mean.

use order_domain::client::CallError;
use order_domain::client::inventory::{AllocationRequest, AllocationState, InventoryClient, ReserveItem};
use serde_json::{Value, json};

use crate::server::{Reply, Server};
use crate::stage::{caller, request};

fn allocation() -> AllocationRequest {
    AllocationRequest {
        order_item_id: "item_01PXYZ123KLM".parse().expect("an id"),
        inventory_item_id: "inv_01GXYZ234DEF".parse().expect("an id"),
        quantity: 2,
        warehouse_id: Some("wh_01HXYZ789GHI".parse().expect("an id")),
        expires_at: Some("2023-05-24T23:59:59Z".parse().expect("a time")),
    }
}

fn answer() -> Value {
    json!({
        "success": true,
        "data": {
            "id": "alloc_01NXYZ901EFG", "orderId": "ord_01OXYZ012HIJ", "orderItemId": "item_01PXYZ123KLM",
            "inventoryItemId": "inv_01GXYZ234DEF", "warehouseId": "wh_01HXYZ789GHI", "quantity": 2, "status": "PENDING",
            "expiresAt": "2023-05-24T23:59:59Z", "createdAt": "2023-05-23T11:30:00Z", "updatedAt": "2023-05-23T11:30:00Z"
        }
    })
}

#[tokio::test]
async fn an_allocation_is_asked_for_and_answered_as_the_document_shows() {
    let server = Server::always(Reply::ok(answer())).await;
    let client = InventoryClient::new(&server.url(), &caller()).expect("an address");
    let order_id = "ord_01OXYZ012HIJ".parse().expect("an id");
    let record = client.create(&order_id, &allocation(), &request()).await.expect("reserved");
    assert_eq!(
        (record.id.as_str(), record.quantity, record.status),
        ("alloc_01NXYZ901EFG", 2, AllocationState::Pending)
    );
    let sent = &server.requests()[0];
    assert_eq!(sent.line(), "POST /allocations");
    assert_eq!(
        sent.json(),
        json!({
            "orderId": "ord_01OXYZ012HIJ", "orderItemId": "item_01PXYZ123KLM", "inventoryItemId": "inv_01GXYZ234DEF",
            "quantity": 2, "warehouseId": "wh_01HXYZ789GHI", "expiresAt": "2023-05-24T23:59:59.000Z"
        })
    );
}

#[tokio::test]
async fn several_lines_are_one_call() {
    let data = answer()["data"].clone();
    for body in [json!([data]), json!({"success": true, "data": [data]}), json!({"data": 1, "allocations": [data]})] {
        let server = Server::always(Reply::ok(body)).await;
        let client = InventoryClient::new(&server.url(), &caller()).expect("an address");
        let order_id = "ord_01OXYZ012HIJ".parse().expect("an id");
        let records = client.create_all(&order_id, &[allocation()], &request()).await.expect("reserved");
        assert_eq!(records.len(), 1);
        let sent = &server.requests()[0];
        assert_eq!(sent.line(), "POST /allocations/bulk");
        let (body, item) = (sent.json(), &sent.json()["items"][0]);
        assert_eq!((&body["orderId"], &item["quantity"]), (&json!("ord_01OXYZ012HIJ"), &json!(2)));
        assert_eq!(body["metadata"], json!({"correlationId": "ord_01OXYZ012HIJ", "source": "order-service"}));
    }
}

#[tokio::test]
async fn missing_stock_is_a_refusal_with_its_details() {
    let body = json!({
        "success": false,
        "error": {
            "code": "INSUFFICIENT_STOCK", "message": "Not enough inventory available",
            "details": {"inventoryItemId": "inv_01GXYZ234DEF", "warehouseId": "wh_01HXYZ789GHI", "requested": 5, "available": 2}
        }
    });
    let server = Server::always(Reply::Json(409, body.to_string())).await;
    let client = InventoryClient::new(&server.url(), &caller()).expect("an address");
    let order_id = "ord_01OXYZ012HIJ".parse().expect("an id");
    let error = client.create(&order_id, &allocation(), &request()).await.expect_err("refused");
    let CallError::Refused { refused, .. } = &error else { panic!("{error:?}") };
    assert_eq!((refused.code.as_str(), &refused.details["available"]), ("INSUFFICIENT_STOCK", &json!(2)));
    assert_eq!(error.to_string(), "Inventory Service refused this: INSUFFICIENT_STOCK: Not enough inventory available");
}

#[tokio::test]
async fn allocations_are_moved_by_their_verbs() {
    let server = Server::always(Reply::ok(answer())).await;
    let client = InventoryClient::new(&server.url(), &caller()).expect("an address");
    let (id, scope) = ("alloc_01NXYZ901EFG".parse().expect("an id"), request());
    client.confirm(&id, &scope).await.expect("confirmed");
    client.cancel(&id, &scope).await.expect("cancelled");
    client.fulfil(&id, &scope).await.expect("fulfilled");
    let lines: Vec<_> = server.requests().iter().map(|request| request.line()).collect();
    let expected = ["confirm", "cancel", "fulfill"].map(|verb| format!("PUT /allocations/alloc_01NXYZ901EFG/{verb}"));
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_order_that_inventory_does_not_know_has_no_allocations() {
    let server = Server::always(Reply::Json(404, String::new())).await;
    let client = InventoryClient::new(&server.url(), &caller()).expect("an address");
    let found = client.by_order(&"order-1".parse().expect("an id"), &request()).await.expect("an answer");
    assert_eq!((found.len(), server.requests()[0].line()), (0, "GET /allocations/by-order/order-1".to_owned()));
}

#[tokio::test]
async fn allocations_of_another_order_are_no_answer() {
    let server = Server::always(Reply::ok(json!([answer()["data"]]))).await;
    let client = InventoryClient::new(&server.url(), &caller()).expect("an address");
    let error = client.by_order(&"order-1".parse().expect("an id"), &request()).await.expect_err("not ours");
    assert!(error.to_string().ends_with("it is for another order"), "{error}");
}

#[tokio::test]
async fn a_reservation_by_product_says_yes_or_no() {
    for (body, is_reserved) in [(json!({"success": true}), true), (json!({"success": false}), false)] {
        let server = Server::always(Reply::ok(body)).await;
        let client = InventoryClient::new(&server.url(), &caller()).expect("an address");
        let items = [ReserveItem { product_id: "product-1".parse().expect("an id"), quantity: 3 }];
        let answer = client.reserve(&"order-1".parse().expect("an id"), &items, &request()).await;
        assert_eq!(answer.expect("an answer"), is_reserved);
        let sent = &server.requests()[0];
        assert_eq!(sent.line(), "POST /inventory/reserve");
        let expected = json!({"orderId": "order-1", "items": [{"productId": "product-1", "quantity": 3}]});
        assert_eq!(sent.json(), expected);
    }
}
