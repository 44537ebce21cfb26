//! The flow: the unit of windows, stalls, automatic holds and of what is remembered of the past. A noun; every stage may use it.
//!
//! A flow is an exchange and a routing key's template with the event's type and its aggregate's type filled in. What varies from row to
//! row (`{key}`, `{aggregate_id}`, `{header.NAME}`) stays open: `a.{key}` of 20,000 orders is one flow. Where nothing varies, the flow is
//! the routing key itself. A broken binding, queue or permission breaks a flow as a rule; a routing key of its own is nearly always too
//! narrow to learn anything from, and an exchange is too wide.

use std::fmt;
use std::sync::Arc;

use crate::outbox::destination::Destination;

/// An exchange and a template of routing keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// The exchange; empty is the broker's default exchange.
    pub exchange: Arc<str>,
    /// The template; the routing key itself where nothing varies from row to row.
    pub template: Arc<str>,
}

impl Flow {
    /// The flow of a routing key that does not vary.
    pub fn of(destination: &Destination) -> Self {
        Self { exchange: Arc::clone(&destination.exchange), template: Arc::clone(&destination.routing_key) }
    }

    /// Whether its routing keys vary, given one of them.
    pub fn varies(&self, destination: &Destination) -> bool {
        !Arc::ptr_eq(&self.template, &destination.routing_key) && self.template != destination.routing_key
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.exchange, self.template)
    }
}
