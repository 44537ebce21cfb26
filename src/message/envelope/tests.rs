//! The envelopes against the seed documents' own examples (`tests/routes/golden`), and the payload byte for byte.

use serde_json::{Map, Value, json};
use time::macros::datetime;
use uuid::{Uuid, uuid};

use crate::message::envelope::{render, with_attributes};
use crate::outbox::carried::Carried;
use crate::outbox::event::{Event, Payload};
use crate::outbox::fixtures;
use crate::outbox::labels::{Envelope, Labels};

const ID: Uuid = uuid!("f47ac10b-58cc-4372-a567-0e02b2c3d479");

fn labels(envelope: Envelope, event: &Event, message_type: &str, source: &str) -> Labels {
    Labels {
        message_type: message_type.into(),
        version: None,
        source: source.into(),
        content_type: envelope.content_type().into(),
        correlation_id: envelope.correlation_id(event).map(Into::into),
        carried: Carried::default(),
    }
}

/// What the message stage reads of the row.
fn own_headers(event: &Event) -> Map<String, Value> {
    event.headers.as_deref().map_or_else(Map::new, |text| serde_json::from_str(text).expect("an object"))
}

fn body(envelope: Envelope, event: &Event, message_type: &str, source: &str) -> String {
    let Payload::Text(text) = &event.payload else { panic!("the payload is there") };
    let body = render(envelope, event, text, &labels(envelope, event, message_type, source), &own_headers(event));
    String::from_utf8(body).expect("utf-8")
}

/// An event that carries the `field` of a seed document's example as its payload.
fn event_of(seed: &Value, field: &str, aggregate: (&str, &str)) -> Event {
    let mut event = fixtures::event(aggregate.1, 7);
    event.id = ID;
    event.aggregate_type = aggregate.0.into();
    event.payload = Payload::Text(seed[field].to_string());
    event.created_at = datetime!(2023-11-21 12:34:56.789 UTC);
    event
}

/// Compares fields, their order and their values; the documents are indented, messages are not.
fn assert_is(body: &str, seed: &Value) {
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body.to_string(), seed.to_string());
}

#[test]
fn standard_is_the_example_of_seed_003() {
    let seed: Value = serde_json::from_str(include_str!("../../../tests/routes/golden/seed-003.json")).expect("JSON");
    let mut event = event_of(&seed, "payload", ("Order", "order-abc-123"));
    event.correlation_id = Some("corr-12345678-1234-1234-1234-123456789012".into());
    assert_is(&body(Envelope::Standard, &event, "OrderCreatedEvent", "OrderService"), &seed);
}

#[test]
fn domain_is_the_example_of_seed_000_around_its_payload() {
    let seed: Value = serde_json::from_str(include_str!("../../../tests/routes/golden/seed-000.json")).expect("JSON");
    let order = seed["data"]["orderId"].as_str().expect("an order").to_owned();
    let event = event_of(&seed, "data", ("Order", &order));
    assert_is(&body(Envelope::Domain, &event, "notification.send_requested", "order-service"), &seed);
}

#[test]
fn domain_is_the_example_of_seed_004_with_the_request_as_the_correlation_id() {
    let seed: Value = serde_json::from_str(include_str!("../../../tests/routes/golden/seed-004.json")).expect("JSON");
    let mut event = event_of(&seed, "data", ("Product", "e8acc97f-c204-4c53-9c33-5d91a1061618"));
    event.correlation_id = seed["correlationId"].as_str().map(str::to_owned);
    assert_is(&body(Envelope::Domain, &event, "product.details_requested", "order-service"), &seed);
}

#[test]
fn aggregate_is_the_example_of_seed_001() {
    let mut seed: Value =
        serde_json::from_str(include_str!("../../../tests/routes/golden/seed-001.json")).expect("JSON");
    let mut event = event_of(&seed, "payload", ("Allocation", "alloc_01NXYZ901EFG"));
    event.correlation_id = Some("ord_01OXYZ012HIJ".into());
    event.created_at = datetime!(2023-05-23 11:30:00 UTC);
    // The document's id is no UUID, and its time has no milliseconds; ours always are and have.
    seed["eventId"] = json!(ID.to_string());
    seed["timestamp"] = json!("2023-05-23T11:30:00.000Z");
    assert_is(&body(Envelope::Aggregate, &event, "AllocationCreated", "inventory-service"), &seed);
}

