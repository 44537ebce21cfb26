//! What the order service tells others. An [`Event`] is one row of the outbox: a typed payload, and what the row says
//! about it. The relay wraps the payload into the envelope that each consumer reads; nothing here knows the broker.

mod shape;

pub mod catalogue;
pub mod route;
mod parts;
mod lifecycle;
mod payment;
mod fulfilment;
mod inventory;
mod notification;
mod product;
mod payload;

use std::fmt;

use uuid::Uuid;

pub use self::catalogue::{Demand, EventType};
pub use self::fulfilment::*;
pub use self::inventory::*;
pub use self::lifecycle::*;
pub use self::notification::*;
pub use self::parts::*;
pub use self::payload::Payload;
#[cfg(feature = "schema")]
pub(crate) use self::payload::schema_of;
pub use self::payment::*;
pub use self::product::*;
pub use self::route::{Envelope, Route};
pub(crate) use self::shape::about;
use crate::Context;
use crate::value::id::{CorrelationId, OrderId, RequestId};
use crate::value::timestamp::Timestamp;
use crate::value::traceparent::TraceParent;

/// What an event belongs to. Its id is the key of the order promise: the events of one aggregate reach the broker in the
/// order in which they were appended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// An order: the id of the order is the key.
    Order(OrderId),
    /// A request to the Product Service, which belongs to no order: every request is its own key.
    ProductRequest(RequestId),
}

impl Aggregate {
    /// The value of the column `aggregate_type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Order(_) => "Order",
            Self::ProductRequest(_) => "ProductRequest",
        }
    }

    /// The value of the column `aggregate_id`.
    pub fn id(&self) -> &str {
        match self {
            Self::Order(id) => id.as_str(),
            Self::ProductRequest(id) => id.as_str(),
        }
    }
}

/// An event that is ready for the outbox.
///
/// `Debug` shows ids and the type, never the payload, which is personal.
#[derive(Clone, PartialEq)]
pub struct Event {
    id: Uuid,
    aggregate: Aggregate,
    idempotency_key: String,
    correlation_id: Option<CorrelationId>,
    traceparent: Option<TraceParent>,
    occurred_at: Timestamp,
    payload: Payload,
}

impl Event {
    /// An event about `aggregate`. Only commands and builders make them, because what an event tells has to be what its order
    /// did.
    ///
    /// `idempotency_key` says which fact it tells: two events with one key tell the same one.
    pub(crate) fn new(context: &Context, aggregate: Aggregate, idempotency_key: String, payload: Payload) -> Self {
        Self {
            id: context.event_id(),
            aggregate,
            idempotency_key,
            correlation_id: context.correlation_id.clone(),
            traceparent: context.traceparent.clone(),
            occurred_at: context.occurred_at,
            payload,
        }
    }

    /// The same event within the operation `id`.
    pub(crate) fn correlated(mut self, id: CorrelationId) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// The row's id, and the message's: the same on every copy of the message.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What it belongs to.
    pub fn aggregate(&self) -> &Aggregate {
        &self.aggregate
    }

    /// Its type.
    pub fn event_type(&self) -> EventType {
        self.payload.event_type()
    }

    /// The version of its payload.
    pub fn version(&self) -> &'static str {
        self.event_type().version()
    }

    /// Which fact it tells; sent as the header `idempotency-key`.
    pub fn idempotency_key(&self) -> &str {
        &self.idempotency_key
    }

    /// The operation it belongs to.
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.correlation_id.as_ref()
    }

    /// The trace it belongs to; sent as the header `traceparent`.
    pub fn traceparent(&self) -> Option<&TraceParent> {
        self.traceparent.as_ref()
    }

    /// When it happened.
    pub fn occurred_at(&self) -> Timestamp {
        self.occurred_at
    }

    /// What it tells.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("type", &self.event_type().as_str())
            .field("aggregate", &self.aggregate)
            .field("idempotency_key", &self.idempotency_key)
            .finish_non_exhaustive()
    }
}
