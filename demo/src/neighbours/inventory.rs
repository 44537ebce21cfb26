//! The Inventory Service, by seed 001: it reserves the items of a new order, and confirms them when the order is confirmed.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::neighbours::wire::Message;

/// Seed 001, "Events Consumed by Inventory Service".
pub const HEARS: &[&str] = &["order.ordercreated.order", "order.orderconfirmed.order"];
const EXCHANGE: &str = "inventory.events";

pub fn answer(key: &str, event: &Value) -> Vec<Message> {
    let (name, key) = if key == "order.ordercreated.order" {
        ("AllocationCreated", "inventory.allocationcreated.allocation")
    } else {
        ("AllocationConfirmed", "inventory.allocationconfirmed.allocation")
    };
    let order = &event["payload"];
    let items = order["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| allocation(name, key, &event["timestamp"], order, item)).collect()
}

/// Seed 001, "Events Published by Inventory Service".
fn allocation(name: &str, key: &'static str, at: &Value, order: &Value, item: &Value) -> Message {
    let id = Uuid::new_v4().to_string();
    let item_id = item["orderItemId"].as_str().unwrap_or_default();
    let event = json!({
        "eventId": id, "eventType": name, "eventVersion": "1.0.0", "aggregateId": format!("alloc-{item_id}"),
        "aggregateType": "Allocation", "timestamp": at,
        "metadata": { "correlationId": order["orderId"], "source": "inventory-service" },
        "payload": {
            "allocationId": format!("alloc-{item_id}"), "orderId": order["orderId"], "orderItemId": item_id,
            "inventoryItemId": item["inventoryItemId"], "sku": "SKU-1", "productId": item["productId"], "warehouseId": "warehouse-1",
            "quantity": item["quantity"], "status": if name == "AllocationCreated" { "PENDING" } else { "CONFIRMED" },
            "expiresAt": "2099-01-01T00:00:00Z",
        },
    });
    Message { exchange: EXCHANGE, key, id, amqp_id: None, body: event.to_string().into_bytes() }
}
