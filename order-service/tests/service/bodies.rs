//! Bodies of requests that tests send.

use serde_json::{Value, json};

/// Two lines, of three pieces and of one.
pub const ORDER: &str = r#"{
    "userId": "user-xyz-789",
    "customerDetails": {"name": "John Doe", "email": "john.doe@example.com", "phone": "+15551234567"},
    "shippingAddress": {"line1": "123 Main St", "city": "Anytown", "state": "MA", "postalCode": "12345", "country": "US"},
    "currency": "USD",
    "items": [
        {"productId": "prod-456", "variantId": "variant-1", "inventoryItemId": "inv_01GXYZ234DEF",
         "productName": "Desk Chair", "quantity": 3, "unitPrice": 299.99},
        {"productId": "prod-789", "productName": "Mat", "quantity": 1, "unitPrice": 50.00}
    ],
    "tax": 79.5
}"#;

/// What [`ORDER`] comes to.
pub const TOTAL: f64 = 1029.47;

/// [`ORDER`] with something else in it.
pub fn order(change: impl FnOnce(&mut Value)) -> String {
    let mut body: Value = serde_json::from_str(ORDER).expect("JSON");
    change(&mut body);
    body.to_string()
}

pub fn paid() -> Value {
    json!({ "paymentId": "pay-1", "amount": TOTAL })
}

pub fn parcel(id: &str) -> Value {
    json!({ "shipmentId": id, "carrier": "UPS", "trackingNumber": "1Z999AA10123456784", "estimatedDelivery": "2030-01-02T03:04:05Z" })
}

pub fn reason() -> Value {
    json!({ "reason": "changed my mind" })
}
