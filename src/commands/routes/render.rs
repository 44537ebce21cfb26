//! `routes render`: shows the exact messages of an event, one per route, without any service.
//!
//! Called by `main`. Uses the relay's own code (`message`), so it shows exactly what would be sent.
//! Fails for an event that would not be sent: no route names its type, or it cannot become a
//! message.

use std::fmt::Write;
use std::io::Read;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::config::routes_render::RenderConfig;
use crate::error::AppError;
use crate::message;
use crate::outbox::broker::Message;
use crate::outbox::carried::OwnProperty;
use crate::outbox::event::{Event, Payload};
use crate::outbox::outcome::Fate;
use crate::outbox::route::Route;

/// The default of `--max-message-size`.
const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// The messages of the event with the payload from `input`.
pub fn render(config: RenderConfig, input: impl Read) -> Result<String, AppError> {
    let RenderConfig { routes, mut event, json } = config;
    event.payload = Payload::Text(payload(input)?);
    let now = OffsetDateTime::now_utc();
    let messages = message::render(&routes, &event, PAYLOAD_BYTES_MAX, now).map_err(|fate| refused(&event, fate))?;
    Ok(if json { document(&event, &messages) } else { page(&messages) })
}

fn payload(input: impl Read) -> Result<String, AppError> {
    let mut text = String::new();
    let wrong = |problem: String| AppError::Config(vec![format!("the payload on standard input {problem}")]);
    let read = input.take(PAYLOAD_BYTES_MAX as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if text.len() > PAYLOAD_BYTES_MAX {
        return Err(wrong(format!("is larger than {PAYLOAD_BYTES_MAX} bytes")));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(&text)
        .map_err(|error| wrong(format!("is not valid JSON: {error}")))?;
    // The shell adds the newline.
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(text)
}

fn refused(event: &Event, fate: Fate) -> AppError {
    let event_type = &event.event_type;
    match fate {
        Fate::NoRoute => AppError::No(format!(
            "no route names the type '{event_type}' or \"*\": the event and its key would wait (no_route) until one does"
        )),
        Fate::Invalid { error } => AppError::No(format!("it would become a dead letter INVALID_EVENT: {error}")),
        Fate::TooLarge { bytes, limit } => AppError::No(format!(
            "it would become a dead letter PAYLOAD_TOO_LARGE: {bytes} bytes; the limit is {limit}"
        )),
        Fate::Confirmed | Fate::NotPublished(_) => AppError::Bug("an event was decided that was not sent".into()),
    }
}

/// The AMQP properties, most interesting first.
fn properties(message: &Message) -> Map<String, Value> {
    let from = &message.properties;
    let is_sent = |property| from.sent.has(property);
    let mut properties = Map::new();
    properties.insert("message_id".into(), message.event_id.to_string().into());
    if is_sent(OwnProperty::Type) {
        properties.insert("type".into(), (&*from.message_type).into());
    }
    if let Some(seconds) = from.timestamp_seconds.filter(|_| is_sent(OwnProperty::Timestamp)) {
        properties.insert("timestamp".into(), seconds.into());
    }
    if is_sent(OwnProperty::AppId) {
        properties.insert("app_id".into(), (&*from.app_id).into());
    }
    if let Some(correlation_id) = from.correlation_id.as_ref().filter(|_| is_sent(OwnProperty::CorrelationId)) {
        properties.insert("correlation_id".into(), (&**correlation_id).into());
    }
    if is_sent(OwnProperty::ContentType) {
        properties.insert("content_type".into(), (&*from.content_type).into());
    }
    properties.insert("delivery_mode".into(), 2.into());
    properties
}

fn body(message: &Message) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&message.body)
}

fn document(event: &Event, messages: &[(Arc<Route>, Message)]) -> String {
    let message = |(route, message): &(Arc<Route>, Message)| {
        json!({
            "route": &*route.name,
            "exchange": &*message.destination.exchange,
            "routing_key": &*message.destination.routing_key,
            "envelope": route.envelope.as_str(),
            "on_unroutable": route.on_unroutable.as_str(),
            "properties": properties(message),
            "headers": message.properties.headers,
            "body": body(message),
        })
    };
    let messages: Vec<Value> = messages.iter().map(message).collect();
    format!("{:#}\n", json!({ "event_type": event.event_type, "messages": messages }))
}

fn page(messages: &[(Arc<Route>, Message)]) -> String {
    let mut page = String::new();
    for (route, message) in messages {
        let destination = &message.destination;
        writeln!(page, "route {}", route.name).expect("writing into memory does not fail");
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            writeln!(page, "  {name:<24} {value}").expect("writing into memory does not fail");
        };
        line("exchange", &destination.exchange);
        line("routing key", &destination.routing_key);
        line("envelope", &route.envelope.as_str());
        line("on_unroutable", &route.on_unroutable.as_str());
        let headers = message.properties.headers.iter().map(|(name, value)| (format!("header {name}"), value.clone()));
        for (name, value) in properties(message).into_iter().chain(headers) {
            line(&name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
        page.push_str(&body(message));
        page.push_str("\n\n");
    }
    page
}
