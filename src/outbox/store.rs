//! The seam to the database: claiming events and settling what became of them.
//!
//! The relay runs on PostgreSQL through `link::store`; the simulation of the tests implements the same traits in memory.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::outbox::destination::Destination;
use crate::outbox::event::{Event, FailureReason, HoldId, WaitReason};
use crate::outbox::hold::{HoldKind, HoldScope, Holds};

/// How much one claim may take.
#[derive(Debug, Clone, Copy)]
pub struct ClaimLimits {
    /// Lanes, 1 to 64.
    pub lanes: usize,
    /// Events.
    pub events: usize,
    /// Bytes of payload; a single larger event goes alone.
    pub bytes: usize,
    /// Events of one key.
    pub events_of_key: usize,
    /// The largest payload that is fetched, in bytes.
    pub payload_bytes: usize,
}

/// What a claim took. The batch holds the lanes until it is settled or dropped.
#[derive(Debug)]
pub struct Claim<B> {
    /// The open transaction; absent when nothing was due.
    pub batch: Option<B>,
    /// In `seq` order.
    pub events: Vec<Event>,
    /// The holds in force.
    pub holds: Holds,
    /// Whether a limit cut it short, so that more is due at once.
    pub full: bool,
}

/// The oldest event that waits for a hold whose probe is due.
#[derive(Debug)]
pub struct ProbeClaim<B> {
    /// The open transaction.
    pub batch: B,
    /// The event to try.
    pub event: Event,
    /// The hold that it probes.
    pub hold: HoldId,
    /// What the hold covers.
    pub scope: HoldScope,
    /// Probes before this one.
    pub probes: u32,
    /// Why the destination is on hold.
    pub kind: HoldKind,
    /// The other holds in force, for a probe of this one.
    pub holds: Holds,
}

/// When a wait ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After this pause.
    After(Duration),
    /// Not by itself: a probe, a late confirm or an operator ends it.
    Lifted,
}

/// A key that has to wait from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct NewWait {
    /// The key.
    pub key: String,
    /// The key's lane.
    pub lane: i16,
    /// Its head.
    pub event_id: Uuid,
    /// The head's seq.
    pub seq: i64,
    /// Why.
    pub reason: WaitReason,
    /// Attempts charged so far.
    pub attempts: u32,
    /// Until when.
    pub until: Until,
    /// The hold that it waits for.
    pub hold: Option<WaitsFor>,
    /// What happened, for an operator.
    pub error: Option<String>,
    /// Routes that are done with.
    pub routes_confirmed: Vec<String>,
}

/// The hold of a wait.
#[derive(Debug, Clone, PartialEq)]
pub enum WaitsFor {
    /// One that is there.
    Existing(HoldId),
    /// One that the same settlement puts in force.
    New(HoldScope),
}

/// A destination that goes on hold.
#[derive(Debug, Clone, PartialEq)]
pub struct NewHold {
    /// What it covers.
    pub scope: HoldScope,
    /// Why.
    pub kind: HoldKind,
    /// What the broker said.
    pub error: String,
    /// When it is probed first.
    pub probe_after: Duration,
}

/// An event that will not be tried again.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDeadLetter {
    /// The event.
    pub event_id: Uuid,
    /// Its key, for the log and for `after_dead_letter`.
    pub key: String,
    /// Why.
    pub reason: FailureReason,
    /// What happened.
    pub error: String,
    /// Attempts charged.
    pub attempts: u32,
    /// Routes that have it.
    pub routes_confirmed: Vec<String>,
    /// Routes that do not.
    pub routes_failed: Vec<String>,
    /// Set where the policy is to keep the key waiting.
    pub key_waits: Option<(i16, i64)>,
}

/// What a probe found out about its hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeResult {
    /// The destination takes messages again: the hold and the waits it caused are lifted.
    Accepted(HoldId),
    /// Not yet: the next probe comes after the pause.
    Refused(HoldId, Duration),
}

