//! One `[[route]]`: checks its values one by one, and makes a route of them. Called by `routes`.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};
use toml::Spanned;

use crate::config::routes_file::checks::Found;
use crate::config::routes_file::file::{Names, RouteEntry, Text};
use crate::message::amqp::{is_reserved, table_bytes};
use crate::outbox::carried::{Carried, Part, Parts};
use crate::outbox::destination::OnUnroutable;
use crate::outbox::labels::Envelope;
use crate::outbox::limits::SHORT_STRING_BYTES_MAX;
use crate::outbox::partition::PARTITIONS_MAX;
use crate::outbox::route::{PartitionQueues, Route, STEERING_HEADERS};
use crate::outbox::template::Template;

/// Matches every type that no other route names.
pub(super) const ANY_TYPE: &str = "*";
const NAME_MAX: usize = 40;
/// Largest name of a queue, without its number.
const QUEUE_BYTES_MAX: usize = 250;
/// Largest static headers of a route; the rest of a frame is for the row's headers.
const HEADERS_BYTES_MAX: usize = 16 << 10;

/// Values for routes that do not set their own.
pub(super) struct Defaults<'a> {
    pub(super) exchange: &'a str,
    pub(super) source: &'a str,
    pub(super) carried: Carried,
}

/// A route and its place in the file.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) at: usize,
    /// The place of its name, or of the route if it has none.
    pub(super) name_at: usize,
    pub(super) route: Route,
}

/// Collects the problems of one route, each with the route's name.
struct Entry<'a> {
    found: &'a mut Found,
    title: String,
    is_sound: bool,
}

impl Entry<'_> {
    fn problem(&mut self, at: usize, problem: impl std::fmt::Display) {
        let title = &self.title;
        self.found.add(at, format_args!("{title}: {problem}"));
        self.is_sound = false;
    }

    /// A non-empty text for an AMQP short string.
    fn text(&mut self, key: &str, text: Option<Text>) -> Option<String> {
        let text = text?;
        let (at, text) = (text.span().start, text.into_inner());
        if text.is_empty() {
            self.problem(at, format_args!("{key} is empty; remove it, or give it a value"));
        }
        self.short(at, key, &text);
        Some(text)
    }

    fn short(&mut self, at: usize, key: &str, text: &str) {
        if text.len() > SHORT_STRING_BYTES_MAX {
            let bytes = text.len();
            self.problem(at, format_args!("{key} has {bytes} bytes; AMQP allows {SHORT_STRING_BYTES_MAX}"));
        }
        if text.contains('\0') {
            self.problem(at, format_args!("{key} contains a NUL"));
        }
    }

    /// What of its own the relay sends.
    fn parts<T: Part>(&mut self, key: &str, names: Option<Spanned<Names>>, default: Parts<T>) -> Parts<T> {
        let Some(names) = names else { return default };
        match Parts::parse(names.get_ref().iter()) {
            Ok(parts) => parts,
            Err(error) => {
                self.problem(names.span().start, format_args!("{key} {error}"));
                default
            }
        }
    }

    /// One word of a list.
    fn word<T: Copy>(
        &mut self,
        key: &str,
        word: Option<Text>,
        default: T,
        read: fn(&str) -> Option<T>,
        all: &str,
    ) -> T {
        let Some(word) = word else { return default };
        if let Some(value) = read(word.get_ref()) {
            return value;
        }
        self.problem(word.span().start, format_args!("{key} '{}' is unknown; use one of {all}", word.get_ref()));
        default
    }
}

