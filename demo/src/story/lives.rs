//! What becomes of an order: six lives, each a list of requests that follow its placing.
//!
//! Used by `clients`. Promises that every event of the order service is told by one of the lives.

use serde_json::{Value, json};

/// One request of a life.
#[derive(Clone)]
pub struct Step {
    pub method: &'static str,
    /// Below the order's path; empty is the order itself.
    pub command: &'static str,
    pub body: Value,
}

/// The order that `number` names. Every seventh customer has no phone.
pub fn order(number: u32) -> Value {
    let (first, second) = (1 + number % 4, 1 + number % 3);
    let mut body = json!({
        "userId": format!("user-{:04}", number % 40),
        "customerDetails": { "name": "Zoë Müller", "email": format!("customer-{}@example.com", number % 40), "phone": "+15551234567" },
        "shippingAddress": { "line1": "Hafenstraße 12", "city": "Anytown", "postalCode": "12345", "country": "DE" },
        "currency": "EUR",
        "items": [
            { "productId": format!("prod-{}", number % 17), "variantId": "blue", "inventoryItemId": format!("inv-{}", number % 17),
              "productName": "Walnut cutting board", "quantity": first, "unitPrice": 49.99 },
            { "productId": "prod-99", "variantId": "red", "inventoryItemId": "inv-99", "productName": "Burr grinder", "quantity": second, "unitPrice": 129.5 }
        ],
        "shipping": 4.9
    });
    if number.is_multiple_of(7) {
        body["customerDetails"]["phone"] = Value::Null;
    }
    body
}

/// What follows the placing of `placed`, the order as the service answered.
pub fn life(number: u32, placed: &Value) -> Vec<Step> {
    let (total, item) = (&placed["totalAmount"], &placed["items"][0]["orderItemId"]);
    let one = json!([{ "orderItemId": item, "quantity": 1 }]);
    let payment = format!("pay-{number}");
    let start = step("start-payment", json!({ "paymentId": payment }));
    let paid = step("complete-payment", json!({ "paymentId": payment, "amount": total }));
    let pay = || vec![start.clone(), paid.clone()];
    let parcel = |id: &str| json!({ "shipmentId": format!("ship-{number}-{id}"), "carrier": "DHL" });
    let delivered = || vec![step("process", json!({})), step("ship", parcel("a")), step("deliver", json!({}))];
    let refund = |command| step(command, json!({ "refundId": format!("refund-{number}") }));
    match number % 6 {
        0 => [pay(), delivered()].concat(),
        1 => [pay(), vec![step("cancel", json!({ "reason": "changed my mind" }))]].concat(),
        2 => {
            let failed = json!({ "paymentId": "pay-0", "reason": "card declined" });
            let start = step("start-payment", json!({ "paymentId": "pay-0" }));
            let before = vec![start, step("fail-payment", failed), step("retry-payment", json!({}))];
            [before, pay(), delivered()].concat()
        }
        3 => {
            let mut part = parcel("part");
            part["lines"] = one;
            let address = json!({ "shippingAddress": { "line1": "1 Side St", "city": "Anytown", "postalCode": "1", "country": "US" } });
            let late = step("report-delay", json!({ "reason": "snow" }));
            let rest = vec![
                step("process", json!({})),
                step("ship", part),
                step("ship", parcel("rest")),
                late,
                step("deliver", json!({})),
            ];
            [vec![Step { method: "PATCH", command: "", body: address }], pay(), rest].concat()
        }
        4 => {
            let back = step(
                "initiate-return",
                json!({ "returnId": format!("return-{number}"), "lines": one, "reason": "too small" }),
            );
            let ask = json!({ "refundId": format!("refund-{number}"), "amount": 49.99, "reason": "sent back" });
            let after = vec![
                back,
                step("approve-return", json!({})),
                step("request-refund", ask),
                refund("initiate-refund"),
                refund("complete-refund"),
            ];
            [pay(), delivered(), after].concat()
        }
        _ => {
            let note =
                json!({ "type": "CUSTOM", "priority": "LOW", "templateData": { "text": "Your invoice is ready." } });
            vec![step("notifications", note), step("cancel", json!({ "reason": "found it elsewhere" }))]
        }
    }
}

fn step(command: &'static str, body: Value) -> Step {
    Step { method: "POST", command, body }
}
