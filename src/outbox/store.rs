//! The seam to the database: claims events, and settles the outcome.
//!
//! `postgres::store` implements it for PostgreSQL; the tests' simulation implements the same traits
//! in memory.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::outbox::event::{Event, FailureReason, HoldId, WaitReason};
use crate::outbox::flow::Flow;
use crate::outbox::hold::{HoldKind, HoldScope, Holds};

/// The limits of one claim.
#[derive(Debug, Clone, Copy)]
pub struct ClaimLimits {
    /// Lanes, 1 to 64.
    pub lanes: usize,
    /// Events.
    pub events: usize,
    /// Bytes of payload; a larger event is claimed alone.
    pub bytes: usize,
    /// Events of one key.
    pub events_of_key: usize,
    /// The largest payload to fetch, in bytes.
    pub payload_bytes: usize,
}

/// The result of a claim. The batch holds the lanes until it is settled or dropped.
#[derive(Debug)]
pub struct Claim<B> {
    /// The open transaction; `None` if nothing was due.
    pub batch: Option<B>,
    /// In `seq` order.
    pub events: Vec<Event>,
    /// The holds in force.
    pub holds: Holds,
    /// Whether a limit cut it short, so that more events are due now.
    pub full: bool,
    /// Whether nothing is pending and no key waits, as far as that was asked: then only a commit can make work.
    pub is_at_rest: bool,
    /// Keys that were parked on the way, because the event at their head cannot be read.
    pub unreadable: usize,
}

impl<B> Claim<B> {
    /// Nothing was due. `is_at_rest`: and only a commit can make work, as far as that was asked.
    pub fn nothing(is_at_rest: bool) -> Self {
        Self { batch: None, events: Vec::new(), holds: Holds::default(), full: false, is_at_rest, unreadable: 0 }
    }
}

/// What becomes of a confirmed event's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marking {
    /// Deletes the row instead of marking it: there is no history.
    pub deletes: bool,
    /// Whether a transaction that does nothing but mark or delete confirmed events waits until it is on disk. Dead letters, waits and holds
    /// always do.
    pub is_durable: bool,
}

impl Default for Marking {
    /// Marks, durably.
    fn default() -> Self {
        Self { deletes: false, is_durable: true }
    }
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
    /// The other holds in force, from the view of this probe.
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

/// A key that must wait from now on.
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
    /// The error, for operators.
    pub error: Option<String>,
    /// Routes that are done.
    pub routes_confirmed: Vec<String>,
    /// The event's type, where no route names it: a relay that knows it ends the wait.
    pub no_route_type: Option<String>,
}

/// The hold of a wait.
#[derive(Debug, Clone, PartialEq)]
pub enum WaitsFor {
    /// An existing hold.
    Existing(HoldId),
    /// A hold that the same settlement creates.
    New(HoldScope),
}

/// A destination to put on hold.
#[derive(Debug, Clone, PartialEq)]
pub struct NewHold {
    /// What it covers.
    pub scope: HoldScope,
    /// Why.
    pub kind: HoldKind,
    /// The broker's message.
    pub error: String,
    /// When it is probed first.
    pub probe_after: Duration,
}

/// An event to give up.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDeadLetter {
    /// The event.
    pub event_id: Uuid,
    /// Its key.
    pub key: String,
    /// The key's lane.
    pub lane: i16,
    /// Its seq.
    pub seq: i64,
    /// Why.
    pub reason: FailureReason,
    /// The error.
    pub error: String,
    /// Attempts charged.
    pub attempts: u32,
    /// Routes that confirmed it.
    pub routes_confirmed: Vec<String>,
    /// Routes that failed.
    pub routes_failed: Vec<String>,
    /// Whether the policy is to keep the key waiting.
    pub key_waits: bool,
}

/// The result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeResult {
    /// The destination takes messages again: the hold is lifted. Its waits are due as soon as `Store::lift_waits` has come to them.
    Accepted(HoldId),
    /// Not yet: probe again after the pause.
    Refused(HoldId, Duration),
}

/// Everything that a batch changes, in one transaction.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settlement {
    /// Events to mark published.
    pub published: Vec<Uuid>,
    /// Keys that must wait.
    pub waits: Vec<NewWait>,
    /// Destinations to put on hold.
    pub holds: Vec<NewHold>,
    /// Events to move to the dead letters.
    pub dead_letters: Vec<NewDeadLetter>,
    /// The result of the probe.
    pub probe: Option<ProbeResult>,
    /// Flows that are confirmed for the first time, as far as this process knows.
    pub flows: Vec<Flow>,
}

impl Settlement {
    /// Whether it marks confirmed events and changes nothing else that anybody would miss.
    pub fn only_marks(&self) -> bool {
        let Self { published: _, waits, holds, dead_letters, probe, flows } = self;
        waits.is_empty() && holds.is_empty() && dead_letters.is_empty() && probe.is_none() && flows.is_empty()
    }

    /// How many events it changes.
    pub fn changes(&self) -> usize {
        self.published.len() + self.waits.len() + self.dead_letters.len()
    }
}

/// What settling could not do; the rest is committed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Waits and dead letters that the database refused, by event. Their events stay pending.
    pub refused: Vec<(Uuid, String)>,
    /// Dead letters that could not be moved, by event, and why: their keys wait for that.
    pub parked: Vec<(Uuid, String)>,
    /// Dead letters that were not tried, because another one took too long: their keys wait for a moment.
    pub postponed: Vec<Uuid>,
    /// Whether that flows were confirmed could not be noted.
    pub flows_refused: bool,
}