/// Makes a route of the entry, if it has no problems.
pub(super) fn route(
    found: &mut Found,
    number: usize,
    at: usize,
    entry: RouteEntry,
    defaults: &Defaults<'_>,
) -> Option<Placed> {
    let title = entry.title(number);
    let mut checked = Entry { found, title, is_sound: true };
    let name_at = entry.name.as_ref().map_or(at, |name| name.span().start);
    let source_at = entry.source.as_ref().map_or(at, |source| source.span().start);
    let event_type = checked.text("event_type", entry.event_type);
    if event_type.is_none() {
        checked.problem(at, "event_type is missing; set a type, or \"*\" for every type that no other route names");
    }
    let event_type = event_type.unwrap_or_default();
    let exchange = exchange(&mut checked, entry.exchange, defaults.exchange);
    let partitions = partitions(&mut checked, entry.partitions);
    let routing_key = routing_key(&mut checked, entry.routing_key, partitions);
    if partitions.is_some() && !routing_key.has_partition() {
        checked.problem(at, "partitions without {partition} in routing_key: every key would go the same way");
    }
    let queues = queues(&mut checked, entry.queue, partitions, &routing_key, &event_type);
    let envelopes = Envelope::ALL.map(Envelope::as_str).join(", ");
    let envelope = checked.word("envelope", entry.envelope, Envelope::Standard, Envelope::parse, &envelopes);
    let choices = OnUnroutable::ALL.map(OnUnroutable::as_str).join(", ");
    let on_unroutable =
        checked.word("on_unroutable", entry.on_unroutable, OnUnroutable::DeadLetter, OnUnroutable::parse, &choices);
    let message_type = checked.text("type", entry.message_type);
    let version = checked.text("version", entry.version);
    let source = checked.text("source", entry.source).unwrap_or_else(|| defaults.source.to_owned());
    if matches!(envelope, Envelope::CloudEvents | Envelope::CloudEventsBinary) && !is_uri_reference(&source) {
        let fix = "CloudEvents requires one, such as /order-service or urn:shop:orders";
        checked.problem(source_at, format_args!("the source '{source}' is not a URI reference; {fix}"));
    }
    let allow_headers = allow_headers(&mut checked, entry.allow_headers);
    let (headers, header_templates) = headers(&mut checked, entry.headers, partitions);
    let content_type = checked.text("content_type", entry.content_type);
    let Carried { headers: carried_headers, properties } = defaults.carried;
    let carried = Carried {
        headers: checked.parts("message_headers", entry.message_headers, carried_headers),
        properties: checked.parts("message_properties", entry.message_properties, properties),
    };
    let name = match entry.name {
        Some(name) => self::name(&mut checked, &name),
        None => derived_name(&event_type, &exchange, &routing_key),
    };
    let event_type = (event_type != ANY_TYPE).then(|| event_type.into());
    checked.is_sound.then(|| Placed {
        at,
        name_at,
        route: Route {
            name: name.into(),
            event_type,
            exchange: exchange.into(),
            routing_key,
            envelope,
            message_type: message_type.map(Into::into),
            version: version.map(Into::into),
            source: source.into(),
            on_unroutable,
            allow_headers,
            headers,
            header_templates,
            content_type: content_type.map(Into::into),
            carried,
            queues,
        },
    })
}

fn name(checked: &mut Entry<'_>, name: &Text) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let text = name.get_ref();
    if text.is_empty() || text.len() > NAME_MAX || !text.bytes().all(is_plain) {
        let fix = format!("use 1 to {NAME_MAX} lower-case letters, digits and hyphens");
        checked.problem(name.span().start, format_args!("the name '{text}' is not [a-z0-9-]; {fix}"));
    }
    text.clone()
}

