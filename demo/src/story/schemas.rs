//! The JSON Schemas of the events, as they are committed beside their types.
//!
//! Used by `consumer`. Promises a validator for every event that a document names.

use std::collections::HashMap;
use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

use crate::failure::{Doing, Failure};
use crate::story::documents;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../order-domain/schemas");

pub struct Schemas(HashMap<&'static str, Validator>);

impl Schemas {
    pub fn load() -> Result<Self, Failure> {
        let mut all = HashMap::new();
        let bindings = documents::ALL.iter().flat_map(|document| document.bindings);
        for name in bindings.flat_map(|binding| binding.event_types).copied() {
            let path = Path::new(FOLDER).join(format!("{name}.json"));
            let text = std::fs::read_to_string(&path).doing(&format!("reading {}", path.display()))?;
            let schema: Value = serde_json::from_str(&text).doing(&format!("reading {}", path.display()))?;
            let validator = jsonschema::validator_for(&schema);
            let validator = validator.map_err(|why| Failure::new(format!("{} is no schema: {why}", path.display())))?;
            all.insert(name, validator);
        }
        Ok(Self(all))
    }

    /// Fails where `payload` is none of these events. The reason names a place and a rule, and quotes nothing.
    pub fn check(&self, event_types: &[&str], payload: &Value) -> Result<(), String> {
        let mut first = None;
        for name in event_types {
            match self.0[name].validate(payload) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    first.get_or_insert(format!("payload{} breaks {}", error.instance_path(), error.schema_path()));
                }
            }
        }
        Err(first.unwrap_or_else(|| "there is no schema for it".to_owned()))
    }
}
