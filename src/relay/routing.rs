//! A route, and the template of its routing key. Nouns: the route stage picks routes, the others only read them.

use std::sync::Arc;

use crate::relay::destination::{Destination, OnUnroutable};
use crate::relay::event::Event;
use crate::relay::labels::{Envelope, Labels};

/// One way out for the events of a type.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique, `[a-z0-9-]{1,40}`; stored with events and shown everywhere.
    pub name: Arc<str>,
    /// Where to.
    pub exchange: Arc<str>,
    /// The routing key before its fields are filled in.
    pub routing_key: Template,
    /// The body's shape.
    pub envelope: Envelope,
    /// The type on the wire; the event type if absent.
    pub message_type: Option<Arc<str>>,
    /// Overrules the row's version.
    pub version: Option<Arc<str>>,
    /// Who publishes.
    pub source: Arc<str>,
    /// What a returned message means.
    pub on_unroutable: OnUnroutable,
}

impl Route {
    /// What a message of `event` says about itself on this route.
    pub fn labels(&self, event: &Event) -> Labels {
        Labels {
            message_type: self.message_type.clone().unwrap_or_else(|| event.event_type.as_str().into()),
            version: self.version.clone(),
            source: self.source.clone(),
        }
    }

    /// Where `event` goes on this route.
    pub fn destination(&self, event: &Event) -> Destination {
        Destination { exchange: self.exchange.clone(), routing_key: self.routing_key.render(event).into() }
    }
}

/// A routing key with fields: `{event_type}`, `{aggregate_type}`, `{aggregate_id}`, `{key}`.
#[derive(Debug, Clone)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    EventType,
    AggregateType,
    AggregateId,
    Key,
}

impl Template {
    /// Reads a template; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
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
                other => return Err(format!("'{text}' names the unknown field '{{{other}}}'")),
            });
            rest = &rest[open + length + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Fills the fields in.
    pub fn render(&self, event: &Event) -> String {
        let mut key = String::with_capacity(64);
        for part in &self.0 {
            key.push_str(match part {
                Part::Text(text) => text,
                Part::EventType => &event.event_type,
                Part::AggregateType => &event.aggregate_type,
                Part::AggregateId => &event.aggregate_id,
                Part::Key => event.key(),
            });
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::fixtures;

    #[test]
    fn templates_fill_every_field_and_refuse_unknown_ones() {
        let mut event = fixtures::event("a-1", 1);
        event.partition_key = Some("p-1".into());
        let template = Template::parse("x.{aggregate_type}.{aggregate_id}.{key}.{event_type}.y").expect("valid");
        assert_eq!(template.render(&event), "x.Order.a-1.p-1.order.created.y");
        assert!(Template::parse("{colour}").expect_err("unknown field").contains("{colour}"));
        assert!(Template::parse("a{key").is_err());
    }
}
