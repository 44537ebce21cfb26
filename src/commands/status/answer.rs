//! What `status` prints: a page for people, one document for scripts. The command's help explains
//! each field.

use std::fmt::Write as _;

use serde::Serialize;
use time::OffsetDateTime;

use crate::commands::print::fit::{Tone, toned};
use crate::commands::print::next::{Step, push_next};
use crate::commands::print::words::{age, count, distance, when};
use crate::commands::print::{Column, clean, table};
use crate::commands::state::condition::Condition;
use crate::commands::state::facts::HoldFacts;
use crate::commands::state::prepared::Prepared;
use crate::commands::state::relays::{DatabaseMode, RelayRow};
use crate::commands::state::rows::LiveRelay;
use crate::commands::state::strangers::Stranger;
use crate::commands::state::why_hold;

/// Where counting stops.
pub(super) const COUNT_MAX: i64 = 100_000;

/// The conclusion.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document<'a> {
    pub schema: &'a str,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub at: OffsetDateTime,
    pub schema_version: Option<i32>,
    pub condition: Condition,
    pub why: String,
    pub database: DatabaseMode,
    pub pending: i64,
    pub oldest_pending_age_seconds: f64,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub last_published_at: Option<OffsetDateTime>,
    pub waiting_keys: i64,
    pub count_max: i64,
    pub waits: Vec<WaitsOfReason>,
    pub hold_groups: Vec<HoldGroup>,
    pub holds: Vec<HoldDocument>,
    pub dead_letters: i64,
    pub dead_letter_reasons: Vec<DeadLetterReason>,
    pub relays: Vec<RelayRow>,
    pub sessions: Vec<LiveRelay>,
    pub lock_strangers: Vec<Stranger>,
    pub prepared_transactions: Vec<Prepared>,
    pub wake: Wake,
    pub upkeep: Vec<Job>,
    pub floors: Floors,
    pub vacuum: Vacuum,
    pub sees_sessions: bool,
    pub notes: Vec<String>,
    pub next: Vec<Step>,
}

/// Keys that wait for one reason.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct WaitsOfReason {
    pub reason: String,
    pub keys: i64,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub oldest_since: OffsetDateTime,
}

/// Holds of one scope, exchange, route and kind.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct HoldGroup {
    pub scope: String,
    pub exchange: String,
    pub route: String,
    pub kind: String,
    pub holds: i64,
    pub waiting_keys: i64,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub since: OffsetDateTime,
    /// The oldest of them.
    pub first_hold_id: i64,
}

/// A destination that is on hold.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct HoldDocument {
    pub id: i64,
    pub destination: Option<String>,
    pub scope: String,
    pub exchange: String,
    pub routing_key: String,
    pub route: String,
    pub kind: String,
    pub reason: String,
    pub error: Option<String>,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub since: OffsetDateTime,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub next_probe_at: Option<OffsetDateTime>,
    pub held_by: Option<String>,
    pub note: Option<String>,
    pub waiting_keys: i64,
    #[serde(skip)]
    pub facts: HoldFacts,
}

/// Unresolved dead letters of one reason.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DeadLetterReason {
    pub reason: String,
    pub events: i64,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub oldest_at: OffsetDateTime,
}

/// What wakes relays in addition to polling.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Wake {
    pub trigger: bool,
    pub listening: Option<bool>,
}

/// One slow job.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Job {
    pub job: String,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub last_run_at: Option<OffsetDateTime>,
    pub run_by: String,
    pub is_late: bool,
}

/// Where claims start.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Floors {
    pub behind: Option<i64>,
    pub oldest_transaction: Option<OldestTransaction>,
}

/// The oldest transaction that this role can see.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct OldestTransaction {
    pub pid: i32,
    pub role: Option<String>,
    pub application_name: Option<String>,
    pub database: Option<String>,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub since: Option<OffsetDateTime>,
}

/// What vacuum has left to do.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Vacuum {
    pub dead_rows: Option<i64>,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub last_autovacuum: Option<OffsetDateTime>,
}

/// The page.
pub(super) fn text(document: &Document<'_>) -> String {
    let tone = match document.condition {
        Condition::Ok => Tone::Good,
        Condition::Behind | Condition::Idle | Condition::Attention => Tone::Warn,
        Condition::Stuck => Tone::Bad,
    };
    let mut text = format!("{}: {}\n\n", toned(tone, document.condition.word()), clean(&document.why));
    push_backlog(&mut text, document);
    push_waits(&mut text, document);
    push_holds(&mut text, document);
    push_dead_letters(&mut text, document);
    push_relays(&mut text, document);
    push_upkeep(&mut text, document);
    for note in &document.notes {
        let _infallible = writeln!(text, "\nnote: {note}");
    }
    push_next(&mut text, &document.next);
    text
}

fn push_backlog(text: &mut String, document: &Document<'_>) {
    let version = document.schema_version.map_or_else(|| "?".into(), |version| version.to_string());
    let _infallible = writeln!(text, "schema {}, version {version}", document.schema);
    let oldest = if document.pending == 0 {
        String::new()
    } else {
        format!(", the oldest waiting for {} (without retries)", age(document.oldest_pending_age_seconds))
    };
    let _infallible = writeln!(text, "pending         {}{oldest}", count(document.pending, COUNT_MAX, "event"));
    let last = document
        .last_published_at
        .map_or_else(|| "a while ago (this command did not search longer)".into(), |at| when(at, document.at));
    let _infallible = writeln!(text, "last published  {last}");
    let _infallible = writeln!(text, "waiting         {}", count(document.waiting_keys, COUNT_MAX, "key"));
    let _infallible = writeln!(text, "dead letters    {} unresolved", count(document.dead_letters, COUNT_MAX, "event"));
    let trigger = if document.wake.trigger { "notify trigger exists" } else { "polling, no notify trigger" };
    let listening = match document.wake.listening {
        Some(true) => ", a relay listens",
        Some(false) => "",
        None => ", this role cannot see whether a relay listens",
    };
    let _infallible = writeln!(text, "wake            {trigger}{listening}");
}

