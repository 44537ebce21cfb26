//! Whether a look for work needs to look at all: as long as the server's snapshot is the same, nothing has been committed since.
//!
//! Used by the store for an idle relay. Asking for the snapshot costs the server less than half of a look for work. On a server where others
//! commit all the time it would only be one more question, so it is asked once two snapshots in a row were the same.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::store::StoreError;
use crate::postgres::call;
use crate::postgres::pool::Object;
use crate::postgres::store::PgStore;

/// After this long the relay looks, whatever the snapshot says: behind a pooler the server may have become another one, whose snapshot
/// happens to be the same.
const TRUSTED: Duration = Duration::from_secs(2);

/// The answer of `has_work.sql`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glance {
    /// Whether a claim might find something.
    pub(super) has_work: bool,
    /// Whether no key waits, so that only a commit can make work.
    pub(super) is_at_rest: bool,
    /// The snapshot that it saw.
    pub(super) snapshot: String,
}

/// What the last looks saw.
#[derive(Debug, Default)]
pub(super) struct Glances {
    last: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Connects of the pool: after one the server may be another.
    connects: u64,
    snapshot: String,
    at: Instant,
    /// Whether the look before saw the same snapshot.
    is_repeated: bool,
}

impl Glances {
    /// Whether to ask for the snapshot first.
    pub(super) fn is_worth_asking(&self, connects: u64, now: Instant) -> bool {
        self.last
            .as_ref()
            .is_some_and(|seen| seen.is_repeated && seen.connects == connects && now.duration_since(seen.at) < TRUSTED)
    }

    /// Whether this snapshot is the one in which there was nothing to do.
    pub(super) fn is_same(&self, connects: u64, snapshot: &str) -> bool {
        self.last.as_ref().is_some_and(|seen| seen.connects == connects && seen.snapshot == snapshot)
    }

    /// Notes what a look saw.
    pub(super) fn note(&mut self, connects: u64, glance: &Glance, now: Instant) {
        let is_repeated = self.is_same(connects, &glance.snapshot);
        let snapshot = glance.snapshot.clone();
        // A wait becomes due without a commit.
        let lasts = !glance.has_work && glance.is_at_rest;
        self.last = lasts.then_some(Seen { connects, snapshot, at: now, is_repeated });
    }
}

impl PgStore {
    /// Whether a claim is worth a transaction, and if not, whether only a commit can change that. For an idle relay, it mostly is not.
    pub(super) async fn has_work(&self) -> Result<Glance, StoreError> {
        let _turn = self.database.turn().await;
        let client = self.database.connection().await?;
        let connects = self.database.connects().count();
        let asked = self.glance(&client, connects).await;
        if asked.is_err() {
            // Takes it out of the pool: the query may still be running there.
            drop(Object::take(client));
        }
        asked
    }

    async fn glance(&self, client: &Object, connects: u64) -> Result<Glance, StoreError> {
        const ACTION: &str = "looking for work";
        let is_worth_asking = self.glances().is_worth_asking(connects, Instant::now());
        if is_worth_asking {
            let snapshot: String = call::one(client, ACTION, &self.queries.snapshot, &[]).await?.get(0);
            if self.glances().is_same(connects, &snapshot) {
                return Ok(Glance { has_work: false, is_at_rest: true, snapshot });
            }
        }
        let row = call::one(client, ACTION, &self.queries.has_work, &[]).await?;
        let glance = Glance { has_work: row.get(0), is_at_rest: row.get(1), snapshot: row.get(2) };
        self.glances().note(connects, &glance, Instant::now());
        Ok(glance)
    }

    fn glances(&self) -> MutexGuard<'_, Glances> {
        self.glances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(snapshot: &str) -> Glance {
        Glance { has_work: false, is_at_rest: true, snapshot: snapshot.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn the_snapshot_is_asked_for_once_two_in_a_row_were_the_same_and_no_longer_than_it_is_trusted() {
        let (mut glances, now) = (Glances::default(), Instant::now());
        assert!(!glances.is_worth_asking(1, now));
        glances.note(1, &nothing("7:7:"), now);
        assert!(!glances.is_worth_asking(1, now), "others may be committing");
        glances.note(1, &nothing("7:7:"), now);
        assert!(glances.is_worth_asking(1, now) && glances.is_same(1, "7:7:") && !glances.is_same(1, "7:8:"));
        assert!(!glances.is_worth_asking(1, now + TRUSTED), "the server behind a pooler may be another");
        glances.note(1, &nothing("7:8:"), now);
        assert!(!glances.is_worth_asking(1, now), "something was committed");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_concluded_from_a_look_before_a_connect() {
        let (mut glances, now) = (Glances::default(), Instant::now());
        glances.note(1, &nothing("7:7:"), now);
        glances.note(1, &nothing("7:7:"), now);
        assert!(!glances.is_worth_asking(2, now) && !glances.is_same(2, "7:7:"));
    }

    #[tokio::test(start_paused = true)]
    async fn where_there_is_work_or_a_key_waits_a_snapshot_says_nothing() {
        let waiting = Glance { is_at_rest: false, ..nothing("7:7:") };
        let working = Glance { has_work: true, ..nothing("7:7:") };
        for other in [waiting, working] {
            let (mut glances, now) = (Glances::default(), Instant::now());
            for _ in 0..3 {
                glances.note(1, &other, now);
            }
            assert!(!glances.is_worth_asking(1, now) && !glances.is_same(1, "7:7:"), "{other:?}");
        }
    }
}
