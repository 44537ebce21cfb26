//! The Notification Service, by seed 000: told to send, it reports what became of it. Text messages alone do not get through here, so
//! that the order service asks for e-mail.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::neighbours::wire::Message;

/// Seed 000, section 2.1.
pub const HEARS: &[&str] = &["notification.send_requested"];
const EXCHANGE: &str = "notification.events";

pub fn answer(_key: &str, event: &Value) -> Vec<Message> {
    let request = &event["data"];
    let channels = request["channels"].as_array().cloned().unwrap_or_default();
    let only_text = channels == [json!("SMS")];
    let data = if only_text { failed(request) } else { sent(request) };
    let key = if only_text { "notification.failed" } else { "notification.sent" };
    let id = Uuid::new_v4().to_string();
    let envelope = json!({
        "id": id, "type": key, "source": "notification-service", "dataVersion": "1.0", "timestamp": data["timestamp"],
        "correlationId": request["orderId"], "data": data,
    });
    vec![Message { exchange: EXCHANGE, key, id, amqp_id: None, body: envelope.to_string().into_bytes() }]
}

/// Section 3.1, "Notification Sent".
fn sent(request: &Value) -> Value {
    json!({
        "eventType": "notification.sent", "notificationId": request["notificationId"], "orderId": request["orderId"],
        "type": request["type"], "channels": request["channels"],
        "recipient": { "userId": request["recipient"]["userId"], "email": request["recipient"]["email"] },
        "sentAt": request["timestamp"], "deliveryStatus": "DELIVERED", "messageId": format!("msg_{}", Uuid::new_v4().simple()),
        "timestamp": request["timestamp"],
    })
}

/// Section 3.1, "Notification Failed".
fn failed(request: &Value) -> Value {
    json!({
        "eventType": "notification.failed", "notificationId": request["notificationId"], "orderId": request["orderId"],
        "type": request["type"], "channels": request["channels"],
        "recipient": { "userId": request["recipient"]["userId"], "phone": request["recipient"]["phone"] },
        "failedAt": request["timestamp"], "errorCode": "INVALID_PHONE_NUMBER", "errorMessage": "The phone number is not reachable",
        "retryCount": 2, "willRetry": false, "timestamp": request["timestamp"],
    })
}
