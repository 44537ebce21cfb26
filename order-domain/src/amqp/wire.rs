//! From lapin's types to ours and back: names, headers, and the properties of a copy.
//!
//! `ShortString::from` panics over 255 bytes, so names go through [`short`] alone.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use time::OffsetDateTime;

use crate::inbound::Properties;
use crate::value::timestamp::Timestamp;

/// How many tries a message had. A header of ours, because a broker need not keep the `x-death` that a client sends.
pub(super) const ATTEMPTS: &str = "x-inbound-attempts";
/// The exchange that a message was sent to first.
pub(super) const EXCHANGE: &str = "x-inbound-exchange";
/// The key that a message was sent with first.
pub(super) const ROUTING_KEY: &str = "x-inbound-routing-key";
/// Why a message is a dead letter, for programs.
pub(super) const DEAD_REASON: &str = "x-dead-reason";
/// Why, for people.
pub(super) const DEAD_DETAIL: &str = "x-dead-detail";
/// When it became one.
pub(super) const DEAD_AT: &str = "x-dead-at";
/// By which id it is known.
pub(super) const DEAD_ID: &str = "x-dead-id";
/// How many bytes the body had that was cut.
pub(super) const DEAD_BYTES: &str = "x-dead-bytes";
/// And the SHA-256 of all of it.
pub(super) const DEAD_CHECKSUM: &str = "x-dead-checksum";

const PERSISTENT: u8 = 2;

/// A name for AMQP; ours are all shorter than its 255 bytes, and what came in a short string fits one.
pub(super) fn short(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_else(|_| {
        let mut end = 255;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        ShortString::try_new(&text[..end]).unwrap_or_default()
    })
}

pub(super) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// A header of text.
pub(super) fn header(headers: &FieldTable, name: &str) -> Option<String> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(value) => std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(value) => Some(value.as_str().to_owned()),
        _ => None,
    }
}

/// A header that counts.
pub(super) fn count(headers: &FieldTable, name: &str) -> Option<u64> {
    match headers.inner().get(name)? {
        AMQPValue::ShortShortUInt(value) => Some((*value).into()),
        AMQPValue::ShortUInt(value) => Some((*value).into()),
        AMQPValue::LongUInt(value) => Some((*value).into()),
        AMQPValue::ShortShortInt(value) => u64::try_from(*value).ok(),
        AMQPValue::ShortInt(value) => u64::try_from(*value).ok(),
        AMQPValue::LongInt(value) => u64::try_from(*value).ok(),
        AMQPValue::LongLongInt(value) => u64::try_from(*value).ok(),
        _ => None,
    }
}

/// The headers of a delivery; without any, none.
pub(super) fn headers(delivery: &Delivery) -> FieldTable {
    delivery.properties.headers().clone().unwrap_or_default()
}

/// A message as it came, or as it came first if it has been through a retry.
pub(super) struct Taken {
    pub properties: Properties,
    pub exchange: Option<String>,
    /// Tries before this one.
    pub attempts: u32,
}

impl Taken {
    /// What is known of `delivery`. Our headers count only on what the broker gave back to `queue` itself: a neighbour that
    /// sends them changes nothing.
    pub fn of(delivery: &Delivery, queue: &str) -> Self {
        let headers = headers(delivery);
        let is_back = delivery.exchange.as_str().is_empty() && delivery.routing_key.as_str() == queue;
        let ours = |name: &str| if is_back { header(&headers, name) } else { None };
        let attempts = if is_back { count(&headers, ATTEMPTS).unwrap_or(0) } else { 0 };
        let routing_key = ours(ROUTING_KEY).unwrap_or_else(|| delivery.routing_key.as_str().to_owned());
        Self {
            properties: properties(delivery, routing_key),
            exchange: ours(EXCHANGE).or_else(|| Some(delivery.exchange.as_str().to_owned())),
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        }
    }
}

/// What AMQP says of a delivery that was sent with `routing_key`.
pub(super) fn properties(delivery: &Delivery, routing_key: String) -> Properties {
    let own = |value: &Option<ShortString>| value.as_ref().map(|value| value.as_str().to_owned());
    let seconds = delivery.properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok());
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    Properties {
        routing_key,
        message_id: own(delivery.properties.message_id()),
        correlation_id: own(delivery.properties.correlation_id()),
        traceparent: header(&headers(delivery), "traceparent"),
        timestamp: time.and_then(|time| Timestamp::new(time).ok()),
    }
}

/// The properties of a copy, with these headers set. The id stays. Left out is what would make the copy go elsewhere or be
/// refused: `CC` and `BCC`, which are routes, the user of somebody else, an expiration that would end the delay early.
pub(super) fn copy(delivery: &Delivery, set: Vec<(&str, AMQPValue)>) -> BasicProperties {
    let mut kept = FieldTable::default();
    for (name, value) in &headers(delivery) {
        if !matches!(name.as_str(), "CC" | "BCC") {
            kept.insert(name.clone(), value.clone());
        }
    }
    for (name, value) in set {
        kept.insert(short(name), value);
    }
    let from = &delivery.properties;
    let mut to = BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(kept);
    if let Some(value) = from.content_type() {
        to = to.with_content_type(value.clone());
    }
    if let Some(value) = from.content_encoding() {
        to = to.with_content_encoding(value.clone());
    }
    if let Some(value) = from.message_id() {
        to = to.with_message_id(value.clone());
    }
    if let Some(value) = from.correlation_id() {
        to = to.with_correlation_id(value.clone());
    }
    if let Some(value) = from.timestamp() {
        to = to.with_timestamp(*value);
    }
    if let Some(value) = from.kind() {
        to = to.with_type(value.clone());
    }
    if let Some(value) = from.app_id() {
        to = to.with_app_id(value.clone());
    }
    to
}
