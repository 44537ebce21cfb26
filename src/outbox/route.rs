//! The route stage: decides which messages an event becomes, and where each goes.
//!
//! Called once per claimed event. The relay has no built-in event types; without a routes file, one
//! route takes every type. Refuses an event that two routes would send to the same destination: a
//! return names only id, exchange and routing key, so nobody could tell which of the two came back.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::outbox::carried::Carried;
use crate::outbox::destination::{Destination, OnUnroutable};
use crate::outbox::event::Event;
use crate::outbox::flow::Flow;
use crate::outbox::hold::HoldScope;
use crate::outbox::labels::{Envelope, Labels};
use crate::outbox::template::Template;

/// The metrics' label for types that no route names.
pub const OTHER_TYPES: &str = "_other";
/// The metrics' label for the routes of a relay without a routes file.
const NO_FILE: &str = "none";

/// One route for the events of a type.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique, `[a-z0-9-]{1,40}`; stored with events and shown everywhere.
    pub name: Arc<str>,
    /// The type whose events take it; `None` for every type that no other route names.
    pub event_type: Option<Arc<str>>,
    /// Where to.
    pub exchange: Arc<str>,
    /// The routing key, before its fields are filled in.
    pub routing_key: Template,
    /// The envelope of the body.
    pub envelope: Envelope,
    /// The type on the wire; `None` for the event type.
    pub message_type: Option<Arc<str>>,
    /// Overrides the row's version.
    pub version: Option<Arc<str>>,
    /// The publisher.
    pub source: Arc<str>,
    /// What to do with a returned message.
    pub on_unroutable: OnUnroutable,
    /// Headers of rows that change what the broker does, and that pass on this route.
    pub allow_headers: Vec<Box<str>>,
    /// Headers of every message; they override the row's headers with the same name.
    pub headers: Map<String, Value>,
    /// Headers with fields that each event fills in.
    pub header_templates: Vec<(String, Template)>,
    /// Overrides the envelope's media type.
    pub content_type: Option<Arc<str>>,
    /// What of its own the relay sends with each message.
    pub carried: Carried,
    /// The queues of its partitions, if the relay may declare them.
    pub queues: Option<PartitionQueues>,
}

/// The queues of a route with partitions: each takes the keys of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionQueues {
    /// How many.
    pub partitions: NonZeroU16,
    /// A queue's name; `{partition}` is its only field.
    pub name: Template,
    /// What binds it; `{partition}` is its only field.
    pub routing_key: Template,
}

impl PartitionQueues {
    /// The name of a partition's queue, and the routing key of its binding. A number past the last
    /// names a queue that a larger number of partitions left behind.
    pub fn queue(&self, partition: u16) -> (String, String) {
        (self.name.of_partition(partition), self.routing_key.of_partition(partition))
    }
}

impl Route {
    /// The labels of a message of `event` on this route.
    pub fn labels(&self, event: &Event) -> Labels {
        Labels {
            message_type: self.message_type.clone().unwrap_or_else(|| event.event_type.as_str().into()),
            version: self.version.clone(),
            source: self.source.clone(),
            content_type: self.content_type.clone().unwrap_or_else(|| self.envelope.content_type().into()),
            correlation_id: self.envelope.correlation_id(event).map(Into::into),
            carried: self.carried,
        }
    }

    /// Where `event`, with its own `headers`, goes on this route; or why that is not known.
    pub fn destination(&self, event: &Event, headers: &Map<String, Value>) -> Result<Destination, String> {
        let routing_key = self.routing_key.render(event, headers);
        let routing_key = routing_key.map_err(|error| format!("the routing key of route '{}' {error}", self.name))?;
        Ok(Destination { exchange: self.exchange.clone(), routing_key: routing_key.into() })
    }

    /// The flow that `event`, which goes to `destination` on this route, is part of.
    pub fn flow(&self, event: &Event, destination: &Destination) -> Flow {
        if self.routing_key.varies() {
            let template = self.routing_key.for_types(&event.event_type, Some(&event.aggregate_type));
            Flow { exchange: Arc::clone(&self.exchange), template: template.to_string().into() }
        } else {
            Flow::of(destination)
        }
    }

