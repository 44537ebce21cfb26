//! `outbox-relay dlq list` and `dlq show`: what is in the dead letters, and why. Change nothing,
//! and show payloads only if asked.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::commands::dlq::group::{self, COUNT_MAX, Group};
use crate::commands::print::words::{count, moment};
use crate::commands::print::{Column, Output, clean, table};
use crate::commands::session::Session;
use crate::commands::state::can_be_sent;
use crate::commands::state::rows::{DeadLetterRow, dead_letter};
use crate::config::dlq::{DlqListConfig, DlqShowConfig};
use crate::error::AppError;
use crate::outbox::time::timestamp;
use crate::postgres::call;
use crate::postgres::call::Param;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct List {
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    at: OffsetDateTime,
    dead_letters: Vec<DeadLetterRow>,
    /// Whether the limit cut the list.
    more: bool,
    /// All that match, counted by reason, type and route; counting stops at `count_max`.
    groups: Vec<Group>,
    count_max: i64,
}

/// One dead letter with everything known about it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Shown {
    #[serde(flatten)]
    letter: DeadLetterRow,
    payload_bytes: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// The original row without its payload. Values are text, because numbers may be larger than
    /// any of our types.
    #[cfg_attr(test, schemars(with = "BTreeMap<String, serde_json::Value>"))]
    original_event: BTreeMap<String, Box<RawValue>>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Told {
    /// Null: it is so now.
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    at: Option<OffsetDateTime>,
    what: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Answer {
    dead_letters: Vec<Shown>,
    history: Vec<Told>,
}

/// Lists dead letters, newest first.
pub(super) async fn list(config: DlqListConfig) -> Result<(), AppError> {
    let session = Session::read(&config.common).await?;
    let selection = &config.selection;
    let rows_max = i64::try_from(config.limit + 1).unwrap_or(i64::MAX);
    let filters = |limit| -> [Param<'_>; 8] {
        [
            (&selection.aggregate_id, Type::TEXT),
            (&selection.event_type, Type::TEXT),
            (&selection.route, Type::TEXT),
            (&selection.reason, Type::TEXT),
            (&selection.since, Type::TEXT),
            (&selection.until, Type::TEXT),
            (&config.all, Type::BOOL),
            (limit, Type::INT8),
        ]
    };
    let (client, queries) = (&session.client, &session.queries);
    let now = call::one(client, "reading the time", &queries.session_facts, &[]).await?;
    let counted_max = COUNT_MAX + 1;
    let groups =
        call::rows(client, "counting dead letters", &queries.group_dead_letters, &filters(&counted_max)).await?;
    let rows = if config.group {
        Vec::new()
    } else {
        call::rows(client, "listing dead letters", &queries.list_dead_letters, &filters(&rows_max)).await?
    };
    let list = List {
        at: now.get("now"),
        dead_letters: rows.iter().take(config.limit).map(dead_letter).collect(),
        more: rows.len() > config.limit,
        groups: groups.iter().map(Group::read).collect(),
        count_max: COUNT_MAX,
    };
    let text = || if config.group { list.groups_text() } else { list.text() };
    let names = || list.dead_letters.iter().map(|letter| letter.dead_letter_id.to_string()).collect();
    Output::new(config.common.format).answer_list(&list, text, names);
    Ok(())
}

/// Shows one dead letter, or all dead letters of one event.
pub(super) async fn show(config: DlqShowConfig) -> Result<(), AppError> {
    let session = Session::read(&config.common).await?;
    let params: [Param<'_>; 3] =
        [(&config.event, Type::TEXT), (&config.dead_letter, Type::INT8), (&config.payload, Type::BOOL)];
    let rows = call::rows(&session.client, "reading a dead letter", &session.queries.show_dead_letter, &params).await?;
    let shown: Vec<Shown> = rows.iter().map(Shown::read).collect();
    let Some(latest) = shown.first() else {
        let id = config.event.or_else(|| config.dead_letter.map(|id| id.to_string())).unwrap_or_default();
        return Err(AppError::No(format!("{id} is not a dead letter; to find an event: outbox-relay trace ID")));
    };
    let event: [Param<'_>; 1] = [(&latest.letter.event_id, Type::UUID)];
    let told =
        call::rows(&session.client, "reading an event's history", &session.queries.event_history, &event).await?;
    let history = told.iter().map(|row| Told { at: row.get("at"), what: row.get("what") }).collect();
    let answer = Answer { dead_letters: shown, history };
    Output::new(config.common.format).answer(&answer, || answer.text());
    Ok(())
}

/// Open, or how it was resolved.
fn state(letter: &DeadLetterRow) -> String {
    let Some(at) = letter.processed_at else { return "open".into() };
    let by = letter.resolved_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    format!("{} {}{by}", letter.resolution.as_deref().unwrap_or("resolved"), timestamp(at))
}

impl List {
    fn groups_text(&self) -> String {
        if self.groups.is_empty() { "no dead letters\n".into() } else { group::text(&self.groups, self.at) }
    }

    fn text(&self) -> String {
        if self.dead_letters.is_empty() {
            return "no dead letters\n".into();
        }
        let cells = |letter: &DeadLetterRow| {
            [
                letter.dead_letter_id.to_string(),
                letter.event_id.to_string(),
                letter.key.clone(),
                letter.event_type.clone(),
                letter.failure_reason.clone(),
                group::routes(&letter.routes_failed),
                moment(letter.dead_lettered_at, self.at),
                short_state(letter),
                letter.last_error.clone().unwrap_or_default(),
            ]
        };
        let columns = [
            Column::Whole("ID"),
            Column::Wide("EVENT"),
            Column::Cut("KEY"),
            Column::Cut("TYPE"),
            Column::Whole("REASON"),
            Column::Cut("ROUTE"),
            Column::Whole("DIED"),
            Column::Whole("STATE"),
            Column::Cut("ERROR"),
        ];
        let mut text = table(columns, self.dead_letters.iter().map(cells));
        let in_all = count(group::total(&self.groups), self.count_max, "dead letter");
        text += &format!("\n{in_all}{}\n", if self.more { "; the newest are shown (--limit)" } else { "" });
        if self.groups.len() > 1 {
            text += "by reason, type and route: outbox-relay dlq list --group\n";
        }
        text
    }
}

/// How it was resolved, in a word.
fn short_state(letter: &DeadLetterRow) -> String {
    letter.processed_at.map_or("open", |_| letter.resolution.as_deref().unwrap_or("resolved")).to_owned()
}

impl Shown {
    fn read(row: &Row) -> Self {
        let mut original_event: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(row.get("original_event")).unwrap_or_default();
        original_event.remove("payload");
        Self {
            letter: dead_letter(row),
            payload_bytes: row.get("payload_bytes"),
            payload: row.get("payload"),
            original_event,
        }
    }

    fn text(&self) -> String {
        let letter = &self.letter;
        let list = |names: &[String]| if names.is_empty() { "none".into() } else { names.join(", ") };
        let optional = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
        let fields = [
            ("dead letter", letter.dead_letter_id.to_string()),
            ("event", letter.event_id.to_string()),
            ("key", letter.key.clone()),
            ("type", letter.event_type.clone()),
            ("aggregate", format!("{} {}", letter.aggregate_type, letter.aggregate_id)),
            ("seq", letter.seq.to_string()),
            ("correlation", optional(&letter.correlation_id)),
            ("created", letter.created_at.map_or_else(|| "-".into(), timestamp)),
            ("died", timestamp(letter.dead_lettered_at)),
            ("reason", letter.failure_reason.clone()),
            ("error", optional(&letter.last_error)),
            ("attempts", letter.attempts.to_string()),
            ("routes that have it", list(&letter.routes_confirmed)),
            ("routes that failed", list(&letter.routes_failed)),
            ("state", state(letter)),
            ("note", optional(&letter.note)),
            (
                "original event",
                self.original_event.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
            ),
            ("payload", format!("{} bytes", self.payload_bytes)),
        ];
        let mut text = String::new();
        for (name, value) in fields {
            text += &format!("{name:<20} {}\n", clean(&value));
        }
        if let Some(payload) = &self.payload {
            text += &format!("{}\n", clean(payload));
        }
        if letter.processed_at.is_none() {
            let id = letter.dead_letter_id;
            text += "next\n";
            if can_be_sent(&letter.failure_reason) {
                text += &format!("      outbox-relay dlq replay --id {id}\n");
            } else {
                text += "  it can never be sent as it is: have the service write a correct event, then write this one off\n";
            }
            text += &format!("      outbox-relay dlq discard --id {id}\n");
        }
        text
    }
}

impl Answer {
    fn text(&self) -> String {
        let mut text = self.dead_letters.iter().map(Shown::text).collect::<Vec<_>>().join("\n");
        text += "\nhistory\n";
        for Told { at, what } in &self.history {
            text += &format!("{:<24} {}\n", at.map_or_else(|| "now".into(), timestamp), clean(what));
        }
        text
    }
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn list_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<List>()
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn show_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Answer>()
}
