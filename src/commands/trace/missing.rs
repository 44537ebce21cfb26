//! What "not found" can mean: another schema, published and deleted since, or never committed here,
//! with the evidence for each. Called by `trace`.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::print::next::{Step, Typist, push_next};
use crate::commands::print::words::{count, when};
use crate::commands::print::{Output, clean};
use crate::commands::session::read::{Part, Reader};
use crate::commands::state::rows::{ReplayRow, replay};
use crate::commands::trace::find::{Found, Question, Surroundings};
use crate::error::AppError;
use crate::outbox::time::timestamp;
use crate::postgres::call::Param;
use crate::postgres::queries::Queries;

/// The limit for each look into another schema, and for finding the oldest event.
const EXTRA_LIMIT: Duration = Duration::from_millis(300);

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OtherSchema {
    schema: String,
    /// Null if this role may not read it, or reading took too long.
    events: Option<i64>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OpenTransaction {
    pid: Option<i32>,
    role: Option<String>,
    application_name: Option<String>,
    state: Option<String>,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    since: Option<OffsetDateTime>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Kind {
    NoTables,
    OtherSchema,
    DeletedOrNeverCommitted,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'a> {
    query: &'a str,
    schema: &'a str,
    found: bool,
    kind: Kind,
    other_schemas: Vec<OtherSchema>,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    published_since: Option<OffsetDateTime>,
    open_transactions: Vec<OpenTransaction>,
    hidden_sessions: i64,
    replays: Vec<ReplayRow>,
    notes: Vec<String>,
    next: Vec<Step>,
}

/// Replay runs that sent the events again or name the key.
pub(super) async fn replays(reader: &Reader, found: &Found, question: &Question) -> Result<Vec<ReplayRow>, AppError> {
    let ids: Vec<Uuid> = found
        .events
        .iter()
        .chain(found.letters.iter().map(|(event, _)| event))
        .filter_map(|event| event.replay_id)
        .collect();
    let params: [Param<'_>; 2] = [(&ids, Type::UUID_ARRAY), (&question.text, Type::TEXT)];
    let rows = reader.rows("looking for replays", &reader.session.queries.trace_replays, &params).await?;
    Ok(rows.iter().map(replay).collect())
}

/// The schema has no outbox tables.
pub(super) async fn no_tables(reader: &Reader, question: &Question, output: Output) -> Result<(), AppError> {
    let schema = reader.session.schema.as_str();
    let other_schemas = other_schemas(reader, question).await?;
    let mut next = elsewhere(&other_schemas, question);
    next.push(Typist::new(schema).command(
        "create the tables, if this is the right database and schema",
        &["migrate"],
        None,
    ));
    let document = Document {
        query: &question.text,
        schema,
        found: false,
        kind: Kind::NoTables,
        other_schemas,
        published_since: None,
        open_transactions: Vec::new(),
        hidden_sessions: 0,
        replays: Vec::new(),
        notes: Vec::new(),
        next,
    };
    output.answer(&document, || {
        let mut text = format!("not found: this database has no outbox tables in the schema {schema}\n");
        push_schemas(&mut text, &document);
        push_next(&mut text, &document.next);
        text
    });
    Err(AppError::No(format!("the schema '{schema}' has no outbox tables")))
}

/// The tables exist, but the event does not.
pub(super) async fn nothing_found(
    reader: &Reader,
    question: &Question,
    around: &Surroundings,
    replays: Vec<ReplayRow>,
    notes: Vec<String>,
    output: Output,
) -> Result<(), AppError> {
    let schema = reader.session.schema.as_str();
    let other_schemas = other_schemas(reader, question).await?;
    let published_since = published_since(reader).await?;
    let (open_transactions, hidden_sessions) = open_transactions(reader).await?;
    let mut next = elsewhere(&other_schemas, question);
    let kind = if next.is_empty() { Kind::DeletedOrNeverCommitted } else { Kind::OtherSchema };
    if kind == Kind::DeletedOrNeverCommitted {
        next.push(Step::advice(
            "check the producer's log: was its transaction rolled back, or does it write to another database?",
        ));
        next.push(Typist::new(schema).command(
            "ask again after open transactions have ended",
            &["trace"],
            Some(&question.text),
        ));
    }
    let document = Document {
        query: &question.text,
        schema,
        found: false,
        kind,
        other_schemas,
        published_since,
        open_transactions,
        hidden_sessions,
        replays,
        notes,
        next,
    };
    output.answer(&document, || missing_text(&document, around));
    Err(AppError::No(format!("'{}' was not found in the schema '{schema}'", clean(&question.text))))
}

/// Other schemas with outbox tables, and whether they have what was asked for.
async fn other_schemas(reader: &Reader, question: &Question) -> Result<Vec<OtherSchema>, AppError> {
    let params: [Param<'_>; 1] = [(&reader.session.schema, Type::TEXT)];
    let action = "looking for other schemas";
    let mut found = Vec::new();
    for row in reader.rows(action, &reader.session.queries.other_schemas, &params).await? {
        let schema: String = row.get("schema");
        // Only schemas that `--schema` accepts can be searched.
        let is_ours = schema.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let mut events = None;
        if is_ours && row.get("can_read") {
            let queries = Queries::new(&schema);
            let params: [Param<'_>; 2] = [(&question.text, Type::TEXT), (&question.id, Type::UUID)];
            if let Part::Found(rows) = reader.part(EXTRA_LIMIT, action, &queries.trace_exists, &params).await? {
                events = rows.first().map(|row| row.get("events"));
            }
        }
        found.push(OtherSchema { schema, events });
    }
    Ok(found)
}

fn elsewhere(schemas: &[OtherSchema], question: &Question) -> Vec<Step> {
    let knows = |other: &&OtherSchema| other.events.is_some_and(|events| events > 0);
    schemas
        .iter()
        .filter(knows)
        .map(|other| {
            let to = format!("look in the schema {}, where it is", other.schema);
            Typist::new(&other.schema).command(to, &["trace"], Some(&question.text))
        })
        .collect()
}

/// How far back published events go: the start of an index, which may be slow if dead entries lie
/// before it.
async fn published_since(reader: &Reader) -> Result<Option<OffsetDateTime>, AppError> {
    let sql = &reader.session.queries.oldest_published;
    match reader.part(EXTRA_LIMIT, "looking for the oldest published event", sql, &[]).await? {
        Part::Found(rows) => Ok(rows.first().and_then(|row| row.get("at"))),
        Part::GivenUp => Ok(None),
    }
}

async fn open_transactions(reader: &Reader) -> Result<(Vec<OpenTransaction>, i64), AppError> {
    let sql = &reader.session.queries.open_transactions;
    let rows = reader.rows("looking for open transactions", sql, &[]).await?;
    let hidden = rows.first().map_or(0, |row| row.get("hidden"));
    let transaction = |row: &tokio_postgres::Row| OpenTransaction {
        pid: row.get("pid"),
        role: row.get("role"),
        application_name: row.get("application_name"),
        state: row.get("state"),
        since: row.get("since"),
    };
    Ok((rows.iter().map(transaction).filter(|open| open.since.is_some()).collect(), hidden))
}

fn push_schemas(text: &mut String, document: &Document<'_>) {
    for other in &document.other_schemas {
        let _infallible = match other.events {
            Some(0) => {
                writeln!(text, "\nthe schema {} has an outbox too, but does not have it either", clean(&other.schema))
            }
            Some(events) => writeln!(
                text,
                "\nthe schema {} has it: {} (counting stops at 100 of a kind)",
                clean(&other.schema),
                count(events, i64::MAX, "event")
            ),
            None => {
                writeln!(text, "\nthe schema {} has an outbox too, but this role cannot read it", clean(&other.schema))
            }
        };
    }
}

fn missing_text(document: &Document<'_>, around: &Surroundings) -> String {
    let mut text = format!("not found: {} in schema {}\n", clean(document.query), document.schema);
    push_schemas(&mut text, document);
    let _infallible = match document.published_since {
        Some(at) => writeln!(
            text,
            "\npublished and deleted since? published events go back to about {}; older ones are gone",
            when(at, around.now)
        ),
        None => writeln!(text, "\npublished and deleted since? there are no published events, so it would be gone"),
    };
    for run in &document.replays {
        let by = clean(&run.requested_by);
        let _infallible =
            writeln!(text, "  the replay {} by {by} at {} names it", run.replay_id, timestamp(run.started_at));
    }
    text.push_str("\nnever committed here? an event is visible only after its transaction's COMMIT\n");
    for open in &document.open_transactions {
        let name = clean(open.application_name.as_deref().unwrap_or_default());
        let (role, state) = (open.role.as_deref().unwrap_or("?"), open.state.as_deref().unwrap_or("?"));
        let pid = open.pid.map_or_else(String::new, |pid| format!("pid {pid}, "));
        let since = open.since.map(|since| when(since, around.now)).unwrap_or_default();
        let _infallible = writeln!(text, "  open: {pid}{} as {}, {state}, since {since}", name, clean(role));
    }
    if document.open_transactions.is_empty() {
        text.push_str("  no transaction that this role can see has been open for over 5 s\n");
    }
    if document.hidden_sessions > 0 {
        let hidden = count(document.hidden_sessions, i64::MAX, "session");
        let _infallible =
            writeln!(text, "  {hidden} of other roles hidden from this role (GRANT pg_read_all_stats to see them)");
    }
    for note in &document.notes {
        let _infallible = writeln!(text, "\nnote: {note}");
    }
    push_next(&mut text, &document.next);
    text
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Document<'_>>()
}