    /// The headers of a message: the row's `own`, overridden by the route's. The error says why one of
    /// the route's cannot be rendered, or why the row may not have one of its own.
    pub fn headers_over(&self, event: &Event, own: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let is_allowed = |name: &str| self.allow_headers.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
        if let Some(name) = own.keys().find(|name| steers_the_broker(name) && !is_allowed(name)) {
            let fix = format!("allow_headers = [\"{}\"]", name.to_ascii_lowercase());
            return Err(format!(
                "the header '{name}' changes what the broker does; route '{}' has to allow it: {fix}",
                self.name
            ));
        }
        // With room for the relay's headers.
        let mut headers = Map::with_capacity(own.len() + self.headers.len() + self.header_templates.len() + 5);
        headers.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        for (name, template) in &self.header_templates {
            let value = template.render(event, own);
            let value = value.map_err(|error| format!("the header '{name}' of route '{}' {error}", self.name))?;
            headers.insert(name.clone(), value.into());
        }
        Ok(headers)
    }

    /// Whether a hold of this scope is in the way of messages of this route, or of some of them. `takes` says whether the route takes
    /// events of a type: the catch-all does not take those that another route names.
    pub fn is_held_by(&self, scope: &HoldScope, takes: impl Fn(&str) -> bool) -> bool {
        let template = match &self.event_type {
            Some(event_type) => &self.routing_key.for_type(event_type),
            None => &self.routing_key,
        };
        let renders =
            |template: &Template, key: &str| template.may_render(key) && template.event_type_of(key).is_none_or(&takes);
        match scope {
            HoldScope::Key(held) => held.exchange == self.exchange && renders(template, &held.routing_key),
            HoldScope::Flow(held) => held.exchange == self.exchange && renders(&template.of_flows(), &held.template),
            HoldScope::Exchange(exchange) => *exchange == self.exchange,
            HoldScope::Route(name) => *name == self.name,
        }
    }
}

/// The routes by event type.
#[derive(Debug, Clone)]
pub struct RouteTable {
    /// In the order of the file.
    all: Vec<Arc<Route>>,
    exact: HashMap<Arc<str>, Vec<Arc<Route>>>,
    any: Vec<Arc<Route>>,
    sha: Arc<str>,
}

/// Headers by which plugins of the broker delay a message, drop it as a duplicate, or take it for one that a federation has seen.
pub const STEERING_HEADERS: [&str; 4] = ["x-delay", "x-deduplication-header", "x-cache-ttl", "x-received-from"];

fn steers_the_broker(name: &str) -> bool {
    STEERING_HEADERS.iter().any(|steering| steering.eq_ignore_ascii_case(name))
}

impl RouteTable {
    /// The table without a routes file: every type to `exchange` with its type as the key, in the standard envelope.
    pub fn single(exchange: &str, source: &str) -> Self {
        let route = Route {
            name: "default".into(),
            event_type: None,
            exchange: exchange.into(),
            routing_key: Template::parse("{event_type}").expect("the default routing key is a valid template"),
            envelope: Envelope::Standard,
            message_type: None,
            version: None,
            source: source.into(),
            on_unroutable: OnUnroutable::DeadLetter,
            allow_headers: Vec::new(),
            headers: Map::new(),
            header_templates: Vec::new(),
            content_type: None,
            carried: Carried::default(),
            queues: None,
        };
        Self::new(vec![route], NO_FILE)
    }

    /// The same, with what of its own the relay sends.
    #[must_use]
    pub fn carrying(self, carried: Carried) -> Self {
        let route = |route: &Arc<Route>| Route { carried, ..Route::clone(route) };
        Self::new(self.all.iter().map(route).collect(), &self.sha)
    }

    /// The table of a routes file; `sha` identifies the file.
    pub fn new(routes: Vec<Route>, sha: &str) -> Self {
        let all: Vec<Arc<Route>> = routes.into_iter().map(Arc::new).collect();
        let (mut exact, mut any) = (HashMap::<Arc<str>, Vec<Arc<Route>>>::new(), Vec::new());
        for route in &all {
            match &route.event_type {
                Some(event_type) => exact.entry(Arc::clone(event_type)).or_default().push(Arc::clone(route)),
                None => any.push(Arc::clone(route)),
            }
        }
        Self { all, exact, any, sha: sha.into() }
    }

    /// The routes of a type. If there are none, its key waits as `no_route`.
    pub fn routes_for(&self, event_type: &str) -> &[Arc<Route>] {
        self.exact.get(event_type).unwrap_or(&self.any)
    }

