//! JSON Schemas of the payloads, generated from their types. `schemas/` holds them as files; a test compares.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::event::{self, EventType};
use crate::notification::{CancellationTemplate, ConfirmationTemplate, ShippedTemplate};

/// The schema (draft 2020-12) of what the order service sends as the payload of `event_type`. Fields that it does not
/// know are allowed: a later minor version may have them.
pub fn schema(event_type: EventType) -> Schema {
    let mut schema = event::schema_of(event_type, generator());
    if let EventType::NotificationSendRequested | EventType::OrderConfirmationNotificationRequested = event_type {
        add_templates(&mut schema);
    }
    schema.insert("$id".into(), format!("{event_type}/{}.json", event_type.version()).into());
    schema
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// What the template is filled in with depends on the type of the notification.
fn add_templates(schema: &mut Schema) {
    let mut generator = generator();
    let templates = [
        ("ORDER_CONFIRMATION", reference::<ConfirmationTemplate>(&mut generator)),
        ("ORDER_CANCELLATION", reference::<CancellationTemplate>(&mut generator)),
        ("ORDER_SHIPPED", reference::<ShippedTemplate>(&mut generator)),
    ];
    let rules = templates.map(|(name, template)| {
        json!({
            "if": { "properties": { "type": { "const": name } } },
            "then": { "properties": { "templateData": template } }
        })
    });
    let more = generator.take_definitions(true);
    let definitions = schema.ensure_object().entry("$defs").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(definitions) = definitions {
        definitions.extend(more);
    }
    schema.insert("allOf".into(), Value::Array(rules.into()));
}

fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().into()
}
