//! Holds what a command prints with `--json` against the schema that documents it (`docs/json`). Used by `command`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The longest name wins: `dlq list` before `dlq`, whatever comes after it.
fn schema_of(words: &[String]) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json");
    let names = (1..=words.len()).rev().map(|count| words[..count].join("-"));
    names.map(|name| folder.join(format!("{name}.json"))).find(|path| path.is_file())
}

/// Panics unless there is a schema for the command, and the document is as it says.
#[track_caller]
pub(crate) fn hold_against_schema(words: &[String], document: &Value) {
    let Some(path) = schema_of(words) else { panic!("docs/json has no schema for {words:?}") };
    let text = fs::read_to_string(&path).expect("it is a file");
    let schema: Value = serde_json::from_str(&text).expect("a schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema of docs/json is sound");
    let wrong: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    assert!(wrong.is_empty(), "not as {} says: {wrong:#?}\n{document:#}", path.display());
}
