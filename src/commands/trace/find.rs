//! Finds the events of a key, or one event, with all facts that their states depend on. Called by
//! `trace`.
//!
//! Every statement uses an index or stops after a known number of rows (figures:
//! docs/decisions.md). The answer says what was not searched.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::session::read::{Part, Reader};
use crate::commands::state::facts::{Ahead, WaitFacts};
use crate::commands::state::relays::{DatabaseMode, Obstacle, RelayRow, obstacle};
use crate::commands::state::rows;
use crate::commands::state::rows::{DeadLetterRow, EventRow, LiveRelay};
use crate::commands::state::strangers::Stranger;
use crate::error::AppError;
use crate::postgres::call::Param;

/// The limit for each search without an index.
const EXTRA_LIMIT: Duration = Duration::from_millis(500);
/// The most other keys of the same aggregate whose order is read.
const OTHER_KEYS_MAX: usize = 5;
/// The fewest digits that are looked up as the beginning of an id.
const PREFIX_MIN: usize = 6;
/// Where counting stops.
pub(crate) const PENDING_MAX: i64 = 100_000;
/// Where counting stops.
pub(crate) const PUBLISHED_MAX: i64 = 10_000;

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// As typed.
    pub text: String,
    /// The event's id, if the text is one.
    pub id: Option<Uuid>,
    /// The most events to show.
    pub limit: i64,
    /// Whether to show payloads.
    pub payload: bool,
}

/// The events found, by seq.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In the events table.
    pub events: Vec<EventRow>,
    /// In the dead letters, including resolved ones and those of events that are pending or
    /// published again.
    pub letters: Vec<(EventRow, DeadLetterRow)>,
    /// Pending events of the key; more than the maximum means that counting stopped.
    pub pending: i64,
    /// Published events of the aggregate.
    pub published: i64,
    /// Events that are only in the dead letters.
    pub dead_lettered: i64,
    /// What holds back each key.
    pub keys: BTreeMap<String, KeyFacts>,
    /// What was not searched.
    pub notes: Vec<String>,
}

/// Facts about one key.
#[derive(Debug)]
pub(crate) struct KeyFacts {
    /// Why it waits.
    pub wait: Option<WaitFacts>,
    /// Whether somebody holds its lane.
    pub lane_is_locked: bool,
    /// The session that does; absent for a prepared transaction.
    pub lane_holder: Option<i32>,
    /// Where claims of its lane start.
    pub floor: i64,
    /// Its first pending event.
    pub head: Option<(Uuid, String)>,
    /// Places of pending events, from 1.
    pub places: BTreeMap<Uuid, i64>,
}

/// Facts about the database and its relays.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The database's time.
    pub now: OffsetDateTime,
    /// Whether this role can see what other sessions do.
    pub sees_sessions: bool,
    /// The connections of relays.
    pub sessions: Vec<LiveRelay>,
    /// What relays said of themselves.
    pub relays: Vec<RelayRow>,
    /// Whether the database takes writes.
    pub mode: DatabaseMode,
    /// How old a standby's last change is.
    pub replayed_at: Option<OffsetDateTime>,
    /// What keeps every relay from publishing.
    pub obstacle: Option<Obstacle>,
    /// Who else holds a relay's locks.
    pub strangers: Vec<Stranger>,
}

/// Reads these facts.
pub(crate) async fn surroundings(reader: &Reader) -> Result<Surroundings, AppError> {
    let mut around = surroundings_without_tables(reader).await?;
    around.read_relays(reader).await?;
    Ok(around)
}

impl Surroundings {
    /// Reads the heartbeats.
    pub(crate) async fn read_relays(&mut self, reader: &Reader) -> Result<(), AppError> {
        let rows = reader.rows("reading the relays' heartbeats", &reader.session.queries.list_relays, &[]).await?;
        self.relays = rows.iter().map(|row| RelayRow::read(row, self.now)).collect();
        let sessions = i64::try_from(self.sessions.len()).unwrap_or(i64::MAX);
        self.obstacle = obstacle(&self.relays, sessions, self.mode, self.now);
        Ok(())
    }
}

