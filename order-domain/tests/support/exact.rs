//! JSON compared by value with exact numbers, without the crate under test: 50.00 equals 50.0, and 0.1 is no double.

use std::collections::BTreeMap;
use std::fmt;

use rust_decimal::Decimal;
use serde_json::value::RawValue;

/// A JSON value whose numbers are decimals.
#[derive(Clone, PartialEq)]
pub enum Exact {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    List(Vec<Exact>),
    Object(BTreeMap<String, Exact>),
}

impl Exact {
    /// Reads JSON text; `//` comments outside of texts are left out.
    pub fn parse(text: &str) -> Self {
        let text = without_comments(text);
        Self::read(text.trim())
    }

    fn read(text: &str) -> Self {
        let read = |e: serde_json::Error| panic!("not JSON ({e}): {text}");
        match text.as_bytes().first() {
            Some(b'{') => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_else(read);
                Self::Object(fields.into_iter().map(|(name, value)| (name, Self::read(value.get()))).collect())
            }
            Some(b'[') => {
                let values: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
                Self::List(values.into_iter().map(|value| Self::read(value.get())).collect())
            }
            Some(b'"') => Self::Text(serde_json::from_str(text).expect("a JSON text")),
            Some(b't' | b'f') => Self::Bool(text == "true"),
            Some(b'n') => Self::Null,
            _ => Self::Number(Decimal::from_str_exact(text).unwrap_or_else(|e| panic!("not a number ({e}): {text}"))),
        }
    }

    /// The value at `name`.
    pub fn at(&self, name: &str) -> &Self {
        match self {
            Self::Object(fields) => fields.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")),
            other => panic!("no object, so no {name}: {other:?}"),
        }
    }

    /// Where `self` does not say all that `expected` says. Lists must be of one length.
    pub fn lacks(&self, expected: &Self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect_lacks(expected, "$", &mut found);
        found
    }

    fn collect_lacks(&self, expected: &Self, path: &str, found: &mut Vec<String>) {
        match (self, expected) {
            (Self::Object(ours), Self::Object(theirs)) => {
                for (name, value) in theirs {
                    let path = format!("{path}.{name}");
                    match ours.get(name) {
                        Some(our) => our.collect_lacks(value, &path, found),
                        None => found.push(format!("{path} is missing")),
                    }
                }
            }
            (Self::List(ours), Self::List(theirs)) if ours.len() == theirs.len() => {
                for (place, (our, their)) in ours.iter().zip(theirs).enumerate() {
                    our.collect_lacks(their, &format!("{path}[{place}]"), found);
                }
            }
            (our, their) if our == their => {}
            (our, their) => found.push(format!("{path} is {our:?}, not {their:?}")),
        }
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(values) => f.debug_list().entries(values).finish(),
            Self::Object(fields) => f.debug_map().entries(fields).finish(),
        }
    }
}

/// The text without `//` comments; those within JSON texts are none.
pub fn without_comments(text: &str) -> String {
    let strip = |line: &str| {
        let (mut inside, mut escaped) = (false, false);
        for (at, c) in line.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if inside => escaped = true,
                '"' => inside = !inside,
                '/' if !inside && line[at..].starts_with("//") => return line[..at].to_owned(),
                _ => {}
            }
        }
        line.to_owned()
    };
    text.lines().map(strip).collect::<Vec<_>>().join("\n")
}
