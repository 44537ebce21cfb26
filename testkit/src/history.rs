//! The history of one test: what writers committed and what consumers got, in order of arrival. Writers and consumers
//! record into it from any thread; the checker judges it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use sha2::{Digest, Sha256};
use uuid::Uuid;

pub type Hash = [u8; 32];

pub fn body_hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// What must become of a committed event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    /// Ends in the dead letters with this reason and is never delivered.
    DeadLettered(String),
}

#[derive(Debug, Clone)]
pub struct Committed {
    pub id: Uuid,
    pub key: String,
    /// Position in the business order of its key.
    pub ordinal: u64,
    pub payload: Hash,
    pub fate: Fate,
    /// False when the answer to COMMIT never came: present and absent are both right until [`History::resolve`] has looked.
    pub certain: bool,
}

impl Committed {
    fn must_arrive(&self) -> bool {
        self.certain && self.fate == Fate::Delivered
    }
}

#[derive(Debug, Clone)]
pub struct Arrived {
    /// As on the wire, so that a message that is no event of ours shows up instead of breaking the recorder.
    pub message_id: String,
    pub queue: String,
    /// The `x-outbox-key` header.
    pub key: Option<String>,
    pub body: Hash,
    /// The broker gave it out before, to a consumer whose connection died: a copy that the relay did not make.
    pub redelivered: bool,
    pub at: Instant,
}

/// How far things are, to wait for quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Committed events that must arrive.
    pub due: usize,
    /// Different event ids that arrived anywhere.
    pub distinct: usize,
    pub arrivals: usize,
}

/// A handle to one shared history; clones record into the same.
#[derive(Clone, Default)]
pub struct History(Arc<Mutex<Records>>);

#[derive(Default)]
struct Records {
    committed: Vec<Committed>,
    /// COMMIT was sent, or is about to be, and its answer is not known.
    committing: HashMap<Uuid, Committed>,
    arrived: Vec<Arrived>,
    /// Event ids among the message ids.
    distinct: HashSet<Uuid>,
    /// Message ids that arrived for a replay, and its run.
    replayed: HashSet<(String, String)>,
}

impl History {
    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().expect("no recorder panicked")
    }

    pub fn commit(&self, events: impl IntoIterator<Item = Committed>) {
        self.records().committed.extend(events);
    }

    /// Before COMMIT is sent: whatever happens now, these events may exist.
    pub fn committing(&self, events: impl IntoIterator<Item = Committed>) {
        let uncertain = events.into_iter().map(|event| (event.id, Committed { certain: false, ..event }));
        self.records().committing.extend(uncertain);
    }

    /// COMMIT was answered: the events exist (`true`) or do not.
    pub fn answered(&self, ids: &[Uuid], committed: bool) {
        let mut records = self.records();
        for id in ids {
            let event = records.committing.remove(id).expect("answered() follows committing()");
            if committed {
                records.committed.push(Committed { certain: true, ..event });
            }
        }
    }

    pub fn arrive(&self, message: Arrived) {
        let mut records = self.records();
        records.distinct.extend(Uuid::try_parse(&message.message_id));
        records.arrived.push(message);
    }

    /// A message arrived that was sent for the replay `run`.
    pub fn replay(&self, message_id: &str, run: &str) {
        self.records().replayed.insert((message_id.to_owned(), run.to_owned()));
    }

    pub fn has_replay(&self, message_id: &str, run: &str) -> bool {
        self.records().replayed.contains(&(message_id.to_owned(), run.to_owned()))
    }

    pub fn committed(&self) -> Vec<Committed> {
        let records = self.records();
        records.committed.iter().chain(records.committing.values()).cloned().collect()
    }

    pub fn arrived(&self) -> Vec<Arrived> {
        self.records().arrived.clone()
    }

    pub fn progress(&self) -> Progress {
        let records = self.records();
        let due = records.committed.iter().filter(|event| event.must_arrive()).count();
        Progress { due, distinct: records.distinct.len(), arrivals: records.arrived.len() }
    }

    /// Every event that must arrive has arrived somewhere; cheap enough to poll.
    pub fn all_arrived(&self) -> bool {
        let records = self.records();
        let mut due = records.committed.iter().filter(|event| event.must_arrive());
        records.distinct.len() >= due.clone().count() && due.all(|event| records.distinct.contains(&event.id))
    }

    /// What must arrive of all that is committed now.
    pub fn due(&self) -> Vec<Uuid> {
        let records = self.records();
        records.committed.iter().filter(|event| event.must_arrive()).map(|event| event.id).collect()
    }

    /// Whether all of these have arrived somewhere.
    pub fn have_arrived(&self, ids: &[Uuid]) -> bool {
        let records = self.records();
        ids.iter().all(|id| records.distinct.contains(id))
    }

    /// After a failover that lost commits: those that are not `present` never happened. Returns them, for they may have arrived.
    pub fn forget_absent(&self, present: &HashSet<Uuid>) -> HashSet<Uuid> {
        let mut records = self.records();
        let (kept, lost): (Vec<_>, Vec<_>) =
            std::mem::take(&mut records.committed).into_iter().partition(|event| present.contains(&event.id));
        records.committed = kept;
        lost.into_iter().map(|event| event.id).collect()
    }

    pub fn uncertain(&self) -> Vec<Uuid> {
        self.records().committing.keys().copied().collect()
    }

    /// Settles the uncertain events: those `present` in the database were committed, the others never happened.
    pub fn resolve(&self, present: &HashSet<Uuid>) {
        let mut records = self.records();
        let settled = std::mem::take(&mut records.committing).into_values().filter(|event| present.contains(&event.id));
        records.committed.extend(settled.map(|event| Committed { certain: true, ..event }));
    }
}
