//! What `trace` prints if it finds something: one screen for people, one document for scripts. The
//! command's help explains the fields.

use std::fmt::Write as _;

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::commands::print::next::{Step, push_next};
use crate::commands::print::words::{count, distance, lag, when};
use crate::commands::print::{Column, Output, clean, table};
use crate::commands::state::facts::{Ahead, Judged, State};
use crate::commands::state::relays::RelayRow;
use crate::commands::state::rows::{DeadLetterRow, EventRow, ReplayRow};
use crate::commands::trace::find::{Found, PENDING_MAX, PUBLISHED_MAX, Question, Surroundings};
use crate::outbox::time::timestamp;

/// The most relays that the text names; the JSON has all.
const RELAYS_SHOWN: usize = 5;

/// One event of the answer.
pub(super) struct Entry {
    /// The event.
    pub event: EventRow,
    /// Its state.
    pub judged: Judged,
    /// Its dead letters, oldest first.
    pub letters: Vec<DeadLetterRow>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'a> {
    query: &'a str,
    schema: &'a str,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    at: OffsetDateTime,
    found: bool,
    pending: i64,
    published: i64,
    dead_lettered: i64,
    events_not_shown: i64,
    events: Vec<EventDocument<'a>>,
    replays: &'a [ReplayRow],
    relays: &'a [RelayRow],
    notes: &'a [String],
    next: &'a [Step],
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct EventDocument<'a> {
    event_id: Uuid,
    seq: i64,
    key: &'a str,
    aggregate_type: &'a str,
    aggregate_id: &'a str,
    event_type: &'a str,
    correlation_id: Option<&'a str>,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    created_at: OffsetDateTime,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    published_at: Option<OffsetDateTime>,
    /// Before replays sent it again.
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    first_published_at: Option<OffsetDateTime>,
    state: State,
    headline: &'a str,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    since: OffsetDateTime,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    until: Option<OffsetDateTime>,
    why: &'a str,
    ahead: Option<&'a Ahead>,
    may_arrive_twice: bool,
    replay_id: Option<Uuid>,
    only_routes: Option<&'a [String]>,
    dead_letters: &'a [DeadLetterRow],
    payload_bytes: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    next: &'a [Step],
}

/// Prints the answer.
#[expect(clippy::too_many_arguments, reason = "the parts of one answer, put together once")]
pub(super) fn answer(
    question: &Question,
    schema: &str,
    is_one_event: bool,
    entries: Vec<Entry>,
    found: &Found,
    around: &Surroundings,
    replays: Vec<ReplayRow>,
    output: Output,
) {
    let next = steps(&entries, is_one_event);
    let shown = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    let in_all = found.pending + found.published + found.dead_lettered;
    let not_shown = if is_one_event { 0 } else { (in_all - shown).max(0) };
    let document = Document {
        query: &question.text,
        schema,
        at: around.now,
        found: true,
        pending: found.pending,
        published: found.published,
        dead_lettered: found.dead_lettered,
        events_not_shown: not_shown,
        events: entries.iter().map(event_document).collect(),
        replays: &replays,
        relays: &around.relays,
        notes: &found.notes,
        next: &next,
    };
    output.answer(&document, || text(&document, &entries, is_one_event, question));
}

fn event_document(entry: &Entry) -> EventDocument<'_> {
    let (event, judged) = (&entry.event, &entry.judged);
    EventDocument {
        event_id: event.id,
        seq: event.seq,
        key: &event.key,
        aggregate_type: &event.aggregate_type,
        aggregate_id: &event.aggregate_id,
        event_type: &event.event_type,
        correlation_id: event.correlation_id.as_deref(),
        created_at: event.created_at,
        published_at: event.published_at,
        first_published_at: event.first_published_at,
        state: judged.state,
        headline: &judged.headline,
        since: judged.since,
        until: judged.until,
        why: &judged.why,
        ahead: judged.ahead.as_ref(),
        may_arrive_twice: may_arrive_twice(entry),
        replay_id: event.replay_id,
        only_routes: event.only_routes.as_deref(),
        dead_letters: &entry.letters,
        payload_bytes: event.payload_bytes,
        payload: event.payload.as_deref(),
        next: &judged.next,
    }
}

/// Whether the tables show a reason. A crash between publish and mark leaves no trace in them.
fn may_arrive_twice(entry: &Entry) -> bool {
    entry.event.replay_id.is_some() || entry.judged.state == State::Unconfirmed
}

/// The next steps, each once: first those of events that are held back; for a single event, always
/// its own.
fn steps(entries: &[Entry], is_one_event: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let blocked = entries.iter().filter(|entry| is_one_event || entry.judged.state != State::Published);
    for step in blocked.flat_map(|entry| &entry.judged.next) {
        if !steps.contains(step) {
            steps.push(step.clone());
        }
    }
    steps
}

