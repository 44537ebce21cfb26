//! What neighbours publish, written by their documents alone: nothing of ours is in these bodies.

use serde_json::{Value, json};

/// Seed 000 section 3.1, within the envelope of its section 5.
pub fn sent(order: &str, notification: &str, kind: &str, channel: &str) -> Value {
    json!({
        "id": uuid::Uuid::new_v4(), "type": "notification.sent", "source": "notification-service", "dataVersion": "1.0",
        "timestamp": "2030-01-01T10:00:01.000Z", "correlationId": order,
        "data": {
            "eventType": "notification.sent", "notificationId": notification, "orderId": order, "type": kind,
            "channels": [channel], "recipient": { "userId": "user-xyz-789", "email": "john.doe@example.com" },
            "sentAt": "2030-01-01T10:00:00.000Z", "deliveryStatus": "DELIVERED", "messageId": "msg_5f9c1b2a",
            "timestamp": "2030-01-01T10:00:01.000Z"
        }
    })
}

/// The same for a failure, flat as section 3.1 shows it.
pub fn failed(order: &str, notification: &str, kind: &str, channel: &str, will_retry: bool) -> Value {
    json!({
        "eventType": "notification.failed", "notificationId": notification, "orderId": order, "type": kind,
        "channels": [channel], "recipient": { "userId": "user-xyz-789", "phone": "+15551234567" },
        "failedAt": "2030-01-01T10:00:00.000Z", "errorCode": "INVALID_PHONE_NUMBER",
        "errorMessage": "The phone number is not reachable", "retryCount": 2, "willRetry": will_retry,
        "timestamp": "2030-01-01T10:00:01.000Z"
    })
}

/// Seed 001: an event of an allocation. `at` is its time, to the second.
pub fn allocation(event: &str, order: &str, item: &str, at: &str) -> Value {
    json!({
        "eventId": uuid::Uuid::new_v4(), "eventType": event, "eventVersion": "1.0.0", "aggregateId": "alloc-1",
        "aggregateType": "Allocation", "timestamp": at,
        "metadata": { "correlationId": order, "source": "inventory-service" },
        "payload": {
            "allocationId": "alloc-1", "orderId": order, "orderItemId": item, "inventoryItemId": "inv_01GXYZ234DEF",
            "sku": "SKU-1", "productId": "prod-456", "warehouseId": "wh-1", "quantity": 3, "status": "PENDING",
            "expiresAt": "2099-01-01T00:00:00Z"
        }
    })
}

/// Seed 004 section 4.1.
pub fn discontinued(product: &str) -> Value {
    json!({
        "id": uuid::Uuid::new_v4(), "type": "product.updated", "source": "product-service", "dataVersion": "1.0",
        "timestamp": "2030-01-01T10:00:00.000Z", "correlationId": product,
        "data": { "productId": product, "name": "Desk Chair", "price": 299.99, "status": "DISCONTINUED" }
    })
}

/// The names of seed 003, in the envelope of its events.
pub fn paid(order: &str, payment: &str, amount: f64) -> Value {
    json!({
        "messageId": format!("msg-{}", uuid::Uuid::new_v4()), "messageType": "PaymentCompletedEvent", "messageVersion": "1.0",
        "timestamp": "2030-01-01T10:00:00.000Z", "source": "payment-service",
        "payload": { "orderId": order, "paymentId": payment, "amount": amount }
    })
}
