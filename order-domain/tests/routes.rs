//! The relay's routes file for the order service, `routes/order-service.toml`, against the catalogue: nothing is missing,
//! nothing is called otherwise, and only routes that a consumer is sure to bind may complain that nobody does.

use std::collections::BTreeMap;
use std::path::Path;

use order_domain::EventType;
use order_domain::event::route::EXCHANGE;
use order_domain::event::{Demand, Envelope, Route};
use toml::{Table, Value};

fn file() -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../routes/order-service.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn text<'a>(route: &'a Table, field: &str) -> Option<&'a str> {
    route.get(field).map(|value| value.as_str().unwrap_or_else(|| panic!("{field} is a text")))
}

/// The routes of the file by event type; a type on the wire that is left out is the event type.
fn routes(file: &Table) -> BTreeMap<String, Vec<&Table>> {
    let mut found: BTreeMap<String, Vec<&Table>> = BTreeMap::new();
    for route in file.get("route").and_then(Value::as_array).expect("there are routes") {
        let route = route.as_table().expect("a route is a table");
        found.entry(text(route, "event_type").expect("it has an event type").to_owned()).or_default().push(route);
    }
    found
}

fn rendered_key(route: &Table, event_type: EventType) -> String {
    text(route, "routing_key").unwrap_or("{event_type}").replace("{event_type}", event_type.as_str())
}

fn is(route: &Table, event_type: EventType, expected: &Route) -> bool {
    let envelope = text(route, "envelope").unwrap_or(Envelope::Standard.as_str());
    rendered_key(route, event_type) == expected.routing_key && envelope == expected.envelope.as_str()
}

#[test]
fn the_routes_file_says_what_the_catalogue_says() {
    let file = file();
    let mut routes = routes(&file);
    let mut wrong = Vec::new();
    for event_type in EventType::all() {
        let Some(mut found) = routes.remove(event_type.as_str()) else {
            wrong.push(format!("{event_type} has no route"));
            continue;
        };
        for expected in event_type.routes() {
            let at = found.iter().position(|route| is(route, event_type, &expected));
            match at.map(|at| found.remove(at)) {
                Some(route) => wrong.extend(check(route, event_type, &expected)),
                None if expected.demand == Demand::Derived => {}
                None => wrong.push(format!("{event_type} lacks {expected:?}")),
            }
        }
        wrong.extend(found.iter().map(|route| format!("{event_type} has a route of its own: {route}")));
    }
    wrong.extend(routes.keys().map(|name| format!("there is no event {name}")));
    assert!(wrong.is_empty(), "routes/order-service.toml:\n{}", wrong.join("\n"));
}

fn check(route: &Table, event_type: EventType, expected: &Route) -> Vec<String> {
    let wire_type = text(route, "type").unwrap_or(event_type.as_str());
    let is_ignored = text(route, "on_unroutable") == Some("ignore");
    let source = text(route, "source");
    let has_source = match expected.envelope {
        Envelope::Standard => source == Some(expected.envelope.source()),
        Envelope::Domain | Envelope::Aggregate => source.is_none_or(|source| source == expected.envelope.source()),
    };
    let rules = [
        (wire_type == expected.wire_type, format!("its type is {wire_type}, not {}", expected.wire_type)),
        (
            text(route, "exchange").is_none_or(|exchange| exchange == EXCHANGE),
            format!("its exchange is not {EXCHANGE}"),
        ),
        (has_source, format!("its source is {source:?}, not {}", expected.envelope.source())),
        (text(route, "version").is_none(), "it overrules the version of the row".to_owned()),
        (
            is_ignored == (expected.demand != Demand::Sure),
            format!("on_unroutable = \"ignore\" is {is_ignored}, and the demand is {:?}", expected.demand),
        ),
    ];
    let broken = rules.into_iter().filter(|(holds, _)| !holds);
    broken.map(|(_, what)| format!("{event_type}, key {}: {what}", expected.routing_key)).collect()
}