#[test]
fn cloudevents_has_the_attributes_of_its_specification() {
    let mut event = fixtures::event("order-1", 7);
    (event.id, event.partition_key) = (ID, Some("customer-1".into()));
    let without = body(Envelope::CloudEvents, &event, "order.created", "order-service");
    assert_eq!(
        without,
        "{\"specversion\":\"1.0\",\"id\":\"f47ac10b-58cc-4372-a567-0e02b2c3d479\",\"source\":\"order-service\",\
         \"type\":\"order.created\",\"subject\":\"order-1\",\"time\":\"2026-11-21T12:34:56.789Z\",\
         \"datacontenttype\":\"application/json\",\"dataversion\":\"1.0\",\"partitionkey\":\"customer-1\",\
         \"data\":{\"orderId\":\"1\"}}"
    );
    event.correlation_id = Some("c-1".into());
    let with: Value =
        serde_json::from_str(&body(Envelope::CloudEvents, &event, "order.created", "order-service")).expect("JSON");
    assert_eq!(with["correlationid"], "c-1");
    for name in with.as_object().expect("an object").keys() {
        let is_plain = name.len() <= 20 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        assert!(is_plain, "CloudEvents attributes are lower-case letters and digits: {name}");
    }
}

#[test]
fn cloudevents_carries_the_trace_in_its_body_and_the_binary_mode_its_attributes_in_headers() {
    let mut event = fixtures::event("order-1", 7);
    event.id = ID;
    event.headers = Some(r#"{"traceparent":"00-ab-cd-01","tracestate":"k=v","region":"eu"}"#.into());
    let structured: Value =
        serde_json::from_str(&body(Envelope::CloudEvents, &event, "order.created", "order-service")).expect("JSON");
    assert_eq!((&structured["traceparent"], &structured["tracestate"]), (&json!("00-ab-cd-01"), &json!("k=v")));
    assert_eq!(structured.get("region"), None, "other headers are no attributes");
    let labels = labels(Envelope::CloudEventsBinary, &event, "order.created", "order-service");
    let headers = with_attributes(Envelope::CloudEventsBinary, own_headers(&event), &event, &labels);
    // The same attributes with the same values; datacontenttype is a property, data the body.
    for (name, value) in structured.as_object().expect("an object") {
        if !["datacontenttype", "data"].contains(&name.as_str()) {
            assert_eq!(headers.get(&format!("cloudEvents_{name}")), Some(value), "{name}");
        }
    }
    assert_eq!(body(Envelope::CloudEventsBinary, &event, "order.created", "order-service"), "{\"orderId\":\"1\"}");
    assert_eq!(&*labels.content_type, "application/json");
}

#[test]
fn every_envelope_passes_the_payload_on_byte_for_byte() {
    let payload = "{\"price\": 50.00,  \"tax\":79.5,\"big\":9007199254740993,\"z\":1e400,\"a\":\"ü\\u00fc 漢字 🚚\",\"a\":2,\n \"b\":[ ]}";
    for envelope in Envelope::ALL {
        let mut event = fixtures::event("order-1", 7);
        event.payload = Payload::Text(payload.into());
        let body = body(envelope, &event, "t", "s");
        assert_eq!(body.matches(payload).count(), 1, "{envelope:?}: {body}");
    }
    assert_eq!(
        render(
            Envelope::Raw,
            &fixtures::event("k", 1),
            " [1, 2] ",
            &labels(Envelope::Raw, &fixtures::event("k", 1), "t", "s"),
            &Map::new()
        ),
        b" [1, 2] "
    );
}

#[test]
fn a_row_without_a_correlation_id_has_none_or_its_aggregates() {
    let mut event = fixtures::event("order-1", 7);
    event.partition_key = Some("customer-1".into());
    let value = |envelope| -> Value { serde_json::from_str(&body(envelope, &event, "t", "s")).expect("JSON") };
    assert_eq!(value(Envelope::Standard).get("correlationId"), None);
    assert_eq!(value(Envelope::CloudEvents).get("correlationid"), None);
    assert_eq!(value(Envelope::Domain)["correlationId"], "order-1");
    assert_eq!(value(Envelope::Aggregate)["metadata"]["correlationId"], "order-1");
}

#[test]
fn the_routes_version_overrules_the_rows_and_texts_are_escaped() {
    let mut event = fixtures::event("order-\"1\"\n", 7);
    event.event_version = Some("1.1".into());
    let mut labels = labels(Envelope::Aggregate, &event, "t", "s");
    let version = |envelope, labels: &Labels, name: &str| {
        let body: Value = serde_json::from_slice(&render(envelope, &event, "{}", labels, &Map::new())).expect("JSON");
        body[name].as_str().map(str::to_owned)
    };
    assert_eq!(version(Envelope::Aggregate, &labels, "eventVersion").as_deref(), Some("1.1.0"));
    assert_eq!(version(Envelope::Domain, &labels, "dataVersion").as_deref(), Some("1.1"));
    labels.version = Some("2.0".into());
    assert_eq!(version(Envelope::Standard, &labels, "messageVersion").as_deref(), Some("2.0"));
    assert_eq!(version(Envelope::Standard, &labels, "partitionKey").as_deref(), Some("order-\"1\"\n"));
}