fn text(document: &Document<'_>, entries: &[Entry], is_one_event: bool, question: &Question) -> String {
    let mut text = String::new();
    let _infallible = writeln!(text, "{}", headline(document, entries, is_one_event));
    text.push('\n');
    let rows = entries.iter().map(|entry| {
        let (event, judged) = (&entry.event, &entry.judged);
        let state = match (event.first_published_at, event.published_at) {
            (Some(first), Some(at)) => {
                let first = lag(event.created_at, first);
                format!("{} after {first}; replayed {}", judged.state.words(), distance(at, document.at))
            }
            (Some(first), None) => {
                let first = lag(event.created_at, first);
                let since = lag(judged.since, document.at);
                format!("{} for {since}, replayed; published after {first}", judged.state.words())
            }
            (None, Some(at)) => format!("{} after {}", judged.state.words(), lag(event.created_at, at)),
            (None, None) => format!("{} for {}", judged.state.words(), lag(judged.since, document.at)),
        };
        [event.seq.to_string(), event.event_type.clone(), event.id.to_string(), timestamp(event.created_at), state]
    });
    text.push_str(&table(
        [
            Column::Whole("seq"),
            Column::Cut("event"),
            Column::Whole("id"),
            Column::Wide("created"),
            Column::Cut("state"),
        ],
        rows,
    ));
    push_whys(&mut text, entries, document.at);
    push_history(&mut text, document, entries);
    if question.payload {
        push_payloads(&mut text, entries);
    }
    push_relays(&mut text, document);
    for note in document.notes {
        let _infallible = writeln!(text, "\nnote: {note}");
    }
    push_next(&mut text, document.next);
    text
}

fn headline(document: &Document<'_>, entries: &[Entry], is_one_event: bool) -> String {
    if is_one_event {
        let event = &entries[0].event;
        return format!(
            "event {} of {} {}, key {}, schema {}",
            event.id,
            clean(&event.aggregate_type),
            clean(&event.aggregate_id),
            clean(&event.key),
            document.schema
        );
    }
    let more = match document.events_not_shown {
        0 => String::new(),
        _ if document.pending > PENDING_MAX || document.published > PUBLISHED_MAX => {
            "; too many others to count are not shown (--limit)".into()
        }
        more => format!("; {more} older not shown (--limit)"),
    };
    format!(
        "{} in schema {}: {} pending, {} published, {} dead-lettered{more}",
        clean(document.query),
        document.schema,
        count(document.pending, PENDING_MAX, "event"),
        count(document.published, PUBLISHED_MAX, "event"),
        document.dead_lettered,
    )
}

/// Why each event is where it is. Only the first of those that wait behind others is explained.
fn push_whys(text: &mut String, entries: &[Entry], now: OffsetDateTime) {
    let waiting = entries.iter().filter(|entry| entry.judged.state == State::Waiting).count();
    let mut has_waiting = false;
    for entry in entries {
        let judged = &entry.judged;
        let is_waiting = judged.state == State::Waiting;
        if judged.state == State::Published || (is_waiting && has_waiting) {
            continue;
        }
        has_waiting |= is_waiting;
        let more = if is_waiting && waiting > 1 { format!(" (and {} after it)", waiting - 1) } else { String::new() };
        let (event_type, headline) = (clean(&entry.event.event_type), clean(&judged.headline));
        let since = when(judged.since, now);
        // If the head is shown, its reason is already above.
        let is_said =
            judged.ahead.as_ref().is_some_and(|ahead| entries.iter().any(|other| other.event.id == ahead.event_id));
        let why = if is_said || judged.why.is_empty() { String::new() } else { format!("\n  {}", clean(&judged.why)) };
        let _infallible = write!(text, "\n{} {event_type}{more}: {headline}\n  since {since}{why}\n", entry.event.seq);
    }
}

fn push_history(text: &mut String, document: &Document<'_>, entries: &[Entry]) {
    for entry in entries {
        let seq = entry.event.seq;
        if let Some(routes) = &entry.event.only_routes {
            let _infallible =
                writeln!(text, "\n{seq} goes only to these routes, as its replay asked: {}", clean(&routes.join(", ")));
        }
        for letter in entry.letters.iter().filter(|letter| letter.processed_at.is_some()) {
            let (by, how) = (letter.resolved_by.as_deref().unwrap_or("?"), letter.resolution.as_deref().unwrap_or("?"));
            let at = letter.processed_at.map(timestamp).unwrap_or_default();
            let _infallible = writeln!(
                text,
                "\n{seq} was a dead letter before: {} at {}; {} by {} at {at}",
                clean(&letter.failure_reason),
                timestamp(letter.dead_lettered_at),
                clean(how),
                clean(by),
            );
        }
        if entry.event.replay_id.is_some() {
            let _infallible = writeln!(text, "\n{seq} was sent again by a replay: consumers may see its id twice");
        }
    }
    for run in document.replays {
        let end = run.finished_at.map_or_else(|| "not finished".into(), timestamp);
        let _infallible = writeln!(
            text,
            "\nreplay {} of {} by {}: {}, {} to {end}",
            run.replay_id,
            clean(&run.source),
            clean(&run.requested_by),
            count(run.events, i64::MAX, "event"),
            timestamp(run.started_at),
        );
    }
}

fn push_payloads(text: &mut String, entries: &[Entry]) {
    for entry in entries {
        let payload = entry
            .event
            .payload
            .as_deref()
            .map_or_else(|| format!("{} bytes, too large to show", entry.event.payload_bytes), clean);
        let _infallible = write!(text, "\npayload of {}\n{payload}\n", entry.event.seq);
    }
}

fn push_relays(text: &mut String, document: &Document<'_>) {
    let words = |relay: &RelayRow| match relay.is_silent {
        true => format!("{} (silent, seen {})", clean(&relay.name()), distance(relay.seen_at, document.at)),
        false => format!("{} (broker {})", clean(&relay.name()), clean(&relay.broker_words(document.at))),
    };
    let relays: Vec<String> = document.relays.iter().take(RELAYS_SHOWN).map(words).collect();
    let relays = match document.relays.len().saturating_sub(RELAYS_SHOWN) {
        _ if relays.is_empty() => "none has a heartbeat in this database".into(),
        0 => relays.join(", "),
        more => format!("{} and {more} more", relays.join(", ")),
    };
    let _infallible = writeln!(text, "\nrelays: {relays}");
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Document<'_>>()
}
