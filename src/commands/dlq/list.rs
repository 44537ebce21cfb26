//! `outbox-relay dlq list` and `dlq show`: what is in the dead letters, and why. Change nothing,
//! and show payloads only if asked.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::commands::print::{Output, clean, table};
use crate::commands::session::Session;
use crate::config::dlq::{DlqListConfig, DlqShowConfig};
use crate::error::AppError;
use crate::postgres::call;
use crate::postgres::call::Param;

#[derive(Serialize)]
struct Listed {
    dead_letter: i64,
    event: String,
    key: String,
    event_type: String,
    reason: String,
    error: Option<String>,
    attempts: i32,
    routes_confirmed: Vec<String>,
    routes_failed: Vec<String>,
    dead_lettered_at: String,
    resolution: Option<String>,
    resolved_at: Option<String>,
    resolved_by: Option<String>,
    note: Option<String>,
}

#[derive(Serialize)]
struct List {
    dead_letters: Vec<Listed>,
    /// Whether the limit cut the list.
    more: bool,
}

/// One dead letter with everything known about it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    letter: Listed,
    seq: i64,
    aggregate_type: String,
    aggregate_id: String,
    correlation_id: Option<String>,
    created_at: Option<String>,
    replay: Option<String>,
    payload_bytes: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// The original row without its payload. Values are text, because numbers may be larger than
    /// any of our types.
    original_event: BTreeMap<String, Box<RawValue>>,
}

#[derive(Serialize)]
struct Told {
    at: Option<String>,
    what: String,
}

#[derive(Serialize)]
struct Answer {
    dead_letters: Vec<Shown>,
    history: Vec<Told>,
}

/// Lists dead letters, newest first.
pub(super) async fn list(config: DlqListConfig) -> Result<(), AppError> {
    let session = Session::read(&config.common).await?;
    let selection = &config.selection;
    let rows_max = i64::try_from(config.limit + 1).unwrap_or(i64::MAX);
    let params: [Param<'_>; 8] = [
        (&selection.aggregate_id, Type::TEXT),
        (&selection.event_type, Type::TEXT),
        (&selection.route, Type::TEXT),
        (&selection.reason, Type::TEXT),
        (&selection.since, Type::TEXT),
        (&selection.until, Type::TEXT),
        (&config.all, Type::BOOL),
        (&rows_max, Type::INT8),
    ];
    let rows = call::rows(&session.client, "listing dead letters", &session.queries.list_dead_letters, &params).await?;
    let more = rows.len() > config.limit;
    let list = List { dead_letters: rows.iter().take(config.limit).map(Listed::read).collect(), more };
    Output::new(config.common.json).answer(&list, || list.text());
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
    let event: [Param<'_>; 1] = [(&latest.letter.event, Type::TEXT)];
    let told =
        call::rows(&session.client, "reading an event's history", &session.queries.event_history, &event).await?;
    let history = told.iter().map(|row| Told { at: row.get("at"), what: row.get("what") }).collect();
    let answer = Answer { dead_letters: shown, history };
    Output::new(config.common.json).answer(&answer, || answer.text());
    Ok(())
}

impl Listed {
    fn read(row: &Row) -> Self {
        Self {
            dead_letter: row.get("dead_letter_id"),
            event: row.get("event_id"),
            key: row.get("key"),
            event_type: row.get("event_type"),
            reason: row.get("failure_reason"),
            error: row.get("last_error"),
            attempts: row.get("attempts"),
            routes_confirmed: row.get("routes_confirmed"),
            routes_failed: row.get("routes_failed"),
            dead_lettered_at: row.get("dead_lettered_at"),
            resolution: row.get("resolution"),
            resolved_at: row.get("processed_at"),
            resolved_by: row.get("resolved_by"),
            note: row.get("note"),
        }
    }

    /// Open, or how it was resolved.
    fn state(&self) -> String {
        match (&self.resolution, &self.resolved_at) {
            (resolution, Some(at)) => {
                let by = self.resolved_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                format!("{} {at}{by}", resolution.as_deref().unwrap_or("resolved"))
            }
            (_, None) => "open".into(),
        }
    }
}

impl List {
    fn text(&self) -> String {
        if self.dead_letters.is_empty() {
            return "no dead letters\n".into();
        }
        let cells = |letter: &Listed| {
            [
                letter.dead_letter.to_string(),
                letter.event.clone(),
                letter.key.clone(),
                letter.event_type.clone(),
                letter.reason.clone(),
                letter.dead_lettered_at.clone(),
                letter.state(),
                letter.error.clone().unwrap_or_default(),
            ]
        };
        let header = ["ID", "EVENT", "KEY", "TYPE", "REASON", "DIED", "STATE", "ERROR"];
        let mut text = table(header, self.dead_letters.iter().map(cells));
        if self.more {
            text += "there are more; use --limit to see them\n";
        }
        text
    }
}

impl Shown {
    fn read(row: &Row) -> Self {
        let mut original_event: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(row.get("original_event")).unwrap_or_default();
        original_event.remove("payload");
        Self {
            letter: Listed::read(row),
            seq: row.get("seq"),
            aggregate_type: row.get("aggregate_type"),
            aggregate_id: row.get("aggregate_id"),
            correlation_id: row.get("correlation_id"),
            created_at: row.get("created_at"),
            replay: row.get("replay_id"),
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
            ("dead letter", letter.dead_letter.to_string()),
            ("event", letter.event.clone()),
            ("key", letter.key.clone()),
            ("type", letter.event_type.clone()),
            ("aggregate", format!("{} {}", self.aggregate_type, self.aggregate_id)),
            ("seq", self.seq.to_string()),
            ("correlation", optional(&self.correlation_id)),
            ("created", optional(&self.created_at)),
            ("died", letter.dead_lettered_at.clone()),
            ("reason", letter.reason.clone()),
            ("error", optional(&letter.error)),
            ("attempts", letter.attempts.to_string()),
            ("routes that have it", list(&letter.routes_confirmed)),
            ("routes that failed", list(&letter.routes_failed)),
            ("state", letter.state()),
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
        if letter.resolved_at.is_none() {
            let id = letter.dead_letter;
            text += &format!("next: outbox-relay dlq replay --id {id}   or   outbox-relay dlq discard --id {id}\n");
        }
        text
    }
}

impl Answer {
    fn text(&self) -> String {
        let mut text = self.dead_letters.iter().map(Shown::text).collect::<Vec<_>>().join("\n");
        text += "\nhistory\n";
        for Told { at, what } in &self.history {
            text += &format!("{:<20} {}\n", at.as_deref().unwrap_or("now"), clean(what));
        }
        text
    }
}
