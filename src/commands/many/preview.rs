//! The preview of a change of many rows: how many, a sample, and the consequences.
//!
//! Used by `replay`, `dlq replay`, `dlq discard` and `purge`, and the answer of their `--dry-run`.
//! Never shows payloads.

use serde::Serialize;
use tokio_postgres::Row;

use crate::commands::print::{Column, table};

/// The most rows that are checked for later events of their keys.
pub(crate) const LOOKED_AT_MAX: usize = 1_000;
/// The most rows that are shown.
const SHOWN: usize = 5;

/// The preview.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Preview {
    /// For example `replay`.
    pub action: &'static str,
    /// Rows that match.
    pub matched: usize,
    /// Whether more match than were counted.
    pub more: bool,
    /// How many of the first rows have a later event of their key already published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overtaken: Option<Overtaken>,
    /// A few of them.
    pub sample: Vec<SampleRow>,
    /// The consequences.
    pub consequences: Vec<String>,
}

/// How many rows consumers would see after later events of the same key.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Overtaken {
    /// Rows with a later event published.
    pub events: usize,
    /// How many rows were checked.
    pub looked_at: usize,
}

/// One row, without its payload.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SampleRow {
    /// The event's id, or the dead letter's.
    pub id: String,
    /// Its key.
    pub key: String,
    /// Its type.
    pub event_type: String,
    /// Dead letters: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was published or dead-lettered.
    pub at: Option<String>,
}

impl SampleRow {
    /// Reads the columns that all sample queries have.
    pub(crate) fn read(row: &Row) -> Self {
        Self {
            id: row.get("id"),
            key: row.get("key"),
            event_type: row.get("event_type"),
            reason: row.get("reason"),
            at: row.get("at"),
        }
    }
}

/// The first few rows.
pub(crate) fn sample(rows: &[Row]) -> Vec<SampleRow> {
    rows.iter().take(SHOWN).map(SampleRow::read).collect()
}

/// Counts the rows that have a later event of their key already published.
pub(crate) fn overtaken(rows: &[Row]) -> Overtaken {
    Overtaken { events: rows.iter().filter(|row| row.get("later")).count(), looked_at: rows.len() }
}

impl Preview {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let more = if self.more { "more than " } else { "" };
        let (action, matched) = (self.action, self.matched);
        let mut text = format!("{action}: {more}{matched} {}\n\n", if matched == 1 { "matches" } else { "match" });
        let cells = |row: &SampleRow| {
            let (reason, at) = (row.reason.clone().unwrap_or_default(), row.at.clone().unwrap_or_default());
            [row.id.clone(), row.key.clone(), row.event_type.clone(), reason, at]
        };
        text += &table(
            [
                Column::Whole("ID"),
                Column::Cut("KEY"),
                Column::Cut("TYPE"),
                Column::Whole("REASON"),
                Column::Whole("AT"),
            ],
            self.sample.iter().map(cells),
        );
        if matched > self.sample.len() {
            text += &format!("and {} more\n", matched - self.sample.len());
        }
        text.push('\n');
        for consequence in &self.consequences {
            text += &format!("- {consequence}\n");
        }
        text
    }
}

impl Overtaken {
    /// In words.
    pub(crate) fn words(self, matched: usize) -> String {
        let of = if self.looked_at < matched { format!("of the first {}", self.looked_at) } else { "of these".into() };
        match self.events {
            0 => format!("order: {of}, none has a later event of its key already published"),
            events => format!(
                "order: {of}, {events} {} a later event of the key already published; consumers see the old one after it",
                if events == 1 { "has" } else { "have" }
            ),
        }
    }
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Preview>()
}