/// The same without the heartbeats, where the tables may be missing.
pub(crate) async fn surroundings_without_tables(reader: &Reader) -> Result<Surroundings, AppError> {
    let queries = &reader.session.queries;
    let facts = reader.one("reading the time", &queries.session_facts, &[]).await?;
    let commands: Vec<&str> = crate::upkeep::COMMANDS.to_vec();
    let params: [Param<'_>; 1] = [(&commands, Type::TEXT_ARRAY)];
    let sessions = reader.rows("looking for connections of relays", &queries.live_relays, &params).await?;
    let strangers = reader.rows("looking for strangers' locks", &queries.lock_strangers, &[]).await?;
    let mode = match (facts.get("is_standby"), facts.get("is_read_only")) {
        (true, _) => DatabaseMode::Standby,
        (false, true) => DatabaseMode::ReadOnly,
        (false, false) => DatabaseMode::Writable,
    };
    Ok(Surroundings {
        now: facts.get("now"),
        sees_sessions: facts.get("sees_sessions"),
        obstacle: None,
        relays: Vec::new(),
        sessions: sessions.iter().map(rows::relay).collect(),
        mode,
        replayed_at: facts.get("replayed_at"),
        strangers: strangers.iter().map(Stranger::read).collect(),
    })
}

/// One event by its id; empty if there is none.
pub(crate) async fn by_id(reader: &Reader, question: &Question, id: Uuid) -> Result<Found, AppError> {
    let mut found = Found {
        events: events(reader, &[id], question.payload).await?,
        letters: letters(reader, None, &[id], question).await?,
        ..Found::default()
    };
    let keys = keys_of(&found, None);
    let asked = found.events.iter().find(|event| event.published_at.is_none()).map(|event| event.id);
    read_keys(reader, &mut found, &keys, asked).await?;
    Ok(found)
}

/// The newest events of a key or an aggregate; empty if there are none.
pub(crate) async fn by_key(reader: &Reader, question: &Question) -> Result<Found, AppError> {
    let (mut found, key) = (Found::default(), question.text.as_str());
    let mut ids: BTreeMap<i64, Uuid> = BTreeMap::new();
    let queries = &reader.session.queries;
    let params: [Param<'_>; 2] = [(&key, Type::TEXT), (&question.limit, Type::INT8)];
    let published =
        reader.rows("looking for published events of the aggregate", &queries.trace_published, &params).await?;
    found.published = published.first().map_or(0, |row| row.get("total"));
    ids.extend(published.iter().map(seq_and_id));
    let pending = pending(reader, key, question.limit, None).await?;
    found.pending = pending.first().map_or(0, |row| row.get("total"));
    let mut pending_ids: BTreeMap<i64, Uuid> = pending.iter().map(seq_and_id).collect();
    pending_elsewhere(reader, &params, &mut pending_ids, &mut found).await?;
    published_elsewhere(reader, &params, !pending_ids.is_empty(), &mut ids, &mut found).await?;
    found.letters = letters(reader, Some(key), &[], question).await?;
    // What is not published comes first, and the head of the key before everything else.
    let limit = usize::try_from(question.limit).unwrap_or(usize::MAX);
    let head = pending.iter().find(|row| row.get::<_, i64>("place") == 1).map(|row| row.get::<_, Uuid>("id"));
    let unpublished: Vec<Uuid> = pending_ids.into_values().rev().collect();
    let mut chosen: Vec<Uuid> = head.into_iter().collect();
    for id in unpublished.into_iter().chain(ids.into_values().rev()) {
        if chosen.len() < limit && !chosen.contains(&id) {
            chosen.push(id);
        }
    }
    found.events = events(reader, &chosen, question.payload).await?;
    let keys = keys_of(&found, Some(key));
    read_keys(reader, &mut found, &keys, None).await?;
    Ok(found)
}

/// Events and dead letters with this correlation id; empty if there are none.
pub(crate) async fn by_correlation(reader: &Reader, question: &Question) -> Result<Found, AppError> {
    let key = question.text.as_str();
    let params: [Param<'_>; 2] = [(&key, Type::TEXT), (&question.limit, Type::INT8)];
    let action = "looking for the correlation id";
    let mut found = Found::default();
    let ids: Vec<Uuid> =
        match reader.part(EXTRA_LIMIT, action, &reader.session.queries.trace_correlated, &params).await? {
            Part::GivenUp => Vec::new(),
            Part::Found(rows) => rows.iter().filter_map(|row| row.get("id")).collect(),
        };
    if ids.is_empty() {
        return Ok(found);
    }
    found.events = events(reader, &ids, question.payload).await?;
    found.letters = letters(reader, None, &ids, question).await?;
    let count = |events: usize| i64::try_from(events).unwrap_or(i64::MAX);
    found.published = count(found.events.iter().filter(|event| event.published_at.is_some()).count());
    found.pending = count(found.events.len()) - found.published;
    let keys = keys_of(&found, None);
    let pending = found.pending;
    read_keys(reader, &mut found, &keys, None).await?;
    found.pending = pending;
    found.notes.push("found by the correlation id, which has no index: only pending events, those published in the last hour, and the newest dead letters were searched".into());
    Ok(found)
}

/// The events whose ids begin like this, if it looks like the beginning of an id; at most 6.
pub(crate) async fn ids_like(reader: &Reader, text: &str) -> Result<Vec<Uuid>, AppError> {
    let Some((first, last)) = id_range(text) else { return Ok(Vec::new()) };
    let params: [Param<'_>; 2] = [(&first, Type::UUID), (&last, Type::UUID)];
    let rows = reader.rows("looking for ids that begin so", &reader.session.queries.trace_prefix, &params).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

/// The first and the last id that begin with these digits.
fn id_range(text: &str) -> Option<(Uuid, Uuid)> {
    const DIGITS: usize = 32;
    let digits: String = text.strip_prefix("msg-").unwrap_or(text).chars().filter(|c| *c != '-').collect();
    let is_beginning = (PREFIX_MIN..DIGITS).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
    let padded = |with: &str| Uuid::try_parse(&(digits.clone() + &with.repeat(DIGITS - digits.len()))).ok();
    if is_beginning { Some((padded("0")?, padded("f")?)) } else { None }
}

fn seq_and_id(row: &Row) -> (i64, Uuid) {
    (row.get("seq"), row.get("id"))
}

/// Events of the aggregate with another partition key, whose lanes are not known.
async fn pending_elsewhere(
    reader: &Reader,
    params: &[Param<'_>],
    ids: &mut BTreeMap<i64, Uuid>,
    found: &mut Found,
) -> Result<(), AppError> {
    let action = "looking for pending events of the aggregate under other partition keys";
    let note = "pending events of this aggregate with another partition key may be missing here, because only the first 500 of each lane were searched; trace that key, or the event's id";
    match reader.part(EXTRA_LIMIT, action, &reader.session.queries.trace_pending_elsewhere, params).await? {
        Part::GivenUp => found.notes.push(note.into()),
        Part::Found(rows) => {
            let before = ids.len();
            ids.extend(rows.iter().filter(|row| row.get::<_, Option<Uuid>>("id").is_some()).map(seq_and_id));
            found.pending += i64::try_from(ids.len() - before).unwrap_or(0);
            // Without any other partition key, the note would only be noise.
            if ids.len() > before && rows.first().is_some_and(|row| row.get("capped")) {
                found.notes.push(note.into());
            }
        }
    }
    Ok(())
}

/// Published events with this partition key, of other aggregates.
async fn published_elsewhere(
    reader: &Reader,
    params: &[Param<'_>],
    has_pending: bool,
    ids: &mut BTreeMap<i64, Uuid>,
    found: &mut Found,
) -> Result<(), AppError> {
    let action = "looking for published events of the partition key";
    let sql = &reader.session.queries.trace_published_elsewhere;
    let before = ids.len();
    let (looked_at, is_cut) = match reader.part(EXTRA_LIMIT, action, sql, params).await? {
        Part::GivenUp => (0, true),
        Part::Found(rows) => {
            ids.extend(rows.iter().filter(|row| row.get::<_, Option<Uuid>>("id").is_some()).map(seq_and_id));
            (rows.first().map_or(0, |row| row.get::<_, i64>("looked_at")), false)
        }
    };
    found.published += i64::try_from(ids.len() - before).unwrap_or(0);
    let is_nothing_found = ids.is_empty() && !has_pending;
    if ids.len() > before || is_nothing_found || is_cut {
        found.notes.push(format!(
            "there is no index from partition keys to published events: of those with another aggregate id, only {looked_at} published in the last hour were searched; for older ones, trace the aggregate's id or the event's id"
        ));
    }
    Ok(())
}

async fn pending(reader: &Reader, key: &str, newest: i64, id: Option<Uuid>) -> Result<Vec<Row>, AppError> {
    let params: [Param<'_>; 3] = [(&key, Type::TEXT), (&newest, Type::INT8), (&id, Type::UUID)];
    reader.rows("looking for pending events of the key", &reader.session.queries.trace_pending, &params).await
}

async fn events(reader: &Reader, ids: &[Uuid], payload: bool) -> Result<Vec<EventRow>, AppError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let params: [Param<'_>; 2] = [(&ids, Type::UUID_ARRAY), (&payload, Type::BOOL)];
    let rows = reader.rows("reading events by id", &reader.session.queries.trace_events, &params).await?;
    Ok(rows.iter().map(rows::event).collect())
}

async fn letters(
    reader: &Reader,
    key: Option<&str>,
    ids: &[Uuid],
    question: &Question,
) -> Result<Vec<(EventRow, DeadLetterRow)>, AppError> {
    let params: [Param<'_>; 4] =
        [(&key, Type::TEXT), (&ids, Type::UUID_ARRAY), (&question.limit, Type::INT8), (&question.payload, Type::BOOL)];
    let rows = reader.rows("looking for dead letters", &reader.session.queries.trace_dead_letters, &params).await?;
    Ok(rows.iter().map(|row| (rows::event(row), rows::dead_letter(row))).collect())
}

/// The keys to read, the requested one first.
fn keys_of(found: &Found, asked: Option<&str>) -> Vec<String> {
    let others: BTreeSet<&str> = found
        .events
        .iter()
        .filter(|event| event.published_at.is_none())
        .chain(found.letters.iter().map(|(event, _)| event))
        .map(|event| event.key.as_str())
        .filter(|key| Some(*key) != asked)
        .collect();
    asked.into_iter().chain(others).take(OTHER_KEYS_MAX + 1).map(str::to_owned).collect()
}

async fn read_keys(reader: &Reader, found: &mut Found, keys: &[String], asked: Option<Uuid>) -> Result<(), AppError> {
    let params: [Param<'_>; 1] = [(&keys, Type::TEXT_ARRAY)];
    let rows = reader.rows("looking for what the keys wait for", &reader.session.queries.key_waits, &params).await?;
    for row in rows {
        let key: String = row.get("key");
        let newest = i64::try_from(found.events.len()).unwrap_or(i64::MAX);
        let pending = pending(reader, &key, newest, asked).await?;
        if asked.is_some() {
            found.pending = pending.first().map_or(0, |row| row.get("total"));
        }
        let facts = KeyFacts {
            wait: rows::wait(&row),
            lane_is_locked: row.get("lane_is_locked"),
            lane_holder: row.get("lane_holder"),
            floor: row.get("floor"),
            head: pending
                .iter()
                .find(|row| row.get::<_, i64>("place") == 1)
                .map(|row| (row.get("id"), row.get("event_type"))),
            places: pending.iter().map(|row| (row.get("id"), row.get("place"))).collect(),
        };
        found.keys.insert(key, facts);
    }
    Ok(())
}

impl KeyFacts {
    /// Who holds its lane, if that is no relay.
    pub(super) fn stranger<'a>(&self, strangers: &'a [Stranger]) -> Option<&'a Stranger> {
        let holds_it = |stranger: &&Stranger| stranger.what == "lanes" && stranger.pid == self.lane_holder;
        strangers.iter().filter(|_| self.lane_is_locked).find(holds_it)
    }

    /// What is ahead of a pending event.
    pub(crate) fn ahead_of(&self, id: Uuid) -> Option<Ahead> {
        let events = self.places.get(&id)? - 1;
        let (event_id, event_type) = self.head.clone().filter(|_| events > 0)?;
        Some(Ahead { event_id, event_type: Some(event_type), events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_a_range_of_ids() {
        let range = |text| id_range(text).map(|(first, last)| (first.to_string(), last.to_string()));
        let expected =
            ("7b0c6e10-5000-0000-0000-000000000000".to_owned(), "7b0c6e10-5fff-ffff-ffff-ffffffffffff".to_owned());
        assert_eq!(range("msg-7b0c6e10-5"), Some(expected));
        for text in ["7b0c", "order-1", "7b0c6e1x", "7b0c6e10-5d1f-4c3a-9a52-0e84b1d2c9f0"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
