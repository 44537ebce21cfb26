//! What the process last saw of itself and of the database, for `/status`, `/livez`, `/readyz` and
//! the gauges.
//!
//! `app` makes one per process. The workers, the probe and the upkeep write it; the admin port
//! reads it. The broker's supervisor reports on the broker separately. Contains no ids, no texts of
//! services, and no secrets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::ops::pulse::{Heart, Pulse};

/// Shared by the tasks of the process.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// Whether the loops make progress.
    pub pulse: Pulse,
    facts: Arc<Mutex<Facts>>,
}

#[derive(Debug, Default)]
struct Facts {
    database: DatabaseSeen,
    last_batch_at: Option<OffsetDateTime>,
    holds: Option<usize>,
    published: Published,
}

/// What was confirmed and marked so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// Events, since the process started.
    pub events: u64,
    /// When the last of them was marked.
    pub last_at: Option<OffsetDateTime>,
}

/// The state of the database at the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatabaseSeen {
    /// Whether it answered.
    pub connected: bool,
    /// Since when; `None` before the first look.
    pub since: Option<OffsetDateTime>,
    /// The kind of the last error; `None` while all is well.
    pub error: Option<&'static str>,
}

impl Vitals {
    /// Starts watching a loop.
    pub fn heart(&self, name: String) -> Heart {
        self.pulse.heart(name)
    }

    /// The result of a look at the database; `error` is a kind, never a text.
    pub fn saw_database(&self, connected: bool, error: Option<&'static str>) {
        let mut facts = self.facts();
        let seen = &mut facts.database;
        if seen.connected != connected || seen.since.is_none() {
            seen.since = Some(OffsetDateTime::now_utc());
        }
        (seen.connected, seen.error) = (connected, error);
    }

    /// The database answered. This says nothing about claims.
    pub fn reached_database(&self) {
        let error = self.database().error.filter(|kind| !matches!(*kind, "unreachable" | "read_only" | "schema"));
        self.saw_database(true, error);
    }

    /// A batch was committed.
    pub fn settled_batch(&self) {
        self.facts().last_batch_at = Some(OffsetDateTime::now_utc());
    }

    /// Events were confirmed and marked.
    pub fn published(&self, events: usize) {
        if events > 0 {
            let published = &mut self.facts().published;
            published.events += events as u64;
            published.last_at = Some(OffsetDateTime::now_utc());
        }
    }

    /// What was confirmed and marked so far.
    pub fn published_so_far(&self) -> Published {
        self.facts().published
    }

    /// The number of destinations on hold.
    pub fn saw_holds(&self, holds: usize) {
        self.facts().holds = Some(holds);
    }

    /// The database at the last look.
    pub fn database(&self) -> DatabaseSeen {
        self.facts().database
    }

    /// When the last batch was committed.
    pub fn last_batch_at(&self) -> Option<OffsetDateTime> {
        self.facts().last_batch_at
    }

    /// Destinations on hold at the last look.
    pub fn holds(&self) -> Option<usize> {
        self.facts().holds
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_when_the_database_came_or_went_and_not_the_last_look() {
        let vitals = Vitals::default();
        vitals.saw_database(false, Some("unreachable"));
        let away = vitals.database();
        vitals.saw_database(false, Some("schema"));
        assert_eq!(vitals.database(), DatabaseSeen { error: Some("schema"), ..away });
        vitals.saw_database(true, None);
        assert!(vitals.database().connected && vitals.database().since >= away.since);
        vitals.saw_database(true, Some("failed"));
        vitals.reached_database();
        assert_eq!(vitals.database().error, Some("failed"), "that a job was done is no news of the claims");
        vitals.saw_database(false, Some("unreachable"));
        vitals.reached_database();
        assert_eq!(vitals.database().error, None);
    }
}