/// The name of a route without one: its type, exchange and routing key. A long name ends in a hash
/// of them.
fn derived_name(event_type: &str, exchange: &str, routing_key: &Template) -> String {
    let event_type = if event_type == ANY_TYPE { "any" } else { event_type };
    let full = format!("{event_type} {exchange} {routing_key}");
    let mut name = String::with_capacity(full.len());
    for c in full.chars() {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            'A'..='Z' => name.push(c.to_ascii_lowercase()),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_end_matches('-');
    if !name.is_empty() && name.len() <= NAME_MAX {
        return name.to_owned();
    }
    let hash: String = Sha256::digest(full).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let beginning = name[..name.len().min(NAME_MAX - 9)].trim_end_matches('-');
    if beginning.is_empty() { hash } else { format!("{beginning}-{hash}") }
}

/// The default exchange has an empty name.
fn exchange(checked: &mut Entry<'_>, text: Option<Text>, default: &str) -> String {
    let Some(text) = text else { return default.to_owned() };
    checked.short(text.span().start, "exchange", text.get_ref());
    text.into_inner()
}

fn partitions(checked: &mut Entry<'_>, number: Option<Spanned<i64>>) -> Option<NonZeroU16> {
    let number = number?;
    let (at, number) = (number.span().start, number.into_inner());
    let partitions = u16::try_from(number).ok().filter(|number| *number <= PARTITIONS_MAX).and_then(NonZeroU16::new);
    if partitions.is_none() {
        checked.problem(at, format_args!("partitions must be 1 to {PARTITIONS_MAX}, got {number}"));
    }
    // A stand-in, so that the wrong number is the only problem.
    Some(partitions.unwrap_or(NonZeroU16::MIN))
}

/// The queues that `--declare` makes, one for each partition.
fn queues(
    checked: &mut Entry<'_>,
    name: Option<Text>,
    partitions: Option<NonZeroU16>,
    routing_key: &Template,
    event_type: &str,
) -> Option<PartitionQueues> {
    let name = name?;
    let (at, text) = (name.span().start, name.into_inner());
    let Some(partitions) = partitions else {
        checked.problem(at, "queue is for the queues of partitions; give the route partitions = N, or remove queue");
        return None;
    };
    let routing_key = if event_type == ANY_TYPE { routing_key.clone() } else { routing_key.for_type(event_type) };
    if !routing_key.is_fixed() {
        checked.problem(at, "queue needs a routing_key of text and {partition} alone: nothing else can be bound");
        return None;
    }
    match Template::parse_for(&text, Some(partitions)) {
        Ok(name) if name.is_fixed() && name.has_partition() && name.text_bytes() <= QUEUE_BYTES_MAX => {
            Some(PartitionQueues { partitions, name, routing_key })
        }
        Ok(_) => {
            checked.problem(
                at,
                format_args!("queue '{text}' must be text and {{partition}}, {QUEUE_BYTES_MAX} bytes at most"),
            );
            None
        }
        Err(error) => {
            checked.problem(at, format_args!("queue {error}"));
            None
        }
    }
}

fn routing_key(checked: &mut Entry<'_>, text: Option<Text>, partitions: Option<NonZeroU16>) -> Template {
    let default = Template::parse("{event_type}").expect("the default routing key is a valid template");
    let Some(text) = text else { return default };
    let at = text.span().start;
    let template = match Template::parse_for(text.get_ref(), partitions) {
        Ok(template) => template,
        Err(error) => {
            checked.problem(at, format_args!("routing_key {error}"));
            return default;
        }
    };
    let bytes = template.text_bytes();
    if bytes > SHORT_STRING_BYTES_MAX {
        checked.problem(at, format_args!("routing_key has {bytes} bytes; AMQP allows {SHORT_STRING_BYTES_MAX}"));
    }
    if text.get_ref().contains('\0') {
        checked.problem(at, "routing_key contains a NUL");
    }
    for name in template.headers().filter(|name| is_reserved(name)) {
        checked.problem(
            at,
            format_args!("routing_key needs the header '{name}', which is reserved, so no row can have it"),
        );
    }
    template
}

/// The rows' headers that may change what the broker does.
fn allow_headers(checked: &mut Entry<'_>, names: Vec<Text>) -> Vec<Box<str>> {
    for name in &names {
        if !STEERING_HEADERS.contains(&name.get_ref().as_str()) {
            let known = STEERING_HEADERS.join(", ");
            checked.problem(
                name.span().start,
                format_args!(
                    "allow_headers '{}' is unknown; use one of {known}, all others pass anyway",
                    name.get_ref()
                ),
            );
        }
    }
    names.into_iter().map(|name| name.into_inner().into()).collect()
}

/// The static headers, and those with fields.
fn headers(
    checked: &mut Entry<'_>,
    entries: BTreeMap<Text, toml::Value>,
    partitions: Option<NonZeroU16>,
) -> (Map<String, Value>, Vec<(String, Template)>) {
    let mut headers = Map::new();
    let mut templates = Vec::new();
    for (name, value) in entries {
        let (at, name) = (name.span().start, name.into_inner());
        if is_reserved(&name) {
            checked.problem(at, format_args!("the header '{name}' is reserved; rename it"));
        }
        if name.is_empty() {
            checked.problem(at, "a header has an empty name");
        }
        checked.short(at, "a header's name", &name);
        if let Some(text) = value.as_str().filter(|text| text.contains('{')) {
            match Template::parse_for(text, partitions) {
                Ok(template) => templates.push((name, template)),
                Err(error) => checked.problem(at, format_args!("the header '{name}': {error}")),
            }
            continue;
        }
        match header(value) {
            Some(value) => drop(headers.insert(name, value)),
            None => {
                checked.problem(at, format_args!("the header '{name}' must be a string, a finite number or a boolean"))
            }
        }
        let bytes = table_bytes(&headers);
        if bytes > HEADERS_BYTES_MAX {
            checked.problem(at, format_args!("the headers have {bytes} bytes; the limit is {HEADERS_BYTES_MAX}"));
            break;
        }
    }
    (headers, templates)
}

fn header(value: toml::Value) -> Option<Value> {
    match value {
        toml::Value::String(text) => Some(Value::String(text)),
        toml::Value::Integer(number) => Some(Value::from(number)),
        toml::Value::Float(number) => Number::from_f64(number).map(Value::Number),
        toml::Value::Boolean(flag) => Some(Value::Bool(flag)),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

/// RFC 3986, section 4.1: only URI characters, and either a scheme or no colon in the first
/// segment.
fn is_uri_reference(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    let has_scheme = |first: &str| {
        let scheme = first.split(':').next().unwrap_or_default();
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    let first = text.split(['/', '?', '#']).next().unwrap_or_default();
    !text.is_empty()
        && text.bytes().all(is_allowed)
        && text.split('%').skip(1).all(is_escape)
        && text.matches('#').count() <= 1
        && (!first.contains(':') || has_scheme(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_names_are_the_same_every_time_and_no_longer_than_a_name_may_be() {
        let key = |text| Template::parse(text).expect("valid");
        assert_eq!(derived_name("order.paid", "e", &key("{event_type}")), "order-paid-e-event-type");
        assert_eq!(derived_name("*", "", &key("K")), "any-k");
        let long = derived_name("order.payment_processing_initiated", "order.events", &key("{event_type}"));
        assert_eq!(long, derived_name("order.payment_processing_initiated", "order.events", &key("{event_type}")));
        assert!(long.len() <= NAME_MAX && long.starts_with("order-payment-processing-initia"), "{long}");
        assert_ne!(long, derived_name("order.payment_processing_initiated", "order.events", &key("{key}")));
        assert_eq!(derived_name("漢", "", &key("字")).len(), 8);
    }

    #[test]
    fn uri_references_are_told_from_other_texts() {
        for good in ["order-service", "/a/b", "urn:shop:orders", "https://shop.example/x?y=1#z", "a/b:c", "%20"] {
            assert!(is_uri_reference(good), "{good}");
        }
        for bad in ["", "order service", "bestellung-ü", "1a:b", "a%2", "a#b#c", "a\"b"] {
            assert!(!is_uri_reference(bad), "{bad}");
        }
    }
}
