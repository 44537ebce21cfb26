//! `outbox-relay trace`: where an event is, why, what is ahead of it, and what to do next. Called
//! by `main`.
//!
//! Changes nothing, needs no broker, and gives up after 2 s. Answers 0 when something was found and
//! 1 when nothing was; then it says what that can mean.

mod answer;
pub mod find;
mod missing;

#[cfg(test)]
pub(in crate::commands) use answer::schema as found_schema;
#[cfg(test)]
pub(in crate::commands) use missing::schema as missing_schema;

use uuid::Uuid;

use crate::commands::print::Output;
use crate::commands::print::next::Typist;
use crate::commands::session::Session;
use crate::commands::session::read::Reader;
use crate::commands::state::facts::{Facts, Judged, Place, State};
use crate::commands::state::judge;
use crate::commands::state::rows::{DeadLetterRow, EventRow};
use crate::commands::trace::answer::Entry;
use crate::commands::trace::find::{Found, Question, Surroundings};
use crate::config::command::CommandConfig;
use crate::error::AppError;

/// Traces a key, an aggregate id, an event id with or without `msg-`, or a correlation id.
pub async fn trace(config: CommandConfig, target: &str, limit: u16, payload: bool) -> Result<(), AppError> {
    let mut question = Question { text: target.to_owned(), id: event_id(target), limit: limit.into(), payload };
    let output = Output::new(config.format);
    let reader = Reader::new(Session::look(&config).await?);
    let has_tables = reader.one("looking for the outbox tables", &reader.session.queries.has_migrations, &[]).await?;
    if !has_tables.get::<_, bool>(0) {
        return missing::no_tables(&reader, &question, output).await;
    }
    reader.session.check_schema().await?;
    let surroundings = find::surroundings(&reader).await?;
    let mut found = match question.id {
        Some(id) => find::by_id(&reader, &question, id).await?,
        None => Found::default(),
    };
    let mut is_one_event = true;
    if found.events.is_empty() && found.letters.is_empty() {
        // Order ids are often UUIDs themselves.
        found = find::by_key(&reader, &question).await?;
        is_one_event = false;
    }
    if found.events.is_empty() && found.letters.is_empty() {
        let notes = std::mem::take(&mut found.notes);
        found = find::by_correlation(&reader, &question).await?;
        if found.events.is_empty() && found.letters.is_empty() {
            found.notes = notes;
        }
    }
    if found.events.is_empty() && found.letters.is_empty() {
        match find::ids_like(&reader, target).await?.as_slice() {
            [] => {}
            [id] => {
                question.id = Some(*id);
                found = find::by_id(&reader, &question, *id).await?;
                is_one_event = true;
            }
            several => {
                let ids: Vec<String> = several.iter().map(Uuid::to_string).collect();
                return Err(AppError::No(format!("'{target}' is the beginning of several ids: {}", ids.join(", "))));
            }
        }
    }
    let replays = missing::replays(&reader, &found, &question).await?;
    if found.events.is_empty() && found.letters.is_empty() {
        return missing::nothing_found(&reader, &question, &surroundings, replays, found.notes, output).await;
    }
    let typist = Typist::new(&config.schema);
    let mut entries = entries(&found, &surroundings, &typist);
    let dead = entries.iter().filter(|entry| entry.judged.state == State::DeadLettered).count();
    found.dead_lettered = i64::try_from(dead).unwrap_or(i64::MAX);
    keep_first(&mut entries, usize::from(limit));
    answer::answer(&question, &config.schema, is_one_event, entries, &found, &surroundings, replays, output);
    Ok(())
}

/// Parses an event's id; standard envelopes prefix it with `msg-`.
fn event_id(target: &str) -> Option<Uuid> {
    target.strip_prefix("msg-").unwrap_or(target).parse().ok()
}

/// One entry per event, by seq, with its dead letters. The last dead letter shows where an event is
/// that is not in the events table.
fn entries(found: &Found, surroundings: &Surroundings, typist: &Typist<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for event in &found.events {
        let place = event.published_at.map_or(Place::Pending, Place::Published);
        let letters = letters_of(found, event.id);
        let judged = judged(event, place, found, surroundings, typist);
        entries.push(Entry { event: event.clone(), judged, letters });
    }
    let mut letters: Vec<&(EventRow, DeadLetterRow)> = found.letters.iter().collect();
    letters.sort_by_key(|(event, letter)| (event.id, letter.dead_letter_id));
    for (at, (event, letter)) in letters.iter().enumerate() {
        let is_last = letters.get(at + 1).is_none_or(|(next, _)| next.id != event.id);
        if !is_last || found.events.iter().any(|other| other.id == event.id) {
            continue;
        }
        let judged = judged(event, Place::DeadLetter(letter), found, surroundings, typist);
        entries.push(Entry { event: event.clone(), judged, letters: letters_of(found, event.id) });
    }
    entries.sort_by_key(|entry| entry.event.seq);
    entries
}

/// Keeps `limit` entries: dead letters and heads first, then what is not published, then the newest published ones.
fn keep_first(entries: &mut Vec<Entry>, limit: usize) {
    let rank = |entry: &Entry| match entry.judged.state {
        State::DeadLettered if entry.letters.iter().any(|letter| letter.processed_at.is_none()) => 0,
        State::Retrying | State::Held | State::NoRoute | State::Unconfirmed => 0,
        State::Unreadable | State::DeadLetterFailed => 0,
        State::Pending if entry.judged.ahead.is_none() => 0,
        State::Pending | State::Waiting => 1,
        State::DeadLettered | State::Published => 2,
    };
    entries.sort_by_key(|entry| (rank(entry), std::cmp::Reverse(entry.event.seq)));
    entries.truncate(limit);
    entries.sort_by_key(|entry| entry.event.seq);
}

fn letters_of(found: &Found, id: Uuid) -> Vec<DeadLetterRow> {
    found.letters.iter().filter(|(event, _)| event.id == id).map(|(_, letter)| letter.clone()).collect()
}

fn judged(
    event: &EventRow,
    place: Place<'_>,
    found: &Found,
    surroundings: &Surroundings,
    typist: &Typist<'_>,
) -> Judged {
    let key = found.keys.get(&event.key);
    let facts = Facts {
        id: event.id,
        key: &event.key,
        created_at: event.created_at,
        place,
        wait: key.and_then(|key| key.wait.as_ref()),
        ahead: key.and_then(|key| key.ahead_of(event.id)),
        lane_is_locked: key.is_some_and(|key| key.lane_is_locked),
        stranger: key.and_then(|key| key.stranger(&surroundings.strangers)),
        below_floor: key.is_some_and(|key| event.seq < key.floor),
        obstacle: surroundings.obstacle.as_ref(),
        now: surroundings.now,
    };
    judge(&facts, typist)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_read_with_and_without_the_prefix_of_envelopes() {
        let id = Uuid::from_u128(7);
        assert_eq!(event_id(&id.to_string()), Some(id));
        assert_eq!(event_id(&format!("msg-{id}")), Some(id));
        assert_eq!(event_id("order-42"), None);
    }
}
