//! The hot path: batches of rows from PostgreSQL to RabbitMQ.
//!
//! Read `batch` first: it has the order of the stages. `worker` and `probe` are the loops that call
//! it; `wake` and `rhythm` say when a worker looks for work, and `halt` when a batch has to stop.
//!
//! The stages here are `publish`, `verdict` and `settle`, and `work` is what passes through them.
//! `compose` builds messages during publish; `collect` and `decide` run between publish and settle.
//! `closing` finds out why a channel ended, `trouble` what is in trouble, `retry` has the pauses
//! between attempts, and `tally` counts and logs. `pace` and `late` remember what outlasts a batch on
//! one channel; `evidence`, with `recent`, and `marked` remember it for the process.

pub mod batch;
mod closing;
mod collect;
mod compose;
mod decide;
pub mod evidence;
pub mod halt;
pub mod late;
pub mod marked;
pub mod pace;
pub mod probe;
pub mod publish;
pub mod recent;
pub mod retry;
pub mod rhythm;
pub mod settle;
mod tally;
mod trouble;
pub mod verdict;
pub mod wake;
pub mod work;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ops::metrics::Metrics;
use crate::ops::quota::Quota;
use crate::ops::spans::Spans;
use crate::ops::vitals::Vitals;
use crate::outbox::broker::{Broker, Token};
use crate::outbox::route::RouteTable;
use crate::outbox::store::{ClaimLimits, ConfirmedCopy, Store};
use crate::relay::evidence::Evidence;
use crate::relay::late::Late;
use crate::relay::marked::Marked;
use crate::relay::pace::Pace;
use crate::relay::settle::OnDeadLetter;
use crate::relay::verdict::Policy;

/// What the workers and the probe share.
pub struct Relay<S, B> {
    /// The database.
    pub store: S,
    /// The broker.
    pub broker: B,
    /// The routes.
    pub routes: RouteTable,
    /// When an event is retried, held or given up.
    pub policy: Policy,
    /// What becomes of a key after a dead letter.
    pub on_dead_letter: OnDeadLetter,
    /// How much one claim takes.
    pub limits: ClaimLimits,
    /// How long a batch may stay open.
    pub batch_deadline: Duration,
    /// Facts beyond one batch.
    pub evidence: Evidence,
    /// What was marked outside of its batch.
    pub marked: Marked,
    /// Notified when a batch has put something on hold, so that its probe comes soon.
    pub new_hold: Notify,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Spans of the messages.
    pub spans: Spans,
    /// What the admin port shows about this process.
    pub vitals: Vitals,
    /// Keeps lines about single events from flooding the log.
    pub quota: Quota,
    /// How long stopping may take.
    pub drain_timeout: Duration,
    /// Cancelled when the relay stops: nothing more is sent, confirms are awaited.
    pub draining: CancellationToken,
}

/// A channel, of a worker or of one probe, and what is in flight on it.
pub struct Desk<C> {
    /// The channel.
    pub channel: C,
    /// Its windows.
    pub pace: Pace,
    /// What it owes from earlier batches.
    pub late: Late,
    /// Confirmed events that could not be marked yet.
    pub unmarked: Vec<ConfirmedCopy>,
    next_token: Token,
}

impl<C> Desk<C> {
    /// For a new channel.
    pub fn new(channel: C) -> Self {
        Self { channel, pace: Pace::new(), late: Late::default(), unmarked: Vec::new(), next_token: 0 }
    }
}

impl<S: Store, B: Broker> Relay<S, B> {
    /// Notes that these copies were marked outside of their batch, so their events are not in flight any more.
    fn land_marked(&self, copies: &[ConfirmedCopy]) {
        self.vitals.published(copies.len());
        self.marked.note(copies.iter().map(|copy| &copy.event));
        self.evidence.land(copies.iter().map(|copy| &copy.event));
    }
}