    /// The routes of `event`: those of its type; for a replayed event, only those it was replayed
    /// for.
    pub fn routes_of<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = &'a Arc<Route>> {
        let only = event.only_routes.as_deref();
        let wanted = move |route: &&Arc<Route>| only.is_none_or(|names| names.iter().any(|name| **name == *route.name));
        self.routes_for(&event.event_type).iter().filter(wanted)
    }

    /// Where `event`, with its own `headers`, goes on each of its routes; or why it cannot be sent.
    pub fn ways(&self, event: &Event, headers: &Map<String, Value>) -> Result<Vec<(Arc<Route>, Destination)>, String> {
        let mut ways: Vec<(Arc<Route>, Destination)> = Vec::new();
        for route in self.routes_of(event) {
            let destination = route.destination(event, headers)?;
            if let Some((other, _)) = ways.iter().find(|(_, taken)| *taken == destination) {
                let (first, second) = (&other.name, &route.name);
                return Err(format!(
                    "the routes '{first}' and '{second}' both send it to {destination}; change the routing key of one of them"
                ));
            }
            ways.push((Arc::clone(route), destination));
        }
        Ok(ways)
    }

    /// Every route, in the order of the file.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.all.iter()
    }

    /// The types that have a route of their own; `None` where there is one for any type.
    pub fn types(&self) -> Option<Vec<&str>> {
        self.any.is_empty().then(|| self.exact.keys().map(|event_type| &**event_type).collect())
    }

    /// Whether a hold of this scope is in the way of messages of `route`, or of some of them.
    pub fn is_held_by(&self, route: &Route, scope: &HoldScope) -> bool {
        route.is_held_by(scope, |event_type| route.event_type.is_some() || !self.exact.contains_key(event_type))
    }

    /// Whether there is a route with this name.
    pub fn has_name(&self, name: &str) -> bool {
        self.all.iter().any(|route| *route.name == *name)
    }

    /// The type as a metric label. Unknown types share one label, so that input cannot create
    /// unlimited series.
    pub fn label_for<'a>(&self, event_type: &'a str) -> &'a str {
        if self.exact.contains_key(event_type) { event_type } else { OTHER_TYPES }
    }

    /// The metric labels of every route: its type and its name.
    pub fn series(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().map(|route| (route.event_type.as_deref().unwrap_or(OTHER_TYPES), &*route.name))
    }

    /// Identifies the routes file: the start of its SHA-256, or `none`.
    pub fn sha(&self) -> &str {
        &self.sha
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::fixtures;

    fn named(names: &[&str], event_type: &str) -> RouteTable {
        let any = Route::clone(&RouteTable::single("order.events", "order-service").any[0]);
        let of_name = |name: &&str| Route {
            name: (*name).into(),
            event_type: Some(event_type.into()),
            routing_key: Template::parse(name).expect("valid"),
            ..any.clone()
        };
        let mut routes: Vec<Route> = names.iter().map(of_name).collect();
        routes.push(any.clone());
        RouteTable::new(routes, "0123")
    }

    #[test]
    fn without_a_routes_file_every_type_goes_to_the_one_exchange_with_its_type_as_the_key() {
        let table = RouteTable::single("order.events", "order-service");
        let ways = table.ways(&fixtures::event("order-1", 1), &Map::new()).expect("valid");
        assert_eq!(ways.len(), 1);
        assert_eq!(ways[0].1.to_string(), "order.events/order.created");
        assert_eq!(table.label_for("order.created"), "_other");
        assert_eq!(table.series().collect::<Vec<_>>(), [("_other", "default")]);
    }

    #[test]
    fn a_replayed_event_takes_only_the_routes_it_was_replayed_for() {
        let table = named(&["a", "b"], "order.created");
        let mut event = fixtures::event("order-1", 1);
        let names = |event: &Event| table.routes_of(event).map(|route| route.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&event), ["a", "b"]);
        event.only_routes = Some(vec!["b".into(), "renamed".into()]);
        assert_eq!(names(&event), ["b"]);
        event.only_routes = Some(vec!["renamed".into()]);
        assert!(names(&event).is_empty());
    }

    #[test]
    fn a_type_that_a_route_names_does_not_take_the_catch_all() {
        let table = named(&["paid"], "order.paid");
        let names: Vec<&str> = table.routes_for("order.paid").iter().map(|route| &*route.name).collect();
        assert_eq!(names, ["paid"]);
        assert_eq!(table.label_for("order.paid"), "order.paid");
        assert!(table.has_name("paid") && table.has_name("default") && !table.has_name("unpaid"));
    }

    #[test]
    fn an_event_that_two_routes_would_send_to_one_place_is_refused_and_both_are_named() {
        let table = named(&["{aggregate_id}", "{key}"], "order.created");
        let mut event = fixtures::event("order-1", 1);
        let error = table.ways(&event, &Map::new()).expect_err("equal").clone();
        assert!(error.contains("'{aggregate_id}'") && error.contains("'{key}'"), "{error}");
        assert!(error.contains("order.events/order-1"), "{error}");
        event.partition_key = Some("p-1".into());
        assert_eq!(table.ways(&event, &Map::new()).expect("different").len(), 2);
    }
}
