//! Holds: what a destination, an exchange or a route that must wait is called, why it waits, and what waits for it.
//!
//! Read by claims, written by settles and by `routes`. Pure.

use std::fmt;
use std::sync::Arc;

use crate::outbox::destination::Destination;
use crate::outbox::event::HoldId;

/// What a hold covers (`outbox.holds.scope`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HoldScope {
    /// One routing key of an exchange.
    Key(Destination),
    /// A whole exchange.
    Exchange(Arc<str>),
    /// A route, held by an operator.
    Route(Arc<str>),
}

impl HoldScope {
    /// Whether a message of `route` to `destination` must wait.
    pub fn covers(&self, route: &str, destination: &Destination) -> bool {
        match self {
            Self::Key(held) => held == destination,
            Self::Exchange(exchange) => *exchange == destination.exchange,
            Self::Route(name) => &**name == route,
        }
    }

    /// Whether the relay itself creates and lifts such holds. Only operators hold routes.
    pub fn is_automatic(&self) -> bool {
        match self {
            Self::Key(_) | Self::Exchange(_) => true,
            Self::Route(_) => false,
        }
    }

    /// The columns `scope`, `exchange`, `routing_key` and `route` of `outbox.holds`.
    pub fn columns(&self) -> (&'static str, &str, &str, &str) {
        match self {
            Self::Key(held) => ("key", &held.exchange, &held.routing_key, ""),
            Self::Exchange(exchange) => ("exchange", exchange, "", ""),
            Self::Route(name) => ("route", "", "", name),
        }
    }

    /// Parses the columns; `None` for an unknown scope.
    pub fn from_columns(scope: &str, exchange: &str, routing_key: &str, route: &str) -> Option<Self> {
        match scope {
            "key" => Some(Self::Key(Destination { exchange: exchange.into(), routing_key: routing_key.into() })),
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
    /// A binding is missing: many events in a row came back, or a probe of a hold did.
    Unroutable,
    /// The exchange does not exist.
    Missing,
    /// The user may not write to it.
    Forbidden,
    /// It takes messages but never confirms them, while others confirm.
    Unconfirmed,
    /// The broker closes the channel on everything sent there.
    Closed,
}

impl HoldKind {
    /// Every kind, for docs and tests.
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
            Self::Unconfirmed => "it takes messages but does not confirm them, while others confirm",
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

    /// The hold that a message of `route` to `destination` must wait for. A probe of that
    /// destination only respects operators' holds: otherwise two holds of one destination (its own
    /// and its exchange's) would wait for each other for ever.
    pub fn covering(&self, route: &str, destination: &Destination) -> Option<&Hold> {
        let is_probed = self.is_probed(route, destination);
        let stands = |hold: &&Hold| hold.scope.covers(route, destination) && !(is_probed && hold.scope.is_automatic());
        self.all.iter().find(stands)
    }

    /// Whether a message of `route` to `destination` probes a hold.
    pub fn is_probed(&self, route: &str, destination: &Destination) -> bool {
        self.probed.as_ref().is_some_and(|scope| scope.covers(route, destination))
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
        let there = destination("order.events", "order.paid");
        let key = HoldScope::Key(there.clone());
        assert!(key.covers("any", &there));
        assert!(!key.covers("any", &destination("order.events", "order.created")));
        assert!(!key.covers("any", &destination("other", "order.paid")));
        assert!(HoldScope::Exchange("order.events".into()).covers("any", &there));
        assert!(!HoldScope::Exchange("other".into()).covers("any", &there));
        assert!(HoldScope::Route("a".into()).covers("a", &there));
        assert!(!HoldScope::Route("a".into()).covers("b", &there));
    }

    #[test]
    fn a_probe_passes_every_hold_of_what_it_tries_but_an_operators() {
        let (there, elsewhere) = (destination("e", "k"), destination("other", "k"));
        let hold = |id, scope| Hold { id, scope };
        let (key, exchange) = (hold(1, HoldScope::Key(there.clone())), hold(2, HoldScope::Exchange("e".into())));
        let (other, route) = (hold(3, HoldScope::Exchange("other".into())), hold(4, HoldScope::Route("held".into())));
        let all = Holds::new(vec![key, exchange, other, route]);
        let found = |holds: &Holds, route, at| holds.covering(route, at).map(|hold| hold.id);
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
        for scope in
            [HoldScope::Key(destination("e", "k")), HoldScope::Exchange("".into()), HoldScope::Route("r".into())]
        {
            let (kind, exchange, routing_key, route) = scope.columns();
            assert_eq!(HoldScope::from_columns(kind, exchange, routing_key, route), Some(scope.clone()));
        }
        assert_eq!(HoldScope::from_columns("queue", "", "", ""), None);
    }
}
