//! The route stage: which messages an event becomes, and where each goes.
//!
//! Called once per claimed event. The relay knows no event of its own; without a routes file one route takes every type.

use std::collections::HashMap;
use std::sync::Arc;

use crate::relay::destination::OnUnroutable;
use crate::relay::event::Event;
use crate::relay::labels::Envelope;
use crate::relay::routing::{Route, Template};

/// The routes by event type.
#[derive(Debug, Clone)]
pub struct RouteTable {
    exact: HashMap<String, Vec<Arc<Route>>>,
    any: Vec<Arc<Route>>,
}

impl RouteTable {
    /// The table without a routes file: every type to `exchange` with its type as the key, in the standard envelope.
    pub fn single(exchange: &str, source: &str) -> Self {
        let route = Route {
            name: "default".into(),
            exchange: exchange.into(),
            routing_key: Template::parse("{event_type}").expect("the default routing key is a valid template"),
            envelope: Envelope::Standard,
            message_type: None,
            version: None,
            source: source.into(),
            on_unroutable: OnUnroutable::DeadLetter,
        };
        Self { exact: HashMap::new(), any: vec![Arc::new(route)] }
    }

    /// Adds a route for one type; types that a route names no longer take the catch-all.
    pub fn add(&mut self, event_type: &str, route: Route) {
        self.exact.entry(event_type.to_owned()).or_default().push(Arc::new(route));
    }

    /// The routes of a type; none means that its key waits as `no_route`.
    pub fn routes_for(&self, event_type: &str) -> &[Arc<Route>] {
        self.exact.get(event_type).unwrap_or(&self.any)
    }

    /// The routes that `event` takes: those of its type, and of a replayed event only those it was replayed for.
    pub fn routes_of<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = &'a Arc<Route>> {
        let only = event.only_routes.as_deref();
        let wanted = move |route: &&Arc<Route>| only.is_none_or(|names| names.iter().any(|name| **name == *route.name));
        self.routes_for(&event.event_type).iter().filter(wanted)
    }

    /// Every route, for metrics and declarations.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.exact.values().flatten().chain(&self.any)
    }

    /// The type as a metric label: unbounded input must not make unbounded series.
    pub fn label_for<'a>(&self, event_type: &'a str) -> &'a str {
        if self.exact.contains_key(event_type) { event_type } else { "_other" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::fixtures;

    #[test]
    fn without_a_routes_file_every_type_goes_to_the_one_exchange_with_its_type_as_the_key() {
        let table = RouteTable::single("order.events", "order-service");
        let event = fixtures::event("order-1", 1);
        let routes = table.routes_for(&event.event_type);
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0].destination(&event).to_string(), "order.events/order.created");
        assert_eq!(table.label_for("order.created"), "_other");
    }

    #[test]
    fn a_replayed_event_takes_only_the_routes_it_was_replayed_for() {
        let mut table = RouteTable::single("order.events", "order-service");
        for name in ["a", "b"] {
            let mut route = Route::clone(&table.any[0]);
            route.name = name.into();
            table.add("order.created", route);
        }
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
        let mut table = RouteTable::single("order.events", "order-service");
        let mut route = Route::clone(&table.any[0]);
        route.name = "paid".into();
        table.add("order.paid", route);
        let names: Vec<&str> = table.routes_for("order.paid").iter().map(|route| &*route.name).collect();
        assert_eq!(names, ["paid"]);
        assert_eq!(table.label_for("order.paid"), "order.paid");
    }
}
