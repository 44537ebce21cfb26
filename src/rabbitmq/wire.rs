//! Converts our message to lapin's types. The only file that makes AMQP short strings.
//!
//! `ShortString::from` panics over 255 bytes, and one poison row must never cause a crash loop.
//! `try_from` is no better: it is the standard library's blanket implementation, which
//! uses `From`. So everything here uses `try_new`.

use lapin::BasicProperties;
use lapin::message::BasicReturnMessage;
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::outbox::broker::{Message, Properties};
use crate::outbox::carried::OwnProperty;
use crate::outbox::destination::Destination;
use crate::rabbitmq::confirms::{Identity, Returned};

const PERSISTENT: u8 = 2;

/// The text does not fit an AMQP short string.
#[derive(Debug, thiserror::Error)]
#[error("a text of {0} bytes does not fit into AMQP's 255")]
pub struct TooLong(usize);

/// An AMQP short string, or the length that does not fit.
pub fn short(text: &str) -> Result<ShortString, TooLong> {
    ShortString::try_new(text).map_err(|_| TooLong(text.len()))
}

/// The parts of a publish.
#[derive(Debug)]
pub struct Frame {
    /// Exchange.
    pub exchange: ShortString,
    /// Routing key.
    pub routing_key: ShortString,
    /// Properties, including message id and delivery mode.
    pub properties: BasicProperties,
    /// How a return identifies it.
    pub identity: Identity,
}

/// Converts a message. Fails only for a message that validation should have refused.
pub fn frame(message: &Message) -> Result<Frame, TooLong> {
    let mut message_id = Uuid::encode_buffer();
    let message_id = &*message.event_id.hyphenated().encode_lower(&mut message_id);
    Ok(Frame {
        exchange: short(&message.destination.exchange)?,
        routing_key: short(&message.destination.routing_key)?,
        properties: properties(&message.properties, message_id)?,
        identity: Identity { message_id: Some(message.event_id), destination: message.destination.clone() },
    })
}

fn properties(from: &Properties, message_id: &str) -> Result<BasicProperties, TooLong> {
    let mut properties = BasicProperties::default().with_message_id(short(message_id)?).with_delivery_mode(PERSISTENT);
    let is_sent = |property| from.sent.has(property);
    if !from.headers.is_empty() {
        properties = properties.with_headers(table(&from.headers)?);
    }
    if is_sent(OwnProperty::ContentType) {
        properties = properties.with_content_type(short(&from.content_type)?);
    }
    if is_sent(OwnProperty::Type) {
        properties = properties.with_type(short(&from.message_type)?);
    }
    if is_sent(OwnProperty::AppId) {
        properties = properties.with_app_id(short(&from.app_id)?);
    }
    if let Some(seconds) = from.timestamp_seconds.filter(|_| is_sent(OwnProperty::Timestamp)) {
        properties = properties.with_timestamp(seconds);
    }
    if let Some(correlation_id) = from.correlation_id.as_ref().filter(|_| is_sent(OwnProperty::CorrelationId)) {
        properties = properties.with_correlation_id(short(correlation_id)?);
    }
    Ok(properties)
}

fn table(from: &Map<String, Value>) -> Result<FieldTable, TooLong> {
    let mut table = FieldTable::default();
    for (name, value) in from {
        table.insert(short(name)?, field(value)?);
    }
    Ok(table)
}

fn field(value: &Value) -> Result<AMQPValue, TooLong> {
    Ok(match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(flag) => AMQPValue::Boolean(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => AMQPValue::LongLongInt(integer),
            None => AMQPValue::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => AMQPValue::LongString(LongString::from(text.as_str())),
        Value::Array(items) => {
            let items: Vec<AMQPValue> = items.iter().map(field).collect::<Result<_, _>>()?;
            AMQPValue::FieldArray(FieldArray::from(items))
        }
        Value::Object(fields) => AMQPValue::FieldTable(table(fields)?),
    })
}

/// Reads a return. One without an event's message id is not ours, and matches nothing.
pub fn returned(message: BasicReturnMessage) -> Box<Returned> {
    let text = format!("{} {}", message.reply_code, message.reply_text.as_str());
    let delivery = message.delivery;
    let message_id = delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
    let destination =
        Destination { exchange: delivery.exchange.as_str().into(), routing_key: delivery.routing_key.as_str().into() };
    Box::new(Returned { identity: Identity { message_id, destination }, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_string_over_255_bytes_is_an_error_and_not_a_panic() {
        assert!(short(&"k".repeat(255)).is_ok());
        assert_eq!(
            short(&"k".repeat(256)).expect_err("too long").to_string(),
            "a text of 256 bytes does not fit into AMQP's 255"
        );
    }

    #[test]
    fn header_values_keep_their_kind() {
        let headers: Value =
            serde_json::json!({"s": "ü", "i": -5, "d": 0.5, "b": true, "n": null, "a": [1, "x"], "o": {"k": 1}});
        let table = table(headers.as_object().expect("an object")).expect("fits");
        let kinds = table.inner();
        assert!(matches!(kinds.get("s"), Some(AMQPValue::LongString(_))));
        assert!(matches!(kinds.get("i"), Some(AMQPValue::LongLongInt(-5))));
        assert!(matches!(kinds.get("d"), Some(AMQPValue::Double(_))));
        assert!(matches!(kinds.get("b"), Some(AMQPValue::Boolean(true))));
        assert!(matches!(kinds.get("n"), Some(AMQPValue::Void)));
        assert!(matches!(kinds.get("a"), Some(AMQPValue::FieldArray(_))));
        assert!(matches!(kinds.get("o"), Some(AMQPValue::FieldTable(_))));
    }
}
