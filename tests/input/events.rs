//! From a row to its messages: every row becomes messages within the limits of the wire, or is refused with a reason.

use std::collections::BTreeMap;

use outbox_relay::message::amqp::table_bytes;
use outbox_relay::message::render;
use outbox_relay::outbox::broker::Message;
use outbox_relay::outbox::carried::Carried;
use outbox_relay::outbox::destination::OnUnroutable;
use outbox_relay::outbox::event::{Event, Payload};
use outbox_relay::outbox::labels::Envelope;
use outbox_relay::outbox::limits::{HEADERS_BYTES_MAX, SHORT_STRING_BYTES_MAX};
use outbox_relay::outbox::outcome::Fate;
use outbox_relay::outbox::route::Route;
use outbox_relay::outbox::route::RouteTable;
use outbox_relay::outbox::template::Template;
use outbox_relay::rabbitmq::wire;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::input::any::{AnyRow, claimed, row, text};

const LIMIT: usize = 1 << 20;

/// As a claim hands it over, with an id that is its seq's.
fn event(row: &AnyRow, seq: i64) -> Event {
    claimed(row, Uuid::from_u128(u128::from(seq.unsigned_abs()) << 64 | 7), seq)
}

/// A table with one route for every type, of this envelope and routing key.
fn table(envelope: Envelope, routing_key: &str, headers: Map<String, Value>) -> RouteTable {
    let route = Route {
        name: "any".into(),
        event_type: None,
        exchange: "order.events".into(),
        routing_key: Template::parse(routing_key).expect("a good template"),
        envelope,
        message_type: None,
        version: None,
        source: "order-service".into(),
        on_unroutable: OnUnroutable::DeadLetter,
        allow_headers: Vec::new(),
        headers,
        header_templates: Vec::new(),
        content_type: None,
        carried: Carried::default(),
        queues: None,
    };
    RouteTable::new(vec![route], "0123")
}

const KEYS: [&str; 6] = ["{event_type}", "{aggregate_type}.{aggregate_id}", "{key}", "plain", "{header.a}", ""];

fn assert_within_limits(message: &Message) -> Result<(), TestCaseError> {
    let properties = &message.properties;
    let short = |text: &str| text.len() <= SHORT_STRING_BYTES_MAX && !text.contains('\0');
    prop_assert!(short(&message.destination.exchange) && short(&message.destination.routing_key));
    prop_assert!(short(&properties.message_type) && short(&properties.app_id) && short(&properties.content_type));
    prop_assert!(properties.correlation_id.as_deref().is_none_or(short));
    prop_assert!(table_bytes(&properties.headers) <= HEADERS_BYTES_MAX);
    let frame = wire::frame(message).map_err(|error| TestCaseError::fail(format!("does not fit the wire: {error}")))?;
    prop_assert_eq!(frame.identity.message_id, Some(message.event_id));
    Ok(())
}

/// The field of each envelope that holds the payload.
fn field(envelope: Envelope) -> Option<&'static str> {
    match envelope {
        Envelope::Standard | Envelope::Aggregate => Some("payload"),
        Envelope::Domain | Envelope::CloudEvents => Some("data"),
        Envelope::Raw | Envelope::CloudEventsBinary => None,
    }
}

fn assert_embeds(body: &[u8], envelope: Envelope, payload: &str) -> Result<(), TestCaseError> {
    let body = std::str::from_utf8(body).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let Some(field) = field(envelope) else {
        prop_assert_eq!(body, payload);
        return Ok(());
    };
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(body).map_err(|error| TestCaseError::fail(format!("no JSON object: {error}")))?;
    let json_space: &[char] = &[' ', '\t', '\n', '\r'];
    prop_assert_eq!(fields[field].get(), payload.trim_matches(json_space));
    prop_assert!(body.contains(&format!("\"{field}\":{payload}")), "the payload is not byte for byte in it");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_row_becomes_a_message_within_the_limits_of_the_wire_or_is_refused(
        row in row(), envelope in 0usize..Envelope::ALL.len(), key in 0usize..KEYS.len(), seq in any::<i64>(),
    ) {
        let envelope = Envelope::ALL[envelope];
        let event = event(&row, seq);
        match render(&table(envelope, KEYS[key], Map::new()), &event, LIMIT, OffsetDateTime::UNIX_EPOCH) {
            Ok(messages) => {
                prop_assert_eq!(messages.len(), 1);
                assert_within_limits(&messages[0].1)?;
                assert_embeds(&messages[0].1.body, envelope, &row.payload)?;
            }
            Err(Fate::Invalid { error }) => prop_assert!(!error.is_empty() && error.len() < 2_000, "{}", error),
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_payload_of_any_size_over_the_limit_is_refused_with_its_size(row in row(), bytes in any::<u32>()) {
        let event = Event { payload: Payload::TooLarge(bytes as usize), ..event(&row, 1) };
        let fate = render(&table(Envelope::Raw, "k", Map::new()), &event, LIMIT, OffsetDateTime::UNIX_EPOCH);
        match fate {
            Err(Fate::TooLarge { bytes: found, limit }) => prop_assert_eq!((found, limit), (bytes as usize, LIMIT)),
            Err(Fate::Invalid { .. }) => prop_assert!(event.defect.is_some()),
            other => prop_assert!(false, "{:?}", other.map(|messages| messages.len())),
        }
    }

    #[test]
    fn a_template_fills_in_or_says_why_not_and_knows_what_it_may_render(
        row in row(), pieces in proptest::collection::vec(prop_oneof![
            Just("{event_type}".to_owned()), Just("{aggregate_id}".to_owned()), Just("{key}".to_owned()),
            Just("{header.a}".to_owned()), "[a-z.]{0,3}", text(20).prop_map(|text| text.replace(['{', '}'], "")),
        ], 0..5),
    ) {
        let template = Template::parse(&pieces.concat()).expect("its braces are in pairs");
        let headers = Map::from_iter([("a".to_owned(), Value::from("h.1"))]);
        let key = template.render(&event(&row, 1), &headers).expect("every field is there");
        prop_assert!(template.may_render(&key), "{:?} renders {:?} and denies it", template, key);
    }

    #[test]
    fn reading_a_template_never_panics(text in "\\PC{0,40}|[{}a-z._]{0,30}") {
        if let Ok(template) = Template::parse(&text) {
            prop_assert_eq!(template.to_string(), text);
        }
    }
}