/// Everything a batch changes, in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settlement {
    /// Events that are marked published.
    pub published: Vec<Uuid>,
    /// Keys that wait.
    pub waits: Vec<NewWait>,
    /// Destinations that go on hold.
    pub holds: Vec<NewHold>,
    /// Events that are moved to the dead letters.
    pub dead_letters: Vec<NewDeadLetter>,
    /// What a probe found.
    pub probe: Option<ProbeResult>,
}

impl Settlement {
    /// For how many events anything changes.
    pub fn changes(&self) -> usize {
        self.published.len() + self.waits.len() + self.dead_letters.len()
    }
}

/// What settling could not do; the rest is committed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Waits and dead letters that the database refused, by event; their events stay pending.
    pub refused: Vec<(Uuid, String)>,
}

/// A copy of an event that the broker confirmed on every route, and that may not be marked yet. The replay tells it from a copy that was
/// sent before the event was replayed, whose confirm says nothing of the one that the replay asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmedCopy {
    /// The event.
    pub event: Uuid,
    /// The replay that it was sent for, if any.
    pub replay_id: Option<Uuid>,
}

/// A route that confirmed late, of an event that is not done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateRoute {
    /// The event.
    pub event: Uuid,
    /// The replay that it was sent for, if any.
    pub replay_id: Option<Uuid>,
    /// The route.
    pub route: Arc<str>,
}

/// The database cannot be used, or said no.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No usable connection.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// A statement failed or took too long; the transaction is gone.
    #[error("{action}: {error}")]
    Failed {
        /// What was being done.
        action: &'static str,
        /// What the database said.
        error: String,
        /// Whether the same again may succeed: a deadlock, a serialization failure, a lock that took too long.
        passing: bool,
    },
    /// The tables are missing or not of this relay's version.
    #[error("{0}")]
    Schema(String),
    /// Fewer events were marked than were confirmed, and they are still pending: a trigger or a policy is in the way.
    #[error(
        "{still_pending} confirmed events could not be marked published; look for a trigger or a row policy on the events table"
    )]
    MarksRefused {
        /// How many.
        still_pending: i64,
    },
}

impl StoreError {
    /// Its kind, one word, for `/status`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Failed { .. } => "failed",
            Self::Schema(_) => "schema",
            Self::MarksRefused { .. } => "marks_refused",
        }
    }

    /// Whether the database answered at all.
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Unreachable(_))
    }
}

/// A database that hands out batches.
pub trait Store: Send + Sync + 'static {
    /// Its open transaction.
    type Batch: Batch;

    /// Claims due events of free lanes. `hinted` says that somebody knows of some; otherwise a store may ask first, where the last claim
    /// left nothing behind.
    fn claim(
        &self,
        limits: &ClaimLimits,
        hinted: bool,
    ) -> impl Future<Output = Result<Claim<Self::Batch>, StoreError>> + Send;

    /// Claims the event that probes the next due hold, if there is one.
    fn claim_probe(
        &self,
        limits: &ClaimLimits,
    ) -> impl Future<Output = Result<Option<ProbeClaim<Self::Batch>>, StoreError>> + Send;

    /// Marks events whose confirm came after their batch, and lets their keys go on. True whoever does it, so it takes no lane. An event
    /// that was replayed since the copy was sent is left alone.
    fn mark_late(&self, confirmed: &[ConfirmedCopy]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes routes that confirmed late, of events that wait for another route.
    fn note_routes(&self, routes: &[LateRoute]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes unconfirmed events due at once: their answer came late, and it was not a confirm.
    fn recheck(&self, events: &[Uuid]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts the destinations of events that stay unconfirmed on hold.
    fn hold_unconfirmed(
        &self,
        stuck: &[(Uuid, Destination)],
        probe_after: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lifts the holds that a late confirm of the destination disproves.
    fn lift_unconfirmed(&self, destinations: &[Destination]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// An open batch. Dropping it gives the lanes back and changes nothing.
pub trait Batch: Send + 'static {
    /// Writes everything and commits. On an error nothing was committed, or it is unknown whether it was.
    fn settle(self, settlement: &Settlement) -> impl Future<Output = Result<Settled, StoreError>> + Send;
}
