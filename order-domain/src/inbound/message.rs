//! Reading a message of another service: which event it is, by which id it is known, and what it tells. Reading is the
//! validation: what comes out can be acted on, what cannot be read is a dead letter at once.
//!
//! Called by the consumer, and by whoever replays a dead letter. Promises: the routing key decides the event, and a type in
//! the body has to agree; fields that are not known are passed over, at any depth; nothing here panics or allocates more than
//! a few times the body.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::inventory::{AllocationStatus, InventoryFact};
use super::notification::NotificationFact;
use super::payment::PaymentFact;
use super::product::ProductFact;
use super::reaction::{Dead, DeadReason};
use super::{InboundEvent, Source};
use crate::value::id::{CorrelationId, ID_BYTES_MAX};
use crate::value::text::check;
use crate::value::timestamp::Timestamp;
use crate::value::traceparent::TraceParent;

/// What a body may have by default. The largest event of a document has 2 KiB.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

const MAJOR: u32 = 1;

/// What AMQP says about a message beside its body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    /// The key that it was sent with, not that of a retry.
    pub routing_key: String,
    /// `message_id`.
    pub message_id: Option<String>,
    /// `correlation_id`.
    pub correlation_id: Option<String>,
    /// The header `traceparent`.
    pub traceparent: Option<String>,
    /// `timestamp`; it has whole seconds only, so a time in the body counts before it.
    pub timestamp: Option<Timestamp>,
}

/// A message that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What the inbox remembers it by: the same on every copy.
    pub id: String,
    /// Which event it is.
    pub event: InboundEvent,
    /// In which shape its body came.
    pub shape: Shape,
    /// When it happened, where the body or AMQP says so.
    pub occurred_at: Option<Timestamp>,
    /// The operation it belongs to. Passed on, never joined on: its meaning differs from service to service.
    pub correlation_id: Option<CorrelationId>,
    /// The trace to continue.
    pub traceparent: Option<TraceParent>,
    /// What it tells.
    pub fact: Fact,
}

/// The shapes of bodies. None is tied to a service: each is read from each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The payload itself with `eventType`: seed 000 section 3.1.
    Flat,
    /// `id`, `type`, `data` and so on: seeds 000 and 004.
    Domain,
    /// `messageId`, `messageType`, `payload` and so on: seed 003.
    Standard,
    /// `eventId`, `eventType`, `payload` and so on: seed 001.
    Aggregate,
    /// `id` and `data` alone: seed 004 section 8.1.
    Partial,
}

/// What a message tells, by the service that tells it.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each fact is documented at its type")]
pub enum Fact {
    Notification(NotificationFact),
    Inventory(InventoryFact),
    Product(ProductFact),
    Payment(PaymentFact),
}

impl Fact {
    /// The order that it is about; products belong to no order.
    pub fn order_id(&self) -> Option<&crate::value::id::OrderId> {
        match self {
            Self::Notification(fact) => fact.order_id(),
            Self::Inventory(fact) => Some(&fact.order_id),
            Self::Product(_) => None,
            Self::Payment(fact) => Some(&fact.order_id),
        }
    }
}

impl Message {
    /// Who tells it.
    pub fn source(&self) -> Source {
        self.event.source()
    }

    /// For the events that its handler appends: now, in the same operation and trace.
    pub fn context(&self) -> crate::Context {
        let mut context = crate::Context::now();
        context.correlation_id.clone_from(&self.correlation_id);
        if context.traceparent.is_none() {
            context.traceparent.clone_from(&self.traceparent);
        }
        context
    }
}

/// A message that cannot be read, with the id that its dead letter has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message {id} is of no use: {dead}")]
pub struct Unreadable {
    /// AMQP's `message_id`, else the SHA-256 of key and body.
    pub id: String,
    /// Why.
    pub dead: Dead,
}

/// Reads a message. `body_bytes_max` is usually [`BODY_BYTES_MAX`].
pub fn read(properties: &Properties, body: &[u8], body_bytes_max: usize) -> Result<Message, Unreadable> {
    read_body(properties, body, body_bytes_max).map_err(|dead| Unreadable { id: fallback_id(properties, body), dead })
}

/// The id of a message whose envelope has none: AMQP's, else the SHA-256 of key and body. One that the inbox's table could not
/// hold counts as absent.
pub fn fallback_id(properties: &Properties, body: &[u8]) -> String {
    let given = properties.message_id.as_deref();
    match given.filter(|id| check("messageId", id, ID_BYTES_MAX).is_ok()) {
        Some(id) => id.to_owned(),
        None => checksum(&[properties.routing_key.as_bytes(), &[0], body]),
    }
}

