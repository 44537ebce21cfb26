//! Checks that need the whole routes file: names, destinations and exchanges that conflict. Called
//! by `routes`.

use std::collections::{BTreeMap, HashMap};

use lapin::ExchangeKind;

use crate::config::routes_file::entry::Placed;
use crate::config::routes_file::file::{ExchangeEntry, Text};
use crate::outbox::destination::OnUnroutable;
use crate::outbox::template::Template;

/// Problems, each with its place in the file.
pub(super) struct Found(pub(super) Vec<(usize, String)>);

impl Found {
    pub(super) fn add(&mut self, at: usize, problem: impl std::fmt::Display) {
        self.0.push((at, problem.to_string()));
    }
}

/// The type of a route as it stands in the file.
fn type_of(placed: &Placed) -> &str {
    placed.route.event_type.as_deref().unwrap_or(super::entry::ANY_TYPE)
}

/// Limits the number of routes, in total and per type.
pub(super) fn limits(found: &mut Found, routes: &[Placed], routes_max: usize, of_type_max: usize) {
    if let Some(first_over) = routes.get(routes_max) {
        found.add(first_over.at, format_args!("has more than {routes_max} routes; use fields in routing_key instead"));
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for placed in routes {
        let event_type = type_of(placed);
        let count = counts.entry(event_type).or_default();
        *count += 1;
        if *count == of_type_max + 1 {
            found.add(
                placed.at,
                format_args!("has more than {of_type_max} routes of '{event_type}'; let the broker fan out instead"),
            );
        }
    }
}

/// Names must be unique, because they are stored with events.
pub(super) fn names(found: &mut Found, routes: &[Placed]) {
    let mut taken: HashMap<&str, &Placed> = HashMap::new();
    for placed in routes {
        let name = &*placed.route.name;
        if let Some(other) = taken.insert(name, placed) {
            let (one, two) = (type_of(other), type_of(placed));
            found.add(
                placed.name_at,
                format_args!("two routes have the name '{name}' (for '{one}' and '{two}'); rename one of them"),
            );
        }
    }
}

/// Refuses two routes of one type to the same destination: their returns could not be told apart.
pub(super) fn destinations(found: &mut Found, routes: &[Placed]) {
    let mut taken: HashMap<(&str, &str, String), &str> = HashMap::new();
    for placed in routes {
        let route = &placed.route;
        let known = |event_type: &_| Template::for_type(&route.routing_key, event_type).to_string();
        let key = route.event_type.as_deref().map_or_else(|| route.routing_key.to_string(), known);
        let (event_type, exchange) = (type_of(placed), &*route.exchange);
        let (name, text) = (&*route.name, key.clone());
        if let Some(other) = taken.insert((event_type, exchange, key), name) {
            found.add(
                placed.at,
                format_args!(
                    "the routes '{other}' and '{name}' of '{event_type}' have the same exchange '{exchange}' and routing key '{text}'; remove one of them, or change its key"
                ),
            );
        }
    }
}

/// The kinds of the exchanges.
pub(super) fn exchanges(
    found: &mut Found,
    entries: Vec<(Text, ExchangeEntry)>,
    routes: &[Placed],
) -> BTreeMap<String, ExchangeKind> {
    let mut kinds = BTreeMap::new();
    // A route that could not be read might be the one that uses it.
    let is_whole = found.0.is_empty();
    for (name, entry) in entries {
        let (at, name) = (name.span().start, name.into_inner());
        let kind = match &entry.kind {
            Some(kind) => read_kind(kind.get_ref()).ok_or_else(|| {
                let kind = kind.get_ref();
                format!(
                    "kind '{kind}' is unknown; use direct, topic, fanout, headers, or a plugin's kind starting with x-"
                )
            }),
            None => Err("kind is missing; use direct, topic, fanout or headers".to_owned()),
        };
        if name.is_empty() {
            found.add(at, "the default exchange always exists and has no kind; remove this entry");
        } else if is_whole && !routes.iter().any(|placed| *placed.route.exchange == *name) {
            found.add(at, format_args!("exchange '{name}': no route uses it; remove it, or correct its name"));
        }
        match kind {
            Ok(kind) => {
                if is_delayed(&kind) {
                    delayed(found, &name, routes);
                }
                kinds.insert(name, kind);
            }
            Err(problem) => {
                let at = entry.kind.as_ref().map_or(at, |kind| kind.span().start);
                found.add(at, format_args!("exchange '{name}': {problem}"));
            }
        }
    }
    kinds
}

fn is_delayed(kind: &ExchangeKind) -> bool {
    matches!(kind, ExchangeKind::Custom(name) if name == "x-delayed-message")
}

/// The plugin returns every mandatory message, also those that it delivers later: each would be sent again until it is a dead letter.
fn delayed(found: &mut Found, exchange: &str, routes: &[Placed]) {
    let is_charged =
        |placed: &&Placed| *placed.route.exchange == *exchange && placed.route.on_unroutable != OnUnroutable::Ignore;
    for placed in routes.iter().filter(is_charged) {
        let name = &*placed.route.name;
        found.add(
            placed.at,
            format_args!(
                "the route '{name}' goes to '{exchange}', an x-delayed-message exchange, which returns every message, also those that it delivers later; set on_unroutable = \"ignore\" for it"
            ),
        );
    }
}

fn read_kind(word: &str) -> Option<ExchangeKind> {
    match word {
        "direct" => Some(ExchangeKind::Direct),
        "topic" => Some(ExchangeKind::Topic),
        "fanout" => Some(ExchangeKind::Fanout),
        "headers" => Some(ExchangeKind::Headers),
        _ if word.len() > 2 && word.len() <= 255 && word.starts_with("x-") => Some(ExchangeKind::Custom(word.into())),
        _ => None,
    }
}
