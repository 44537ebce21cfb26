//! `outbox-relay keys list`: waiting keys, oldest first, each with its reason and what to do next.
//! Called by `main`.
//!
//! Changes nothing, needs no broker, and gives up after 2 s.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::print::next::{Step, Typist, push_next};
use crate::commands::print::words::{count, distance, moment};
use crate::commands::print::{Column, Output, table};
use crate::commands::session::read::{Part, Reader};
use crate::commands::state::facts::{Facts, Judged, Place, State, WaitFacts};
use crate::commands::state::judge;
use crate::commands::state::rows;
use crate::commands::trace::find::{Surroundings, surroundings};
use crate::config::command::CommandConfig;
use crate::error::AppError;
use crate::outbox::event::WaitReason;
use crate::postgres::call::Param;

/// Where counting stops.
const COUNT_MAX: i64 = 100_000;
/// The limit for counting the events behind the heads; the list does not depend on it.
const BEHIND_LIMIT: Duration = Duration::from_millis(800);
/// The most keys whose commands are printed; the JSON has those of all keys.
const STEPS_SHOWN: usize = 3;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'a> {
    schema: &'a str,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    at: OffsetDateTime,
    keys_in_all: i64,
    count_max: i64,
    groups: Vec<Group>,
    keys: Vec<KeyDocument>,
    next: Vec<Step>,
}

