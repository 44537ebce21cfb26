//! The envelopes `cloudevents` and `cloudevents-binary`: CloudEvents 1.0 as structured JSON, and as the payload with the attributes in
//! headers, as the AMQP binding has them: a prefix before each name.

use serde_json::{Map, Value};

use crate::message::envelope::object::Object;
use crate::message::envelope::{AROUND_BYTES, version};
use crate::outbox::event::Event;
use crate::outbox::labels::Labels;
use crate::outbox::time::timestamp;

/// The binding allows `cloudEvents:` as well; this one passes where a colon does not.
const PREFIX: &str = "cloudEvents_";
/// The distributed tracing extension; the row has them as headers.
const TRACING: [&str; 2] = ["traceparent", "tracestate"];

/// Values without a CloudEvents attribute become extension attributes, whose names are lower-case
/// letters and digits.
pub(super) fn render(event: &Event, text: &str, labels: &Labels, headers: &Map<String, Value>) -> Vec<u8> {
    let mut body = Object::with_capacity(text.len() + AROUND_BYTES);
    body.string("specversion", "1.0");
    body.id("id", "", event.id);
    for (name, value) in attributes(event, labels) {
        body.string(name, &value);
    }
    body.string("datacontenttype", "application/json");
    for (name, value) in extensions(event, labels) {
        body.string(name, value);
    }
    for name in TRACING {
        if let Some(Value::String(value)) = headers.get(name) {
            body.string(name, value);
        }
    }
    body.unparsed("data", text.as_bytes());
    body.finish()
}

/// The headers of the binary mode; `datacontenttype` is the property `content_type`.
pub(super) fn with_attributes(mut headers: Map<String, Value>, event: &Event, labels: &Labels) -> Map<String, Value> {
    let mut put = |name: &str, value: &str| headers.insert(format!("{PREFIX}{name}"), value.into());
    put("specversion", "1.0");
    put("id", &event.id.to_string());
    for (name, value) in attributes(event, labels) {
        put(name, &value);
    }
    for (name, value) in extensions(event, labels) {
        put(name, value);
    }
    for name in TRACING {
        if let Some(value) = headers.get(name).filter(|value| value.is_string()).cloned() {
            headers.insert(format!("{PREFIX}{name}"), value);
        }
    }
    headers
}

fn attributes(event: &Event, labels: &Labels) -> [(&'static str, String); 4] {
    [
        ("source", labels.source.to_string()),
        ("type", labels.message_type.to_string()),
        ("subject", event.aggregate_id.clone()),
        ("time", timestamp(event.created_at)),
    ]
}

fn extensions<'a>(event: &'a Event, labels: &'a Labels) -> impl Iterator<Item = (&'static str, &'a str)> {
    let correlation_id = labels.correlation_id.as_deref().map(|id| ("correlationid", id));
    [("dataversion", version(event, labels)), ("partitionkey", event.key())].into_iter().chain(correlation_id)
}
