//! The JSON Schema of every answer, from the structs that are printed: written to `docs/json`, compared with what is there.
//!
//! Only for tests: `tests/commands_reading` and `tests/commands_changing` hold every real answer against these files.

use std::fs;
use std::path::Path;

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::commands::{check, dlq, keys, many, purge, replay, routes, status, trace};
use crate::error::ErrorAnswer;

type Answer = fn(&mut SchemaGenerator) -> Schema;

/// Each command, and the answers that it can give.
const COMMANDS: [(&str, &[Answer]); 16] = [
    ("check", &[check::schema]),
    ("status", &[status::schema]),
    ("trace", &[trace::found_schema, trace::missing_schema]),
    ("keys list", &[keys::list::schema]),
    ("keys release", &[keys::change::schema]),
    ("keys dead-letter", &[keys::change::schema]),
    ("routes list", &[routes::list::schema]),
    ("routes hold", &[routes::hold::schema]),
    ("routes release", &[routes::hold::schema]),
    ("dlq list", &[dlq::list_schema]),
    ("dlq show", &[dlq::show_schema]),
    ("dlq discard", &[dlq::discard_schema, many::preview::schema]),
    ("dlq replay", &[replay::audit::schema, many::preview::schema]),
    ("replay runs", &[replay::runs_schema]),
    ("replay cancel", &[replay::cancel_schema]),
    ("replay", &[replay::audit::schema, many::preview::schema, replay::runs_schema]),
];

/// `purge` has two commands with one answer.
const PURGES: [&str; 2] = ["purge published", "purge dead-letters"];

fn schema(answers: &[Answer]) -> String {
    let mut generator = SchemaGenerator::default();
    let parts: Vec<Schema> = answers.iter().map(|answer| answer(&mut generator)).collect();
    let definitions = generator.take_definitions(true);
    let whole = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "anyOf": parts,
        "$defs": definitions,
    });
    serde_json::to_string_pretty(&whole).expect("a schema has only string keys") + "\n"
}

fn hold_against(name: &str, text: &str, wrong: &mut Vec<String>) {
    let file = format!("{}.json", name.replace(' ', "-"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json").join(&file);
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        fs::write(&path, text).unwrap_or_else(|error| panic!("{file}: {error}"));
    } else if fs::read_to_string(&path).unwrap_or_default() != text {
        wrong.push(file);
    }
}

#[test]
fn every_documented_answer_has_its_schema() {
    let mut wrong = Vec::new();
    for (name, answers) in COMMANDS {
        hold_against(name, &schema(answers), &mut wrong);
    }
    for name in PURGES {
        hold_against(name, &schema(&[purge::schema, many::preview::schema]), &mut wrong);
    }
    hold_against("error", &schema(&[|generator| generator.subschema_for::<ErrorAnswer>()]), &mut wrong);
    assert!(wrong.is_empty(), "in docs/json, not what the program prints: {wrong:?}; write them with make docs");
}
