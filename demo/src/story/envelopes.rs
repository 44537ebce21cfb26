//! The three envelopes, read as strictly as their documents are written: every field there, none besides, each with the
//! value that it must have. The clients of the demo send no correlation id, so it is the order's id where a document asks for one, and
//! absent in the standard envelope, where it may be.
//!
//! Used by `consumer`. Refuses with a reason that quotes no payload.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::story::documents::Binding;

/// In which form events come to a service.
#[derive(Clone, Copy)]
pub enum Envelope {
    /// Seeds 000 and 004.
    Domain,
    /// Seed 003.
    Standard,
    /// Seed 001.
    Aggregate,
}

/// What an envelope holds.
pub struct Letter {
    pub id: Uuid,
    pub payload: Value,
}

impl Envelope {
    pub fn open(self, body: Value, binding: &Binding) -> Result<Letter, String> {
        let Value::Object(mut fields) = body else { return Err("the body is no object".to_owned()) };
        let wire_type = binding.wire_type;
        let (id, payload) = match self {
            Self::Domain => {
                exactly(&fields, &["id", "type", "source", "dataVersion", "timestamp", "correlationId", "data"])?;
                is(&fields, &[("type", wire_type), ("source", "order-service"), ("dataVersion", "1.0")])?;
                is(&fields, &[("correlationId", order_id(&fields["data"])?)])?;
                (text(&fields, "id")?.to_owned(), "data")
            }
            Self::Standard => {
                let names =
                    ["messageId", "messageType", "messageVersion", "timestamp", "source", "partitionKey", "payload"];
                exactly(&fields, &names)?;
                is(&fields, &[("messageType", wire_type), ("source", "OrderService"), ("messageVersion", "1.0")])?;
                is(&fields, &[("partitionKey", order_id(&fields["payload"])?)])?;
                let id =
                    text(&fields, "messageId")?.strip_prefix("msg-").ok_or("messageId does not begin with msg-")?;
                (id.to_owned(), "payload")
            }
            Self::Aggregate => {
                let names = [
                    "eventId",
                    "eventType",
                    "eventVersion",
                    "aggregateId",
                    "aggregateType",
                    "timestamp",
                    "metadata",
                    "payload",
                ];
                exactly(&fields, &names)?;
                is(&fields, &[("eventType", wire_type), ("eventVersion", "1.0.0"), ("aggregateType", "Order")])?;
                is(&fields, &[("aggregateId", order_id(&fields["payload"])?)])?;
                let metadata = fields["metadata"].as_object().ok_or("metadata is no object")?;
                exactly(metadata, &["correlationId", "source"])?;
                is(metadata, &[("source", "order-service")])?;
                is(metadata, &[("correlationId", order_id(&fields["payload"])?)])?;
                (text(&fields, "eventId")?.to_owned(), "payload")
            }
        };
        is_time(text(&fields, "timestamp")?)?;
        let id = id.parse().map_err(|_| "its id is no UUID")?;
        Ok(Letter { id, payload: fields[payload].take() })
    }
}

fn exactly(fields: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    let missing = names.iter().find(|name| !fields.contains_key(**name)).map(|name| format!("{name} is missing"));
    let more =
        fields.keys().find(|name| !names.contains(&name.as_str())).map(|name| format!("{name} is in no document"));
    missing.or(more).map_or(Ok(()), Err)
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    fields.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name} is no text"))
}

fn is(fields: &Map<String, Value>, expected: &[(&str, &str)]) -> Result<(), String> {
    for (name, value) in expected {
        if text(fields, name)? != *value {
            return Err(format!("{name} is not {value}"));
        }
    }
    Ok(())
}

fn order_id(payload: &Value) -> Result<&str, String> {
    payload["orderId"].as_str().ok_or_else(|| "the payload has no orderId".to_owned())
}

/// `2023-11-21T12:34:56.789Z`, as every document writes it.
fn is_time(text: &str) -> Result<(), String> {
    let form = "dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(mark, found): (char, char)| if mark == 'd' { found.is_ascii_digit() } else { mark == found };
    let is_time = text.len() == form.len() && form.chars().zip(text.chars()).all(fits);
    if is_time { Ok(()) } else { Err("the timestamp is not UTC with milliseconds".to_owned()) }
}