fn push_waits(text: &mut String, document: &Document<'_>) {
    if document.waits.is_empty() {
        return;
    }
    let rows = document
        .waits
        .iter()
        .map(|waits| [waits.reason.clone(), waits.keys.to_string(), when(waits.oldest_since, document.at)]);
    let _infallible = write!(
        text,
        "\n{}",
        table([Column::Whole("keys wait for"), Column::Whole("keys"), Column::Whole("oldest since")], rows)
    );
}

fn push_holds(text: &mut String, document: &Document<'_>) {
    for group in &document.hold_groups {
        let first = document.holds.iter().find(|hold| hold.id == group.first_hold_id);
        match first {
            Some(hold) if group.holds == 1 => push_hold(text, hold, document.at),
            first => push_hold_group(text, group, first, document.at),
        }
    }
}

fn push_hold_group(text: &mut String, group: &HoldGroup, first: Option<&HoldDocument>, now: OffsetDateTime) {
    let exchange = if group.exchange.is_empty() {
        "the default exchange".into()
    } else {
        format!("exchange '{}'", group.exchange)
    };
    let place = if group.route.is_empty() { exchange } else { format!("route '{}'", group.route) };
    let holds = count(group.holds, COUNT_MAX, "destination");
    let waiting = count(group.waiting_keys, COUNT_MAX, "key");
    let since = distance(group.since, now);
    let _infallible = write!(
        text,
        "\nheld: {holds} of {} ({}), the first {since}; {waiting} waiting\n",
        clean(&place),
        clean(&group.kind)
    );
    if let Some(hold) = first {
        let destination = hold.destination.as_deref().unwrap_or("a destination of a newer relay");
        let _infallible = writeln!(text, "  for example {}: {}", clean(destination), clean(&hold.reason));
    }
}

fn push_hold(text: &mut String, hold: &HoldDocument, now: OffsetDateTime) {
    let destination = hold.destination.as_deref().unwrap_or("a destination of a newer relay");
    let _infallible = write!(
        text,
        "\nheld: {} ({})\n  {}\n  {}; {} waiting\n",
        clean(destination),
        clean(&hold.kind),
        clean(&hold.reason),
        clean(&why_hold(&hold.facts, now)),
        count(hold.waiting_keys, COUNT_MAX, "key"),
    );
}

fn push_dead_letters(text: &mut String, document: &Document<'_>) {
    if document.dead_letter_reasons.is_empty() {
        return;
    }
    let rows = document
        .dead_letter_reasons
        .iter()
        .map(|letters| [letters.reason.clone(), letters.events.to_string(), when(letters.oldest_at, document.at)]);
    let _infallible = write!(
        text,
        "\n{}",
        table([Column::Whole("dead letters for"), Column::Whole("events"), Column::Whole("oldest since")], rows)
    );
}

fn push_relays(text: &mut String, document: &Document<'_>) {
    if document.relays.is_empty() {
        let connected = match document.sessions.len() {
            0 => "none is connected to this database",
            _ => "connected, but without a heartbeat yet",
        };
        let _infallible = writeln!(text, "\nrelays: {connected}");
        return;
    }
    let rows = document.relays.iter().map(|relay| {
        let silent = if relay.is_silent { " (silent)" } else { "" };
        [
            relay.name(),
            relay.version.clone(),
            relay.broker_words(document.at),
            format!("{}{silent}", distance(relay.seen_at, document.at)),
            relay.confirmed_at.map_or_else(|| "never".into(), |at| distance(at, document.at)),
            relay.published.to_string(),
        ]
    });
    let header = [
        Column::Whole("relay"),
        Column::Whole("version"),
        Column::Cut("broker"),
        Column::Whole("seen"),
        Column::Whole("last confirm"),
        Column::Whole("published"),
    ];
    let _infallible = write!(text, "\n{}", table(header, rows));
}

fn push_upkeep(text: &mut String, document: &Document<'_>) {
    let rows = document.upkeep.iter().map(|job| {
        let last = job.last_run_at.map_or_else(|| "never".into(), |at| distance(at, document.at));
        let late = if job.is_late { " (late)" } else { "" };
        [job.job.clone(), format!("{last}{late}"), job.run_by.clone()]
    });
    let _infallible =
        write!(text, "\n{}", table([Column::Whole("upkeep"), Column::Whole("last run"), Column::Cut("by")], rows));
    let behind = document.floors.behind.unwrap_or(0);
    let _infallible = write!(text, "\nfloors {} behind", count(behind, i64::MAX, "event"));
    if let Some(oldest) = &document.floors.oldest_transaction {
        let name = clean(oldest.application_name.as_deref().unwrap_or_default());
        let since =
            oldest.since.map_or_else(String::new, |since| format!(", open for {}", distance(since, document.at)));
        let _infallible =
            write!(text, "; oldest transaction: pid {} {name}{}", oldest.pid, since.trim_end_matches(" ago"));
    }
    let dead = document.vacuum.dead_rows.unwrap_or(0);
    let vacuum = document.vacuum.last_autovacuum.map_or_else(|| "never".into(), |at| distance(at, document.at));
    let _infallible =
        writeln!(text, "\n{} left to vacuum, last autovacuum {vacuum}", count(dead, i64::MAX, "dead row"));
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Document<'_>>()
}