/// `sha256-` and the digest in hexadecimal.
pub(super) fn checksum(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part));
    let mut text = String::from("sha256-");
    for byte in digest.finalize() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn read_body(properties: &Properties, body: &[u8], body_bytes_max: usize) -> Result<Message, Dead> {
    if body.len() > body_bytes_max {
        let detail = format!("the body has {} bytes, of at most {body_bytes_max}", body.len());
        return Err(Dead::new(DeadReason::PayloadTooLarge, detail));
    }
    let event = InboundEvent::by_key(&properties.routing_key).ok_or_else(|| {
        let key: String = properties.routing_key.chars().take(64).collect();
        Dead::new(DeadReason::UnknownEventType, format!("no event comes by the key {key:?}"))
    })?;
    let text = std::str::from_utf8(body).map_err(|e| invalid(format!("not UTF-8 after {} bytes", e.valid_up_to())))?;
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|e| json_error("the body is not a JSON object", &e))?;
    let envelope = Envelope::of(&wire, text)?;
    if let Some(name) = envelope.name
        && !event.is_called(&name)
    {
        let name: String = name.chars().take(64).collect();
        return Err(Dead::new(DeadReason::UnknownEventType, format!("the key tells {event}, and the body {name:?}")));
    }
    check_version(envelope.version.as_deref())?;
    let occurred_at = envelope.occurred_at.or(properties.timestamp);
    let id = match (properties.message_id.as_deref(), envelope.id) {
        (Some(given), _) if check("messageId", given, ID_BYTES_MAX).is_ok() => given.to_owned(),
        (_, Some(id)) => id,
        (_, None) => fallback_id(properties, body),
    };
    let correlation_id = properties.correlation_id.clone().or(envelope.correlation_id);
    Ok(Message {
        id,
        event,
        shape: envelope.shape,
        occurred_at,
        // Only shown and passed on: one that is of no use is left out, and costs the message nothing.
        correlation_id: correlation_id.and_then(|id| CorrelationId::new(id).ok()),
        traceparent: properties.traceparent.as_deref().and_then(|text| text.parse().ok()),
        fact: fact(event, envelope.payload.get(), occurred_at)?,
    })
}

fn fact(event: InboundEvent, text: &str, at: Option<Timestamp>) -> Result<Fact, Dead> {
    use InboundEvent::*;
    let inventory = |status| InventoryFact::read(event, status, text, at).map(Fact::Inventory);
    match event {
        NotificationSent => NotificationFact::sent(text).map(Fact::Notification),
        NotificationFailed => NotificationFact::failed(text).map(Fact::Notification),
        NotificationRetriesExhausted => NotificationFact::retries_exhausted(text).map(Fact::Notification),
        AllocationCreated => inventory(AllocationStatus::Pending),
        AllocationConfirmed => inventory(AllocationStatus::Confirmed),
        AllocationCancelled => inventory(AllocationStatus::Unavailable),
        AllocationFulfilled => inventory(AllocationStatus::Fulfilled),
        InsufficientStock => inventory(AllocationStatus::Backorder),
        ProductUpdated | ProductPriceChanged | ProductCreated | ProductAvailabilityChanged => {
            ProductFact::news(event, text, at).map(Fact::Product)
        }
        ProductDiscontinued => ProductFact::discontinued_now(event, text, at).map(Fact::Product),
        ProductDetailsProvided => ProductFact::details(event, text, at).map(Fact::Product),
        ProductBatchDetailsProvided => ProductFact::batch(event, text, at).map(Fact::Product),
        PaymentProcessingInitiated => PaymentFact::initiated(text).map(Fact::Payment),
        PaymentCompleted => PaymentFact::completed(text).map(Fact::Payment),
        PaymentFailed => PaymentFact::failed(text).map(Fact::Payment),
        RefundInitiated => PaymentFact::refund_initiated(text).map(Fact::Payment),
        RefundProcessed => PaymentFact::refund_processed(text).map(Fact::Payment),
    }
}

/// Every field of every envelope, unread: what one envelope calls so may be another's own field, of any form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    message_id: Option<&'a RawValue>,
    #[serde(borrow)]
    event_id: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    domain_type: Option<&'a RawValue>,
    #[serde(borrow)]
    message_type: Option<&'a RawValue>,
    #[serde(borrow)]
    event_type: Option<&'a RawValue>,
    #[serde(borrow)]
    data_version: Option<&'a RawValue>,
    #[serde(borrow)]
    message_version: Option<&'a RawValue>,
    #[serde(borrow)]
    event_version: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    correlation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    correlation_id: Option<String>,
}

