//! `schemas/`: one JSON Schema for each event, generated from its type and committed. A change of a type that consumers
//! would notice shows as a change of a file. UPDATE_SCHEMAS=1 writes them.

mod support;

use std::collections::BTreeSet;

use order_domain::{EventType, Payload, schema};
use serde_json::Value;
use support::files::{compare, in_crate};
use support::samples::{life, one_of_each};

fn file(event_type: EventType) -> String {
    format!("{event_type}.json")
}

fn validator(event_type: EventType) -> jsonschema::Validator {
    let schema = schema::schema(event_type);
    jsonschema::validator_for(schema.as_value()).unwrap_or_else(|e| panic!("{event_type} has no valid schema: {e}"))
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    for event_type in EventType::all() {
        let text = serde_json::to_string_pretty(&schema::schema(event_type)).expect("a schema is JSON");
        compare(&format!("schemas/{}", file(event_type)), &format!("{text}\n"));
    }
}

#[test]
fn there_is_no_schema_without_an_event() {
    let expected: BTreeSet<String> = EventType::all().map(file).collect();
    let entries = std::fs::read_dir(in_crate("schemas")).expect("the folder is there");
    let found: BTreeSet<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(found, expected);
}

#[test]
fn every_event_of_a_life_is_valid() {
    for event in life() {
        let payload: Value = serde_json::from_str(&event.payload().to_json()).expect("JSON");
        let validator = validator(event.event_type());
        let errors: Vec<_> = validator.iter_errors(&payload).map(|e| e.to_string()).collect();
        assert_eq!(errors, [""; 0], "{}", event.event_type());
    }
}

#[test]
fn a_schema_asks_for_the_same_fields_as_the_type() {
    for (event_type, event) in one_of_each() {
        let text = event.payload().to_json();
        let Value::Object(payload) = serde_json::from_str(&text).expect("JSON") else { panic!("no object") };
        let validator = validator(event_type);
        for name in payload.keys() {
            let mut without = payload.clone();
            without.shift_remove(name);
            let without = Value::Object(without);
            let is_readable = Payload::from_json(event_type, &without.to_string()).is_ok();
            // What is written is stricter than what is read: `null` is always written where it is meant.
            assert!(is_readable || !validator.is_valid(&without), "{event_type} without {name}");
        }
    }
}

#[test]
fn a_template_is_checked_by_the_type_of_its_notification() {
    let event = &one_of_each()[&EventType::OrderConfirmationNotificationRequested];
    let mut payload: Value = serde_json::from_str(&event.payload().to_json()).expect("JSON");
    let validator = validator(EventType::OrderConfirmationNotificationRequested);
    payload["templateData"]["total"] = "much".into();
    assert!(!validator.is_valid(&payload), "a confirmation has an amount there");
    payload["type"] = "CUSTOM".into();
    assert!(validator.is_valid(&payload), "a custom notification has what it likes");
}

#[test]
fn fields_that_a_later_minor_version_may_have_are_allowed() {
    for (event_type, event) in one_of_each() {
        let mut payload: Value = serde_json::from_str(&event.payload().to_json()).expect("JSON");
        payload["giftWrap"] = true.into();
        assert!(validator(event_type).is_valid(&payload), "{event_type}");
    }
}
