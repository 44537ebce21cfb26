//! The envelope stage: renders the body that consumers read around the payload, whose text is embedded unparsed.
//!
//! Called once per message, before the message stage; pure.

use crate::relay::event::Event;
use crate::relay::labels::{Envelope, Labels, timestamp};

/// The version of an event that names none (design section 3).
const VERSION_DEFAULT: &str = "1.0";

/// Renders the body of `event` around its payload's `text`.
pub fn render(envelope: Envelope, event: &Event, text: &str, labels: &Labels) -> Vec<u8> {
    match envelope {
        Envelope::Standard => standard(event, text, labels),
        Envelope::Raw => text.as_bytes().to_vec(),
    }
}

fn standard(event: &Event, text: &str, labels: &Labels) -> Vec<u8> {
    let version = labels.version.as_deref().or(event.event_version.as_deref()).unwrap_or(VERSION_DEFAULT);
    let mut body = Object::with_capacity(text.len() + 320);
    body.string("messageId", &format!("msg-{}", event.id));
    body.string("messageType", &labels.message_type);
    body.string("messageVersion", version);
    body.string("timestamp", &timestamp(event.created_at));
    body.string("source", &labels.source);
    if let Some(correlation_id) = &event.correlation_id {
        body.string("correlationId", correlation_id);
    }
    body.string("partitionKey", event.key());
    body.unparsed("payload", text);
    body.finish()
}

/// A JSON object written field by field, so that the payload's text goes through untouched.
struct Object(Vec<u8>);

impl Object {
    fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        serde_json::to_writer(&mut self.0, value).expect("a string always serialises into memory");
    }

    fn unparsed(&mut self, name: &str, json: &str) {
        self.name(name);
        self.0.extend_from_slice(json.as_bytes());
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::fixtures;

    #[test]
    fn the_standard_envelope_has_seed_003s_fields_and_the_payload_byte_for_byte() {
        let payload = r#"{"price": 50.00,  "big":9007199254740993,"a":"ü","a":2}"#;
        let mut event = fixtures::event("order-1", 7);
        event.correlation_id = Some("corr-\"1\"".into());
        let labels = Labels { message_type: "OrderCreatedEvent".into(), version: None, source: "OrderService".into() };
        let body = String::from_utf8(render(Envelope::Standard, &event, payload, &labels)).expect("utf-8");
        let expected = format!(
            "{{\"messageId\":\"msg-{}\",\"messageType\":\"OrderCreatedEvent\",\"messageVersion\":\"1.0\",\
             \"timestamp\":\"2026-11-21T12:34:56.789Z\",\"source\":\"OrderService\",\
             \"correlationId\":\"corr-\\\"1\\\"\",\"partitionKey\":\"order-1\",\"payload\":{payload}}}",
            event.id
        );
        assert_eq!(body, expected);
    }

    #[test]
    fn an_absent_correlation_id_leaves_no_field_and_the_route_overrules_the_version() {
        let mut event = fixtures::event("order-1", 7);
        event.event_version = Some("1.1".into());
        let labels = Labels { message_type: "t".into(), version: Some("2.0".into()), source: "s".into() };
        let body = String::from_utf8(render(Envelope::Standard, &event, "{}", &labels)).expect("utf-8");
        assert!(!body.contains("correlationId"), "{body}");
        assert!(body.contains(r#""messageVersion":"2.0""#), "{body}");
    }

    #[test]
    fn raw_is_the_payload() {
        let labels = Labels { message_type: "t".into(), version: None, source: "s".into() };
        assert_eq!(render(Envelope::Raw, &fixtures::event("k", 1), " [1, 2] ", &labels), b" [1, 2] ");
    }
}
