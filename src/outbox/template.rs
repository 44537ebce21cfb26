//! The template of a routing key: parsed once from the routes file, rendered for every event.

use std::fmt;
use std::num::NonZeroU16;

use serde_json::{Map, Value};

use crate::outbox::event::Event;
use crate::outbox::partition::partition;

/// A text with fields: `{event_type}`, `{aggregate_type}`, `{aggregate_id}`, `{key}`, `{partition}`, `{header.NAME}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    EventType,
    AggregateType,
    AggregateId,
    Key,
    /// Of so many.
    Partition(NonZeroU16),
    Header(String),
}

/// The fields of a template, for the fix in error messages.
const FIELDS: &str = "{event_type}, {aggregate_type}, {aggregate_id}, {key}, {partition} or {header.NAME}";

impl Template {
    /// Parses a template without partitions. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_for(text, None)
    }

    /// Parses a template of a route that may have partitions.
    pub fn parse_for(text: &str, partitions: Option<NonZeroU16>) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(open) = rest.find('{') {
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            let Some(length) = rest[open..].find('}') else {
                return Err(format!("'{text}' has a '{{' without its '}}'"));
            };
            parts.push(match &rest[open + 1..open + length] {
                "event_type" => Part::EventType,
                "aggregate_type" => Part::AggregateType,
                "aggregate_id" => Part::AggregateId,
                "key" => Part::Key,
                "partition" => match partitions {
                    Some(partitions) => Part::Partition(partitions),
                    None => return Err(format!("'{text}' has {{partition}}; give the route partitions = N")),
                },
                other => match other.strip_prefix("header.").filter(|name| !name.is_empty()) {
                    Some(name) => Part::Header(name.to_owned()),
                    None => return Err(format!("'{text}' names the unknown field '{{{other}}}'; use {FIELDS}")),
                },
            });
            rest = &rest[open + length + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The same template for a known event type, so that equivalent templates are equal.
    pub fn for_type(&self, event_type: &str) -> Self {
        self.for_types(event_type, None)
    }

    /// The same where the event's type is known, and perhaps that of its aggregate.
    pub(super) fn for_types(&self, event_type: &str, aggregate_type: Option<&str>) -> Self {
        let mut parts: Vec<Part> = Vec::with_capacity(self.0.len());
        for part in &self.0 {
            let text = match part {
                Part::Text(text) => text,
                Part::EventType => event_type,
                Part::AggregateType | Part::AggregateId | Part::Key | Part::Partition(_) | Part::Header(_) => {
                    let (Part::AggregateType, Some(aggregate_type)) = (part, aggregate_type) else {
                        parts.push(part.clone());
                        continue;
                    };
                    aggregate_type
                }
            };
            match parts.last_mut() {
                Some(Part::Text(before)) => before.push_str(text),
                Some(_) | None => parts.push(Part::Text(text.to_owned())),
            }
        }
        Self(parts)
    }

    /// Fills in the fields; `headers` are the row's own. The error continues "the routing key of
    /// route 'x'".
    pub fn render(&self, event: &Event, headers: &Map<String, Value>) -> Result<String, String> {
        let mut key = String::with_capacity(64);
        for part in &self.0 {
            match part {
                Part::Text(text) => key.push_str(text),
                Part::EventType => key.push_str(&event.event_type),
                Part::AggregateType => key.push_str(&event.aggregate_type),
                Part::AggregateId => key.push_str(&event.aggregate_id),
                Part::Key => key.push_str(event.key()),
                Part::Partition(of) => key.push_str(&partition(event.key(), *of).to_string()),
                Part::Header(name) => match headers.get(name) {
                    Some(Value::String(text)) => key.push_str(text),
                    Some(Value::Number(number)) => key.push_str(&number.to_string()),
                    Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                        return Err(format!("needs the header '{name}' as a string or a number"));
                    }
                    None => return Err(format!("needs the header '{name}', which the event does not have")),
                },
            }
        }
        Ok(key)
    }

    /// Whether routing keys vary from row to row of one type.
    pub fn varies(&self) -> bool {
        self.0.iter().any(|part| match part {
            Part::AggregateId | Part::Key | Part::Partition(_) | Part::Header(_) => true,
            Part::Text(_) | Part::EventType | Part::AggregateType => false,
        })
    }

    /// The event type that a routing key was rendered from, where the type is all that the template leaves open.
    pub(super) fn event_type_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        let place = self.0.iter().position(|part| *part == Part::EventType)?;
        let (before, after) = (&self.0[..place], &self.0[place + 1..]);
        match (before, after) {
            ([], []) => Some(key),
            ([Part::Text(before)], []) => key.strip_prefix(before.as_str()),
            ([], [Part::Text(after)]) => key.strip_suffix(after.as_str()),
            ([Part::Text(before)], [Part::Text(after)]) => {
                key.strip_prefix(before.as_str())?.strip_suffix(after.as_str())
            }
            (_, _) => None,
        }
    }

    /// The template whose renderings are the flows of this one: what varies from row to row is a text there.
    pub(super) fn of_flows(&self) -> Self {
        let mut parts: Vec<Part> = Vec::with_capacity(self.0.len());
        for part in &self.0 {
            let part = match part {
                Part::EventType | Part::AggregateType => part.clone(),
                Part::Text(_) | Part::AggregateId | Part::Key | Part::Partition(_) | Part::Header(_) => {
                    Part::Text(part.to_string())
                }
            };
            match (parts.last_mut(), part) {
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (Some(_) | None, part) => parts.push(part),
            }
        }
        Self(parts)
    }

    /// Whether some event could be given this routing key.
    pub fn may_render(&self, key: &str) -> bool {
        let (mut rest, mut is_open) = (key, false);
        for (place, part) in self.0.iter().enumerate() {
            let Part::Text(text) = part else {
                is_open = true;
                continue;
            };
            let is_last = place + 1 == self.0.len();
            let after = match (is_open, is_last) {
                (true, true) => rest.strip_suffix(text.as_str()).map(|_| ""),
                (true, false) => rest.find(text.as_str()).map(|at| &rest[at + text.len()..]),
                (false, _) => rest.strip_prefix(text.as_str()),
            };
            let Some(after) = after else { return false };
            (rest, is_open) = (after, false);
        }
        is_open || rest.is_empty()
    }

    /// The headers that it needs.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Header(name) => Some(name.as_str()),
            Part::Text(_)
            | Part::EventType
            | Part::AggregateType
            | Part::AggregateId
            | Part::Key
            | Part::Partition(_) => None,
        })
    }

    /// Whether it has the field `{partition}`.
    pub fn has_partition(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Partition(_)))
    }

    /// Whether it has no field, or `{partition}` alone.
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_) | Part::Partition(_)))
    }

    /// The text of one partition; other fields stay as they are written.
    pub fn of_partition(&self, number: u16) -> String {
        self.to_string().replace("{partition}", &number.to_string())
    }

    /// The least bytes that it can have.
    pub fn text_bytes(&self) -> usize {
        let bytes = |part: &Part| match part {
            Part::Text(text) => text.len(),
            Part::EventType
            | Part::AggregateType
            | Part::AggregateId
            | Part::Key
            | Part::Partition(_)
            | Part::Header(_) => 0,
        };
        self.0.iter().map(bytes).sum()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| part.fmt(f))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::EventType => f.write_str("{event_type}"),
            Self::AggregateType => f.write_str("{aggregate_type}"),
            Self::AggregateId => f.write_str("{aggregate_id}"),
            Self::Key => f.write_str("{key}"),
            Self::Partition(_) => f.write_str("{partition}"),
            Self::Header(name) => write!(f, "{{header.{name}}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::destination::Destination;
    use crate::outbox::fixtures;
    use crate::outbox::flow::Flow;
    use crate::outbox::hold::HoldScope;
    use crate::outbox::route::{Route, RouteTable};
    use serde_json::json;

    fn template(text: &str) -> Template {
        Template::parse(text).expect("a valid template")
    }

    fn headers(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn templates_fill_every_field_and_refuse_unknown_ones() {
        let mut event = fixtures::event("a-1", 1);
        event.partition_key = Some("p-1".into());
        let text = "x.{aggregate_type}.{aggregate_id}.{key}.{event_type}.{header.region}.{header.shard}.y";
        let own = headers(json!({"region": "eu", "shard": 9_007_199_254_740_993_i64}));
        let key = template(text).render(&event, &own);
        assert_eq!(key.as_deref(), Ok("x.Order.a-1.p-1.order.created.eu.9007199254740993.y"));
        assert_eq!(template(text).to_string(), text);
        for (text, words) in [("{colour}", "{colour}"), ("{header.}", "{header.}"), ("a{key", "without its")] {
            let error = Template::parse(text).expect_err(text);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_partition_is_a_field_where_the_route_has_some_and_binds_one_queue() {
        let event = fixtures::event("order-42", 1);
        let eight = NonZeroU16::new(8);
        let template = Template::parse_for("orders.{partition}", eight).expect("valid");
        let of = eight.expect("not zero");
        assert_eq!(template.render(&event, &Map::new()), Ok(format!("orders.{}", partition("order-42", of))));
        assert!(template.has_partition() && template.is_fixed() && template.may_render("orders.7"));
        assert_eq!(
            (template.to_string().as_str(), template.of_partition(3).as_str()),
            ("orders.{partition}", "orders.3")
        );
        assert!(!Template::parse_for("{key}.{partition}", eight).expect("valid").is_fixed());
        assert!(Template::parse("orders.{partition}").expect_err("no number").contains("partitions = N"));
    }

    #[test]
    fn a_header_that_is_missing_or_no_text_is_an_error_that_names_it() {
        let event = fixtures::event("a-1", 1);
        for (own, words) in [
            (json!({}), "which the event does not have"),
            (json!({"tenant": null}), "as a string or a number"),
            (json!({"tenant": [1]}), "as a string or a number"),
            (json!({"tenant": true}), "as a string or a number"),
        ] {
            let error = template("{header.tenant}").render(&event, &headers(own)).expect_err(words);
            assert!(error.contains("'tenant'") && error.contains(words), "{error}");
        }
    }

    #[test]
    fn templates_that_mean_the_same_for_a_type_are_equal() {
        assert_eq!(template("a.{event_type}").for_type("x"), template("a.x").for_type("x"));
        assert_ne!(template("{key}").for_type("x"), template("{aggregate_id}").for_type("x"));
    }

    #[test]
    fn only_what_varies_from_row_to_row_stays_open_in_a_flow() {
        let mut event = fixtures::event("a-1", 1);
        event.partition_key = Some("p-1".into());
        let own = headers(json!({"tenant": "t"}));
        for (text, expected) in [
            ("{event_type}", "order.events/order.created"),
            ("x.{aggregate_type}.{event_type}", "order.events/x.Order.order.created"),
            ("{key}.{event_type}", "order.events/{key}.order.created"),
            ("{header.tenant}.{aggregate_type}.{aggregate_id}", "order.events/{header.tenant}.Order.{aggregate_id}"),
        ] {
            let route = route(None, text);
            let destination = route.destination(&event, &own).expect("rendered");
            let flow = route.flow(&event, &destination);
            assert_eq!(flow.to_string(), expected);
            assert_eq!(flow.varies(&destination), expected.contains('{'));
        }
    }

    fn route(event_type: Option<&str>, routing_key: &str) -> Route {
        let single = RouteTable::single("order.events", "order-service");
        let any = Route::clone(single.all().next().expect("it has one"));
        Route { event_type: event_type.map(Into::into), routing_key: template(routing_key), ..any }
    }

    #[test]
    fn a_hold_is_in_the_way_of_those_routes_only_whose_messages_can_go_there() {
        let there =
            |routing_key: &str| Destination { exchange: "order.events".into(), routing_key: routing_key.into() };
        let key = |routing_key| HoldScope::Key(there(routing_key));
        let flow = |text| HoldScope::Flow(Flow::of(&there(text)));
        // Another route names the type `order.full`.
        let takes = |event_type: &str| event_type != "order.full";
        for (event_type, template, scope, expected) in [
            (Some("order.full"), "{event_type}", key("order.full"), true),
            (Some("order.paid"), "{event_type}", key("order.full"), false),
            (None, "{event_type}", key("order.full"), false),
            (None, "{event_type}", key("order.other"), true),
            (None, "x.{event_type}.y", key("x.order.full.y"), false),
            (None, "x.{event_type}.y", key("x.order.other.y"), true),
            (None, "{key}", key("order.full"), true),
            (Some("order.paid"), "a.{key}", flow("a.{key}"), true),
            (Some("order.paid"), "a.{key}", flow("a.{aggregate_id}"), false),
            (Some("order.paid"), "{key}.{event_type}", flow("{key}.order.full"), false),
            (Some("order.paid"), "{key}.{event_type}", flow("{key}.order.paid"), true),
            (None, "{key}.{event_type}", flow("{key}.order.full"), false),
            (None, "{key}.{event_type}", flow("{key}.order.other"), true),
            (None, "{aggregate_type}.{key}", flow("Order.{key}"), true),
        ] {
            let route = route(event_type, template);
            assert_eq!(route.is_held_by(&scope, takes), expected, "'{template}' of {event_type:?} and {scope}");
        }
        let elsewhere = HoldScope::Flow(Flow { exchange: "other".into(), template: "a.{key}".into() });
        assert!(!route(None, "a.{key}").is_held_by(&elsewhere, takes));
    }

    #[test]
    fn a_template_may_render_what_its_texts_leave_room_for() {
        for (text, key, expected) in [
            ("order.paid", "order.paid", true),
            ("order.paid", "order.paid.late", false),
            ("{event_type}", "anything", true),
            ("a.{key}", "a.1", true),
            ("a.{key}", "b.1", false),
            ("{key}.z", "1.z", true),
            ("{key}.z", "1.z.1", false),
            ("a.{key}.b.{key}", "a.1.b.2", true),
            ("a.{key}.b.{key}", "a.1.c.2", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(template(text).may_render(key), expected, "'{text}' and '{key}'");
        }
    }
}
