//! The message stage: makes an AMQP message of an event on a route, or says why it can never be
//! one.
//!
//! Called per event and route, after the envelope; before that, `own_headers` is called once per
//! event. Refuses whatever would make the broker close the channel or the connection, which would
//! lose other messages' confirms. Such a row never reaches the broker.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::outbox::broker::{Message, Properties, Token};
use crate::outbox::carried::{OwnHeader, Parts};
use crate::outbox::destination::Destination;
use crate::outbox::event::Event;
use crate::outbox::flow::Flow;
use crate::outbox::labels::Labels;
use crate::outbox::limits::{HEADERS_BYTES_MAX, SHORT_STRING_BYTES_MAX};
use crate::outbox::time::timestamp;

const HEADERS_DEPTH_MAX: usize = 16;

/// The event cannot become an AMQP message, unless the row changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidEvent(String);

/// Whether the payload can be sent. JSON `null` would mean that nothing happened.
pub fn check_payload(text: &str) -> Result<(), InvalidEvent> {
    if text.trim() == "null" { Err(InvalidEvent("the payload is null".into())) } else { Ok(()) }
}

/// Builds the message of `event` with its rendered `body`; `headers` are the event's and its
/// route's.
pub fn build(
    token: Token,
    event: &Event,
    labels: &Labels,
    destination: Destination,
    body: Vec<u8>,
    mut headers: Map<String, Value>,
    now: OffsetDateTime,
) -> Result<Message, InvalidEvent> {
    short("the routing key", &destination.routing_key)?;
    short("the message type", &labels.message_type)?;
    if let Some(correlation_id) = &labels.correlation_id {
        short("the correlation id", correlation_id)?;
    }
    add_relay_headers(&mut headers, labels.carried.headers, event, now);
    check_headers_fit(&headers, HEADERS_BYTES_MAX)?;
    let properties = Properties {
        message_type: labels.message_type.clone(),
        timestamp_seconds: u64::try_from(event.created_at.unix_timestamp()).ok(),
        app_id: labels.source.clone(),
        correlation_id: labels.correlation_id.clone(),
        content_type: labels.content_type.clone(),
        sent: labels.carried.properties,
        headers,
    };
    Ok(Message { token, event_id: event.id, flow: Flow::of(&destination), destination, body, properties })
}

/// Whether the header table fits into a frame that holds `limit` bytes of it.
pub fn check_headers_fit(headers: &Map<String, Value>, limit: usize) -> Result<(), InvalidEvent> {
    let bytes = table_bytes(headers);
    if bytes > limit {
        return Err(InvalidEvent(format!("the headers have {bytes} bytes; a frame holds {limit}")));
    }
    Ok(())
}

fn short(what: &str, text: &str) -> Result<(), InvalidEvent> {
    if text.len() > SHORT_STRING_BYTES_MAX {
        let bytes = text.len();
        return Err(InvalidEvent(format!("{what} has {bytes} bytes; AMQP allows {SHORT_STRING_BYTES_MAX}")));
    }
    if text.contains('\0') {
        return Err(InvalidEvent(format!("{what} contains a NUL")));
    }
    Ok(())
}

/// The producer's headers, checked.
pub fn own_headers(text: Option<&str>) -> Result<Map<String, Value>, InvalidEvent> {
    let Some(text) = text else { return Ok(Map::new()) };
    let value: Value =
        serde_json::from_str(text).map_err(|error| InvalidEvent(format!("the headers cannot be parsed: {error}")))?;
    let headers = match value {
        Value::Object(headers) => headers,
        Value::Null => return Ok(Map::new()),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            return Err(InvalidEvent("the headers are not a JSON object".into()));
        }
    };
    for (name, value) in &headers {
        short("a header's name", name)?;
        if is_reserved(name) {
            return Err(InvalidEvent(format!("the header '{name}' is reserved")));
        }
        within_depth(value, HEADERS_DEPTH_MAX)?;
    }
    if headers.values().any(has_fraction)
        && let Some(number) = numbers(text).find(|number| !keeps_digits(number))
    {
        return Err(InvalidEvent(format!(
            "the header value {number} has more digits than a double; give it as a string"
        )));
    }
    Ok(headers)
}

