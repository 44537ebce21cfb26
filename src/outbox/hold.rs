//! Holds: what a destination, an exchange or a route that must wait is called, why it waits, and what waits for it.
//!
//! Read by claims. Written by settles, for overdue and late confirms, by `routes`, and by the look for a due probe, which drops a hold that
//! nothing waits for. Pure.

use std::fmt;
use std::sync::Arc;

use crate::outbox::destination::Destination;
use crate::outbox::event::HoldId;
use crate::outbox::flow::Flow;

/// What a hold covers (`outbox.holds.scope`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HoldScope {
    /// One routing key of an exchange.
    Key(Destination),
    /// Every routing key that a template renders.
    Flow(Flow),
    /// A whole exchange.
    Exchange(Arc<str>),
    /// A route, held by an operator.
    Route(Arc<str>),
}

impl HoldScope {
    /// Whether a message of `route` in `flow` for `destination` has to wait.
    pub fn covers(&self, route: &str, flow: &Flow, destination: &Destination) -> bool {
        match self {
            Self::Key(held) => held == destination,
            Self::Flow(held) => held == flow,
            Self::Exchange(exchange) => *exchange == destination.exchange,
            Self::Route(name) => &**name == route,
        }
    }

    /// Whether the relay itself creates and lifts such holds. Only operators hold routes.
    pub fn is_automatic(&self) -> bool {
        match self {
            Self::Key(_) | Self::Flow(_) | Self::Exchange(_) => true,
            Self::Route(_) => false,
        }
    }

    /// The columns `scope`, `exchange`, `routing_key` and `route` of `outbox.holds`.
    pub fn columns(&self) -> (&'static str, &str, &str, &str) {
        match self {
            Self::Key(held) => ("key", &held.exchange, &held.routing_key, ""),
            Self::Flow(held) => ("flow", &held.exchange, &held.template, ""),
            Self::Exchange(exchange) => ("exchange", exchange, "", ""),
            Self::Route(name) => ("route", "", "", name),
        }
    }

    /// Parses the columns; `None` for an unknown scope.
    pub fn from_columns(scope: &str, exchange: &str, routing_key: &str, route: &str) -> Option<Self> {
        match scope {
            "key" => Some(Self::Key(Destination { exchange: exchange.into(), routing_key: routing_key.into() })),
            "flow" => Some(Self::Flow(Flow { exchange: exchange.into(), template: routing_key.into() })),
            "exchange" => Some(Self::Exchange(exchange.into())),
            "route" => Some(Self::Route(route.into())),
            _ => None,
        }
    }
}

impl fmt::Display for HoldScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(held) => write!(f, "routing key '{}' of exchange '{}'", held.routing_key, held.exchange),
            Self::Flow(held) => write!(f, "routing keys '{}' of exchange '{}'", held.template, held.exchange),
            Self::Exchange(exchange) => write!(f, "exchange '{exchange}'"),
            Self::Route(name) => write!(f, "route '{name}'"),
        }
    }
}

/// Why a destination is on hold (`outbox.holds.kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldKind {
    /// The broker nacked: queue full, no leader, internal error.
    Refused,
    /// A missing binding: a flow that was confirmed before comes back, or many events in a row of one that never was, or what probed a hold.
    Unroutable,
    /// The exchange does not exist.
    Missing,
    /// The user may not write to it.
    Forbidden,
    /// It takes messages but does not confirm them.
    Unconfirmed,
    /// The broker closes the channel on everything sent there.
    Closed,
}

impl HoldKind {
    /// Every kind that the relay makes, for docs and tests. Operators make `operator`, with `routes hold`.
    pub const ALL: [Self; 6] =
        [Self::Refused, Self::Unroutable, Self::Missing, Self::Forbidden, Self::Unconfirmed, Self::Closed];

    /// The word in SQL, metrics, logs and docs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unroutable => "unroutable",
            Self::Missing => "missing",
            Self::Forbidden => "forbidden",
            Self::Unconfirmed => "unconfirmed",
            Self::Closed => "closed",
        }
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The reason, for operators.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Refused => "the broker refuses messages for it (queue full, or its queue has no leader)",
            Self::Unroutable => "no queue is bound for it",
            Self::Missing => "the exchange does not exist",
            Self::Forbidden => "the relay's user may not write to it",
            Self::Unconfirmed => "it takes messages but does not confirm them",
            Self::Closed => "the broker closes the channel on every message for it",
        }
    }
}

/// A hold, as claims read it.
#[derive(Debug, Clone)]
pub struct Hold {
    /// Its row.
    pub id: HoldId,
    /// What it covers.
    pub scope: HoldScope,
}