/// A copy of an event that the broker confirmed on every route, and that may not be marked yet. The
/// replay distinguishes it from copies sent before the event was replayed, whose confirms say
/// nothing about the copy that the replay sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfirmedCopy {
    /// The event.
    pub event: Uuid,
    /// The replay that it was sent for, if any.
    pub replay_id: Option<Uuid>,
}

/// A route that confirmed late, of an event that is not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateRoute {
    /// The event.
    pub event: Uuid,
    /// The replay that it was sent for, if any.
    pub replay_id: Option<Uuid>,
    /// The route.
    pub route: Arc<str>,
}

/// What a statement's failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A second try may succeed: a deadlock, a serialization failure, a lock that took too long.
    Passing,
    /// One of its rows: its data, its size, or how it is stored.
    Row,
    /// The statement took too long.
    Slow,
    /// A table or the schema is not there.
    Missing,
    /// Anything else.
    Other,
}

/// The database cannot be used, or refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No usable connection.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The server takes no writes: a standby, or one that was made read-only.
    #[error("the database takes no writes: {0}")]
    ReadOnly(String),
    /// A statement failed or took too long; the transaction is lost.
    #[error("{action}: {error}")]
    Failed {
        /// What was being done.
        action: &'static str,
        /// The database's message.
        error: String,
        /// What it is about, by its SQLSTATE.
        cause: Cause,
    },
    /// The tables are missing, or have another version than this relay needs.
    #[error("{0}")]
    Schema(String),
    /// Some confirmed events were not marked and are still pending, because of a trigger or a
    /// policy.
    #[error(
        "{still_pending} confirmed events cannot be marked published; look for a trigger or a row policy on the events table"
    )]
    MarksRefused {
        /// How many.
        still_pending: i64,
    },
}

impl StoreError {
    /// Its kind for `/status`, as one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::ReadOnly(_) => "read_only",
            Self::Failed { .. } => "failed",
            Self::Schema(_) => "schema",
            Self::MarksRefused { .. } => "marks_refused",
        }
    }

    /// Whether it is about a row, and not about the database or the statement.
    pub fn is_about_row(&self) -> bool {
        matches!(self, Self::Failed { cause: Cause::Row, .. })
    }

    /// Whether a database that could be used answered.
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Unreachable(_) | Self::ReadOnly(_))
    }
}

/// A database that hands out batches.
pub trait Store: Send + Sync + 'static {
    /// Its open transaction.
    type Batch: Batch;

    /// Claims due events of free lanes. `hinted` says that there probably are some; otherwise a
    /// store may ask first if the last claim left nothing behind.
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

    /// Marks confirmed events outside of their batch: the confirm came after it, or the batch was
    /// lost. Makes their waits due, so that the next claim lets their keys continue. The mark is true
    /// whoever writes it, so this takes no lane. Skips an event that was replayed after the copy was
    /// sent.
    fn mark_late(&self, confirmed: &[ConfirmedCopy]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records routes that confirmed late, for events that wait for another route.
    fn note_routes(&self, routes: &[LateRoute]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes unconfirmed events due at once: their late answer was not a confirm, or their channel is gone and no answer can come.
    fn recheck(&self, events: &[Uuid]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts on hold where events went that stay unconfirmed.
    fn hold_unconfirmed(
        &self,
        stuck: &[(Uuid, HoldScope)],
        probe_after: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes everything due that waits for a hold that has just been lifted, in as many transactions as that takes. Where it ends early, the
    /// upkeep does the rest.
    fn lift_waits(&self, hold: HoldId) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lifts the holds that a late confirm disproves, and what waits for them.
    fn lift_unconfirmed(&self, scopes: &[HoldScope]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Has the holds probed soon whose confirms an ended connection may have owed: nothing else tells that they are well again.
    fn probe_unconfirmed(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// An open batch. Dropping it releases the lanes and changes nothing.
pub trait Batch: Send + Sync + 'static {
    /// Which of these flows were ever confirmed, by any relay.
    fn confirmed_flows(&self, flows: &[Flow]) -> impl Future<Output = Result<Vec<Flow>, StoreError>> + Send;

    /// Writes everything and commits. On an error, nothing was committed, or it is unknown whether
    /// it was.
    fn settle(self, settlement: &Settlement) -> impl Future<Output = Result<Settled, StoreError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_settlement_that_marks_and_nothing_else_may_do_without_the_disk() {
        let marks = Settlement { published: vec![Uuid::nil()], ..Settlement::default() };
        assert!(marks.only_marks());
        let hold = NewHold {
            scope: HoldScope::Exchange("e".into()),
            kind: HoldKind::Refused,
            error: String::new(),
            probe_after: Duration::ZERO,
        };
        let flow = Flow { exchange: "e".into(), template: "t".into() };
        for more in [
            Settlement { holds: vec![hold], ..marks.clone() },
            Settlement { flows: vec![flow], ..marks.clone() },
            Settlement { probe: Some(ProbeResult::Accepted(1)), ..marks.clone() },
        ] {
            assert!(!more.only_marks(), "{more:?}");
        }
    }
}