/// What the envelope says, whichever it is.
struct Envelope<'a> {
    shape: Shape,
    id: Option<String>,
    name: Option<String>,
    version: Option<String>,
    occurred_at: Option<Timestamp>,
    correlation_id: Option<String>,
    payload: &'a RawValue,
}

impl<'a> Envelope<'a> {
    fn of(wire: &Wire<'a>, text: &'a str) -> Result<Self, Dead> {
        let is_object = |raw: &&'a RawValue| raw.get().starts_with('{');
        let (shape, payload) = if let Some(payload) = wire.payload.filter(is_object) {
            let is_standard = wire.message_type.is_some() || wire.message_id.is_some();
            (if is_standard { Shape::Standard } else { Shape::Aggregate }, payload)
        } else if let Some(data) = wire.data.filter(is_object) {
            (if wire.domain_type.is_some() { Shape::Domain } else { Shape::Partial }, data)
        } else if wire.event_type.is_some() {
            return Self::flat(wire, text);
        } else {
            return Err(invalid("the body has the fields of no envelope".to_owned()));
        };
        let (id, name, version) = match shape {
            Shape::Standard => (wire.message_id, wire.message_type, wire.message_version),
            Shape::Aggregate => (wire.event_id, wire.event_type, wire.event_version),
            Shape::Domain | Shape::Partial | Shape::Flat => (wire.id, wire.domain_type, wire.data_version),
        };
        let metadata: Option<Metadata> = match shape {
            Shape::Aggregate => field("metadata", wire.metadata)?,
            Shape::Domain | Shape::Partial | Shape::Flat | Shape::Standard => None,
        };
        let correlation_id = match metadata {
            Some(metadata) => metadata.correlation_id,
            None => field("correlationId", wire.correlation_id)?,
        };
        let id: Option<String> = field("id", id)?;
        let id = id.map(|id| id.strip_prefix("msg-").map_or(id.clone(), str::to_owned));
        if let Some(id) = &id {
            check("id", id, ID_BYTES_MAX).map_err(|e| invalid(e.to_string()))?;
        }
        Ok(Self {
            shape,
            id,
            name: field("type", name)?,
            version: field("version", version)?,
            occurred_at: field("timestamp", wire.timestamp)?,
            correlation_id,
            payload,
        })
    }

    /// The payload is the body, and `id`, `type` and so on are its own. A flat body has not an id of the event: its `messageId` is
    /// the provider's.
    fn flat(wire: &Wire<'a>, text: &'a str) -> Result<Self, Dead> {
        let payload: &RawValue = serde_json::from_str(text).map_err(|e| json_error("the body is not JSON", &e))?;
        Ok(Self {
            shape: Shape::Flat,
            id: None,
            name: field("eventType", wire.event_type)?,
            version: field("eventVersion", wire.event_version)?,
            occurred_at: field("timestamp", wire.timestamp)?,
            correlation_id: field("correlationId", wire.correlation_id)?,
            payload,
        })
    }
}

fn field<T: for<'de> Deserialize<'de>>(name: &str, raw: Option<&RawValue>) -> Result<Option<T>, Dead> {
    let read = raw.map(|raw| serde_json::from_str(raw.get())).transpose();
    read.map_err(|_| invalid(format!("the envelope's {name} has another form")))
}

/// Of a version only the major counts; a message without one is of the first.
fn check_version(version: Option<&str>) -> Result<(), Dead> {
    let Some(version) = version else { return Ok(()) };
    if version.split('.').next().unwrap_or_default().parse() == Ok(MAJOR) {
        return Ok(());
    }
    let version: String = version.chars().take(64).collect();
    Err(Dead::new(DeadReason::UnsupportedVersion, format!("the version is {version:?}, and {MAJOR}.x is read")))
}

/// Reads a payload.
pub(super) fn payload<'a, T: Deserialize<'a>>(event: InboundEvent, text: &'a str) -> Result<T, Dead> {
    serde_json::from_str(text).map_err(|e| json_error(&format!("the payload is not that of {event}"), &e))
}

pub(super) fn invalid(detail: String) -> Dead {
    Dead::new(DeadReason::SchemaInvalid, detail)
}

/// Where reading ended, and not at what: values may be personal.
fn json_error(what: &str, error: &serde_json::Error) -> Dead {
    invalid(format!("{what} (line {}, column {})", error.line(), error.column()))
}