/// The holds in force when a batch was claimed.
#[derive(Debug, Clone, Default)]
pub struct Holds {
    all: Vec<Hold>,
    /// What the hold that this batch probes covers, if it probes one.
    probed: Option<HoldScope>,
}

impl Holds {
    /// All holds that were read.
    pub fn new(holds: Vec<Hold>) -> Self {
        Self { all: holds, probed: None }
    }

    /// The same, for a probe of one of them.
    pub fn probing(mut self, id: HoldId) -> Self {
        self.probed = self.scope_of(id);
        self.all.retain(|hold| hold.id != id);
        self
    }

    /// The hold that a message of `route` in `flow` for `destination` has to wait for. Where that is what a probe tries, only an operator is
    /// in its way: two holds of one destination, its exchange's and its own, would wait for each other for ever.
    pub fn covering(&self, route: &str, flow: &Flow, destination: &Destination) -> Option<&Hold> {
        let is_probed = self.probed_by(flow, destination).is_some();
        let stands =
            |hold: &&Hold| hold.scope.covers(route, flow, destination) && !(is_probed && hold.scope.is_automatic());
        self.all.iter().find(stands)
    }

    /// What the hold covers that a message in `flow` for `destination` probes, if it does. Those of an operator are never probed.
    pub fn probed_by(&self, flow: &Flow, destination: &Destination) -> Option<&HoldScope> {
        self.probed.as_ref().filter(|scope| scope.is_automatic() && scope.covers("", flow, destination))
    }

    /// What a hold covers.
    pub fn scope_of(&self, id: HoldId) -> Option<HoldScope> {
        self.all.iter().find(|hold| hold.id == id).map(|hold| hold.scope.clone())
    }

    /// All holds, for the gauge.
    pub fn iter(&self) -> impl Iterator<Item = &Hold> {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(exchange: &str, routing_key: &str) -> Destination {
        Destination { exchange: exchange.into(), routing_key: routing_key.into() }
    }

    #[test]
    fn a_hold_covers_its_scope_and_nothing_else() {
        let there = destination("order.events", "a.1");
        let flow = Flow { exchange: "order.events".into(), template: "a.{key}".into() };
        let covers = |scope: HoldScope, route: &str, at: &Destination| scope.covers(route, &flow, at);
        let key = || HoldScope::Key(there.clone());
        assert!(covers(key(), "any", &there));
        assert!(!covers(key(), "any", &destination("order.events", "a.2")));
        assert!(!covers(key(), "any", &destination("other", "a.1")));
        assert!(covers(HoldScope::Flow(flow.clone()), "any", &there));
        assert!(covers(HoldScope::Flow(flow.clone()), "any", &destination("order.events", "a.2")));
        assert!(!covers(HoldScope::Flow(Flow::of(&there)), "any", &there), "a routing key is held as one");
        assert!(covers(HoldScope::Exchange("order.events".into()), "any", &there));
        assert!(!covers(HoldScope::Exchange("other".into()), "any", &there));
        assert!(covers(HoldScope::Route("a".into()), "a", &there));
        assert!(!covers(HoldScope::Route("a".into()), "b", &there));
    }

    #[test]
    fn a_probe_passes_every_hold_of_what_it_tries_but_an_operators() {
        let (there, elsewhere) = (destination("e", "k"), destination("other", "k"));
        let hold = |id, scope| Hold { id, scope };
        let (key, exchange) = (hold(1, HoldScope::Key(there.clone())), hold(2, HoldScope::Exchange("e".into())));
        let (other, route) = (hold(3, HoldScope::Exchange("other".into())), hold(4, HoldScope::Route("held".into())));
        let all = Holds::new(vec![key, exchange, other, route]);
        let found = |holds: &Holds, route, at| holds.covering(route, &Flow::of(at), at).map(|hold| hold.id);
        assert_eq!(found(&all, "r", &there), Some(1));
        for probed in [1, 2] {
            let holds = all.clone().probing(probed);
            assert_eq!(found(&holds, "r", &there), None);
            assert_eq!(found(&holds, "held", &there), Some(4));
            assert_eq!(found(&holds, "r", &elsewhere), Some(3), "what it does not probe is no business of it");
        }
    }

    #[test]
    fn scopes_read_back_from_their_columns() {
        let flow = HoldScope::Flow(Flow { exchange: "e".into(), template: "a.{key}".into() });
        let key = HoldScope::Key(destination("e", "k"));
        for scope in [key, flow, HoldScope::Exchange("".into()), HoldScope::Route("r".into())] {
            let (kind, exchange, routing_key, route) = scope.columns();
            assert_eq!(HoldScope::from_columns(kind, exchange, routing_key, route), Some(scope.clone()));
        }
        assert_eq!(HoldScope::from_columns("queue", "", "", ""), None);
    }
}