/// Whether rows and routes may not set this header. `CC` and `BCC` would add destinations that the
/// relay does not see; only the broker and the relay write the others.
pub fn is_reserved(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    matches!(lower.as_str(), "cc" | "bcc")
        || ["x-death", "x-first-death", "x-last-death", "x-outbox-"].iter().any(|prefix| lower.starts_with(prefix))
}

fn within_depth(value: &Value, depth_left: usize) -> Result<(), InvalidEvent> {
    if depth_left == 0 {
        return Err(InvalidEvent(format!("the headers are nested deeper than {HEADERS_DEPTH_MAX} levels")));
    }
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            short("a nested header's name", name)?;
            within_depth(value, depth_left - 1)
        }),
        Value::Array(items) => items.iter().try_for_each(|item| within_depth(item, depth_left - 1)),
        Value::Number(number) if !is_exact(number) => {
            Err(InvalidEvent(format!("the header value {number} is beyond 64 signed bits; give it as a string")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Whether AMQP's signed 64 bits hold it, or it is a fraction that a double holds. A whole number beyond both would lose digits unseen.
fn is_exact(number: &serde_json::Number) -> bool {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    number.is_i64() || (number.is_f64() && number.as_f64().is_some_and(|value| value.abs() < BEYOND))
}

/// Whether a number was read as a double, whose digits may not be those that were written.
fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// The numbers of a JSON text, as they are written.
fn numbers(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            rest = &rest[start..];
            if !rest.starts_with('"') {
                let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
                let (number, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
                rest = after;
                return Some(number);
            }
            let mut is_escaped = false;
            let closes = |c: char| {
                let closes = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                closes
            };
            let end = rest[1..].find(closes)?;
            rest = &rest[end + 2..];
        }
    })
}

/// Whether a double writes the number with the digits that it has.
fn keeps_digits(number: &str) -> bool {
    if number.parse::<i64>().is_ok() {
        return true;
    }
    let digits = |text: &str| {
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        mantissa.chars().filter(char::is_ascii_digit).collect::<String>().trim_matches('0').to_owned()
    };
    number.parse::<f64>().is_ok_and(|value| digits(&format!("{value:e}")) == digits(number))
}

/// Adds the route's name: two routes that lead into one queue give it one event twice, with one id.
pub fn with_route(mut headers: Map<String, Value>, route: &str) -> Map<String, Value> {
    headers.insert("x-outbox-route".into(), route.into());
    headers
}

fn add_relay_headers(headers: &mut Map<String, Value>, carried: Parts<OwnHeader>, event: &Event, now: OffsetDateTime) {
    if carried.has(OwnHeader::Key) {
        headers.insert("x-outbox-key".into(), event.key().into());
    }
    if carried.has(OwnHeader::Seq) {
        headers.insert("x-outbox-seq".into(), event.seq.into());
    }
    if carried.has(OwnHeader::PublishedAt) {
        headers.insert("x-outbox-published-at".into(), timestamp(now).into());
    }
    // Always: without it a consumer takes a replayed event for a duplicate.
    if let Some(replay_id) = event.replay_id {
        headers.insert("x-outbox-replay".into(), replay_id.to_string().into());
        headers.insert("x-outbox-first-seq".into(), event.first_seq.unwrap_or(event.seq).into());
    }
}

/// The bytes of a table on the wire (AMQP 0-9-1, section 4.2.5.5): a short name, a type octet and
/// the value per field.
pub fn table_bytes(table: &Map<String, Value>) -> usize {
    4 + table.iter().map(|(name, value)| 1 + name.len() + value_bytes(value)).sum::<usize>()
}

fn value_bytes(value: &Value) -> usize {
    1 + match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 8,
        Value::String(text) => 4 + text.len(),
        Value::Array(items) => 4 + items.iter().map(value_bytes).sum::<usize>(),
        Value::Object(fields) => table_bytes(fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::carried::Carried;
    use crate::outbox::fixtures;

    fn build_from(change: impl FnOnce(&mut Event)) -> Result<Message, InvalidEvent> {
        let mut event = fixtures::event("order-1", 7);
        change(&mut event);
        let labels = Labels {
            message_type: event.event_type.as_str().into(),
            version: None,
            source: "order-service".into(),
            content_type: "application/json".into(),
            correlation_id: event.correlation_id.as_deref().map(Into::into),
            carried: Carried::default(),
        };
        let destination =
            Destination { exchange: "order.events".into(), routing_key: event.event_type.as_str().into() };
        let headers = own_headers(event.headers.as_deref())?;
        build(1, &event, &labels, destination, b"{}".to_vec(), headers, OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_plain_event_carries_its_own_headers_and_ours() {
        let message =
            build_from(|event| event.headers = Some(r#"{"traceparent":"00-ab","n":1}"#.into())).expect("valid");
        let names: Vec<&str> = message.properties.headers.keys().map(String::as_str).collect();
        assert_eq!(names, ["traceparent", "n", "x-outbox-key", "x-outbox-seq"]);
        assert_eq!(message.properties.timestamp_seconds, Some(1_795_264_496));
        let early = build_from(|event| event.created_at = OffsetDateTime::UNIX_EPOCH - time::Duration::SECOND);
        assert_eq!(early.expect("valid").properties.timestamp_seconds, None, "1969 is not 1970");
    }

    #[test]
    fn a_replayed_event_carries_the_seq_that_it_had_at_first() {
        let first_seq = |replay_id, first_seq| {
            let change = |event: &mut Event| (event.replay_id, event.first_seq) = (replay_id, first_seq);
            build_from(change).expect("valid").properties.headers.get("x-outbox-first-seq").cloned()
        };
        let run = Some(uuid::Uuid::from_u128(1));
        assert_eq!(first_seq(run, Some(3)), Some(3.into()), "a published event got a new one");
        assert_eq!(first_seq(run, None), Some(7.into()), "a dead letter keeps its own");
        assert_eq!(first_seq(None, Some(3)), None, "taken back before it left");
    }

    #[test]
    fn what_cannot_become_a_message_is_refused_with_its_reason() {
        let long = "t".repeat(300);
        let table = format!(r#"{{"h":"{}"}}"#, "y".repeat(200_000));
        let deep = format!("{{\"h\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        type Change = Box<dyn FnOnce(&mut Event)>;
        let cases: Vec<(Change, &str)> = vec![
            (Box::new(move |event| event.event_type = long), "the routing key has 300 bytes"),
            (Box::new(|event| event.headers = Some("[1]".into())), "not a JSON object"),
            (Box::new(move |event| event.headers = Some(table)), "the headers have 2"),
            (Box::new(|event| event.headers = Some(r#"{"CC":["a"]}"#.into())), "'CC' is reserved"),
            (Box::new(|event| event.headers = Some(r#"{"x-death":1}"#.into())), "'x-death' is reserved"),
            (Box::new(|event| event.headers = Some(r#"{"X-Outbox-Seq":1}"#.into())), "is reserved"),
            (Box::new(|event| event.headers = Some(r#"{"n":9223372036854775808}"#.into())), "beyond 64 signed bits"),
            (Box::new(|event| event.headers = Some(r#"{"n":[18446744073709551617]}"#.into())), "beyond 64 signed bits"),
            (Box::new(|event| event.headers = Some(r#"{"n":9007199254740993.0}"#.into())), "more digits than a double"),
            (
                Box::new(|event| event.headers = Some(r#"{"a":["\"1",{"n":0.12345678901234567891}]}"#.into())),
                "more digits",
            ),
            (Box::new(move |event| event.headers = Some(deep)), "nested deeper"),
            (Box::new(|event| event.correlation_id = Some("c".repeat(256))), "the correlation id has 256 bytes"),
        ];
        for (change, expected) in cases {
            let error = build_from(change).expect_err(expected).to_string();
            assert!(error.contains(expected), "'{error}' lacks '{expected}'");
        }
    }

    #[test]
    fn a_number_that_keeps_its_digits_is_taken() {
        let text = r#"{"a":0.1,"b":-1.50e3,"c":9223372036854775807,"d":0.30000000000000004,"e":"0.12345678901234567891","f":0.0,"g":1e18}"#;
        assert_eq!(
            numbers(text).collect::<Vec<_>>(),
            ["0.1", "-1.50e3", "9223372036854775807", "0.30000000000000004", "0.0", "1e18"]
        );
        assert!(build_from(|event| event.headers = Some(text.into())).is_ok());
    }

    #[test]
    fn a_null_payload_is_refused_and_null_headers_are_none() {
        assert_eq!(check_payload(" null ").expect_err("null payload").to_string(), "the payload is null");
        assert_eq!(check_payload("\"null\""), Ok(()));
        assert!(build_from(|event| event.headers = Some("null".into())).is_ok());
    }
}