/// Waiting keys that have these in common.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Group {
    reason: String,
    /// Of the heads.
    event_type: Option<String>,
    /// What is on hold.
    exchange: Option<String>,
    route: Option<String>,
    keys: i64,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    oldest_since: OffsetDateTime,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct KeyDocument {
    key: String,
    state: State,
    headline: String,
    reason: String,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    since: OffsetDateTime,
    #[serde(with = "crate::commands::print::time::optional")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    until: Option<OffsetDateTime>,
    attempts: i32,
    error: Option<String>,
    why: String,
    event_id: Uuid,
    event_type: Option<String>,
    events_behind: Option<i64>,
    events_behind_capped: bool,
    hold: Option<HoldDocument>,
    next: Vec<Step>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct HoldDocument {
    id: i64,
    kind: String,
    destination: Option<String>,
    reason: String,
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    since: OffsetDateTime,
}

/// Lists waiting keys, optionally only those with `reason`: at most `limit`, or only their counts.
pub async fn list(
    config: CommandConfig,
    reason: Option<WaitReason>,
    (limit, is_grouped): (u16, bool),
) -> Result<(), AppError> {
    let reader = Reader::open(&config).await?;
    let around = surroundings(&reader).await?;
    let reason = reason.map(WaitReason::as_str);
    let limit = if is_grouped { 0 } else { i64::from(limit) };
    let cap = COUNT_MAX + 1;
    let queries = &reader.session.queries;
    let params: [Param<'_>; 2] = [(&reason, Type::TEXT), (&cap, Type::INT8)];
    let groups = reader.rows("counting the keys that wait", &queries.group_keys, &params).await?;
    let groups: Vec<Group> = groups.iter().map(Group::read).collect();
    let keys_in_all = groups.iter().map(|group| group.keys).sum();
    let params: [Param<'_>; 2] = [(&reason, Type::TEXT), (&limit, Type::INT8)];
    let rows = reader.rows("reading the keys that wait", &queries.list_keys, &params).await?;
    let waits: Vec<(WaitFacts, OffsetDateTime)> = rows
        .iter()
        .filter_map(|row| {
            let wait = rows::wait(row)?;
            let created_at = row.get::<_, Option<OffsetDateTime>>("created_at").unwrap_or(wait.since);
            Some((wait, created_at))
        })
        .collect();
    let behind = behind(&reader, &waits).await?;
    let typist = Typist::new(&config.schema);
    let keys: Vec<KeyDocument> = waits
        .into_iter()
        .map(|(wait, created_at)| {
            let judged = judged(&wait, created_at, &around, &typist);
            let behind = behind.get(&wait.key).copied();
            key_document(wait, judged, behind)
        })
        .collect();
    let mut next = Vec::new();
    if let Some(first) = keys.first() {
        next.push(typist.command("see every event of a key", &["trace"], Some(&first.key)));
    }
    let document =
        Document { schema: &config.schema, at: around.now, keys_in_all, count_max: COUNT_MAX, groups, keys, next };
    let answer = || if is_grouped { groups_text(&document) } else { text(&document) };
    let names = || document.keys.iter().map(|key| key.key.clone()).collect();
    Output::new(config.format).answer_list(&document, answer, names);
    Ok(())
}

/// How many pending events wait behind each head, and whether counting was stopped.
async fn behind(
    reader: &Reader,
    waits: &[(WaitFacts, OffsetDateTime)],
) -> Result<HashMap<String, (i64, bool)>, AppError> {
    let keys: Vec<&str> = waits.iter().map(|(wait, _)| wait.key.as_str()).collect();
    let heads: Vec<Uuid> = waits.iter().map(|(wait, _)| wait.event_id).collect();
    let params: [Param<'_>; 2] = [(&keys, Type::TEXT_ARRAY), (&heads, Type::UUID_ARRAY)];
    let sql = &reader.session.queries.count_behind;
    match reader.part(BEHIND_LIMIT, "counting what waits behind the heads", sql, &params).await? {
        Part::Found(rows) => {
            Ok(rows.iter().map(|row| (row.get("key"), (row.get("behind"), row.get("is_capped")))).collect())
        }
        Part::GivenUp => Ok(HashMap::new()),
    }
}

/// A key's state is its head's.
fn judged(wait: &WaitFacts, created_at: OffsetDateTime, around: &Surroundings, typist: &Typist<'_>) -> Judged {
    let facts = Facts {
        id: wait.event_id,
        key: &wait.key,
        created_at,
        place: Place::Pending,
        wait: Some(wait),
        ahead: None,
        lane_is_locked: false,
        stranger: None,
        below_floor: false,
        obstacle: around.obstacle.as_ref(),
        now: around.now,
    };
    judge(&facts, typist)
}

fn key_document(wait: WaitFacts, judged: Judged, behind: Option<(i64, bool)>) -> KeyDocument {
    let hold = wait.hold.map(|hold| HoldDocument {
        id: hold.id,
        kind: hold.kind,
        destination: hold.scope.map(|scope| scope.to_string()),
        reason: hold.reason,
        since: hold.since,
    });
    KeyDocument {
        key: wait.key,
        state: judged.state,
        headline: judged.headline,
        reason: wait.reason,
        since: wait.since,
        until: wait.until,
        attempts: wait.attempts,
        error: wait.error,
        why: judged.why,
        event_id: wait.event_id,
        event_type: wait.event_type,
        events_behind: behind.map(|(events, _)| events),
        events_behind_capped: behind.is_none_or(|(_, is_capped)| is_capped),
        hold,
        next: judged.next,
    }
}

impl Group {
    fn read(row: &Row) -> Self {
        Self {
            reason: row.get("reason"),
            event_type: row.get("event_type"),
            exchange: row.get("exchange"),
            route: row.get::<_, Option<String>>("route").filter(|route| !route.is_empty()),
            keys: row.get("keys"),
            oldest_since: row.get("oldest_since"),
        }
    }

    /// What is on hold, or nothing.
    fn destination(&self) -> String {
        match (&self.route, &self.exchange) {
            (Some(route), _) => format!("route {route}"),
            (None, Some(exchange)) if !exchange.is_empty() => exchange.clone(),
            (None, Some(_)) => "(default exchange)".into(),
            (None, None) => "-".into(),
        }
    }
}

fn groups_text(document: &Document<'_>) -> String {
    if document.groups.is_empty() {
        return format!("no keys wait in schema {}\n", document.schema);
    }
    let cells = |group: &Group| {
        [
            group.keys.to_string(),
            group.reason.clone(),
            group.event_type.clone().unwrap_or_else(|| "?".into()),
            group.destination(),
            distance(group.oldest_since, document.at),
        ]
    };
    let columns = [
        Column::Whole("keys"),
        Column::Whole("reason"),
        Column::Cut("type"),
        Column::Cut("on hold"),
        Column::Whole("oldest since"),
    ];
    let in_all = count(document.keys_in_all, COUNT_MAX, "key");
    format!("waiting in schema {}: {in_all}\n\n{}", document.schema, table(columns, document.groups.iter().map(cells)))
}

fn text(document: &Document<'_>) -> String {
    let in_all = count(document.keys_in_all, COUNT_MAX, "key");
    let shown = document.keys.len();
    let more = if i64::try_from(shown).is_ok_and(|shown| shown < document.keys_in_all) {
        format!(", {shown} of them shown (--limit)")
    } else {
        String::new()
    };
    let mut text = format!("waiting in schema {}: {in_all}, longest waiting first{more}\n", document.schema);
    if document.keys.is_empty() {
        return format!("no keys wait in schema {}\n", document.schema);
    }
    text.push('\n');
    let rows = document.keys.iter().map(|key| {
        let behind = key.events_behind.map_or_else(
            || "?".into(),
            |events| format!("{events}{}", if key.events_behind_capped { "+" } else { "" }),
        );
        [
            key.key.clone(),
            moment(key.since, document.at),
            behind,
            key.event_type.clone().unwrap_or_else(|| "?".into()),
            key.event_id.to_string(),
            key.headline.clone(),
        ]
    });
    let columns = [
        Column::Cut("key"),
        Column::Whole("since"),
        Column::Whole("behind"),
        Column::Cut("head"),
        Column::Wide("head's id"),
        Column::Cut("state"),
    ];
    text.push_str(&table(columns, rows));
    let mut steps: Vec<Step> = Vec::new();
    for step in document.keys.iter().take(STEPS_SHOWN).flat_map(|key| &key.next).chain(&document.next) {
        if !steps.contains(step) {
            steps.push(step.clone());
        }
    }
    push_next(&mut text, &steps);
    text
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Document<'_>>()
}
