//! The routes file as TOML: what its tables may contain, with line numbers. Called by `routes`,
//! which checks the values.
//!
//! Finds every unknown key and every value of the wrong type, not only the first: it removes what
//! the library's error points at, and reads the table again.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeOwned, Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::outbox::carried::NONE;

type Span = Range<usize>;

/// A text and its place in the file.
pub(super) type Text = Spanned<String>;

/// Names in a list, or the word `none`.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a list of names or \"{NONE}\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Names, E> {
        if text == NONE { Ok(Names::default()) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Names, A::Error> {
        let mut all = Vec::new();
        while let Some(name) = names.next_element()? {
            all.push(name);
        }
        Ok(Names(all))
    }
}

/// `[[route]]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub(super) name: Option<Text>,
    pub(super) event_type: Option<Text>,
    pub(super) exchange: Option<Text>,
    pub(super) routing_key: Option<Text>,
    pub(super) envelope: Option<Text>,
    #[serde(rename = "type")]
    pub(super) message_type: Option<Text>,
    pub(super) version: Option<Text>,
    pub(super) source: Option<Text>,
    pub(super) on_unroutable: Option<Text>,
    pub(super) content_type: Option<Text>,
    pub(super) message_headers: Option<Spanned<Names>>,
    pub(super) message_properties: Option<Spanned<Names>>,
    pub(super) partitions: Option<Spanned<i64>>,
    pub(super) queue: Option<Text>,
    #[serde(default)]
    pub(super) allow_headers: Vec<Text>,
    #[serde(default)]
    pub(super) headers: BTreeMap<Text, toml::Value>,
}

impl RouteEntry {
    /// How problems name it: by its name, or by its number in the file.
    pub(super) fn title(&self, number: usize) -> String {
        self.name.as_ref().map_or_else(|| format!("route {number}"), |name| format!("route '{}'", name.get_ref()))
    }
}

/// `[exchanges."name"]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangeEntry {
    pub(super) kind: Option<Text>,
}

/// The file's tables, each with the place where it starts.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) routes: Vec<(usize, RouteEntry)>,
    pub(super) exchanges: Vec<(Text, ExchangeEntry)>,
    /// Problems of the file itself, each with its place.
    pub(super) problems: Vec<(usize, String)>,
}

/// Reads the file's text.
pub(super) fn read(text: &str) -> File {
    let mut file = File::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().unwrap_or(0..0);
        let there = text.get(at.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        let there = if there.is_empty() { String::new() } else { format!(": `{there}`") };
        file.problems.push((at.start, format!("not valid TOML: {}{there}", error.message())));
    }
    if !errors.is_empty() {
        return file;
    }
    for (key, value) in root.into_inner() {
        let at = key.span().start;
        match (&**key.get_ref(), value.into_inner()) {
            ("route", DeValue::Array(entries)) => {
                for entry in entries {
                    let (at, mut problems) = (entry.span().start, Vec::new());
                    let entry: RouteEntry = table(entry, "a route must be a table: [[route]]", &mut problems);
                    let title = entry.title(file.routes.len() + 1);
                    file.problems.extend(problems.into_iter().map(|(at, problem)| (at, format!("{title}: {problem}"))));
                    file.routes.push((at, entry));
                }
            }
            ("exchanges", DeValue::Table(entries)) => {
                for (name, entry) in entries {
                    let name = Spanned::new(name.span(), name.into_inner().into_owned());
                    let entry = table(entry, "an exchange must be a table: [exchanges.\"name\"]", &mut file.problems);
                    file.exchanges.push((name, entry));
                }
            }
            ("route", _) => file.problems.push((at, "'route' must be a list of tables; write [[route]]".to_owned())),
            ("exchanges", _) => {
                file.problems.push((at, "'exchanges' must be a table; write [exchanges.\"name\"]".to_owned()));
            }
            (other, _) => {
                file.problems
                    .push((at, format!("unknown key `{other}`, expected `[[route]]` or `[exchanges.\"name\"]`")));
            }
        }
    }
    file
}

/// Reads one table; reports and skips what does not fit.
fn table<T: DeserializeOwned + Default>(
    value: Spanned<DeValue<'_>>,
    expected: &str,
    problems: &mut Vec<(usize, String)>,
) -> T {
    let span = value.span();
    let DeValue::Table(mut table) = value.into_inner() else {
        problems.push((span.start, expected.to_owned()));
        return T::default();
    };
    loop {
        let value = Spanned::new(span.clone(), DeValue::Table(table.clone()));
        let error = match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => return read,
            Err(error) => error,
        };
        let at = error.span().unwrap_or_else(|| span.clone());
        let message = error.message().replace("unknown field", "unknown key");
        problems.push((at.start, message.lines().collect::<Vec<_>>().join(" ")));
        let before = table.len();
        let is_fine = |key: &Span, value: &Span| !overlap(key, &at) && !overlap(value, &at);
        table = table.into_iter().filter(|(key, value)| is_fine(&key.span(), &value.span())).collect();
        if table.len() == before {
            return T::default();
        }
    }
}

fn overlap(one: &Span, other: &Span) -> bool {
    one.start < other.end && other.start < one.end
}

/// The line number of a place in the text, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
