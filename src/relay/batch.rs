//! The order of the stages in one batch:
//!
//! ```text
//! wake ──► claim ──► route ──► envelope ──► message ──► publish ──► verdict ──► settle
//! ```
//!
//! `worker` and `probe` wake and claim, then call `run_batch` for the rest. Route, envelope and message
//! run inside publish (`compose`), for one event at a time when its turn comes.

use crate::crash;
use crate::outbox::broker::Broker;
use crate::outbox::store::{Batch, ConfirmedCopy, Store, StoreError};
use crate::quick::QuickSet;
use crate::relay::halt::Halt;
use crate::relay::publish;
use crate::relay::publish::Ends;
use crate::relay::work::{Index, Work};
use crate::relay::{Desk, Relay};
use tokio::time::Instant;
use uuid::Uuid;

impl<S: Store, B: Broker> Relay<S, B> {
    /// Takes a claimed batch through the stages after the claim.
    pub async fn run_batch<T: Batch>(
        &self,
        desk: &mut Desk<B::Channel>,
        batch: T,
        mut work: Work,
        halt: &mut Halt,
    ) -> BatchEnd {
        let started = Instant::now();
        let deadline = started + self.batch_deadline;
        // What was marked while this claim was under way may have been read as pending.
        let unmarked = work.ids().filter(|id| !self.marked.since(id, work.claimed_at)).copied();
        let allowed = self.evidence.take_off(unmarked);
        let chains = work.chains(&allowed);
        self.metrics.batch_events(work.events.len());
        let report = {
            let Work { events, holds, plans, .. } = &mut work;
            let Desk { channel, pace, late, next_token, .. } = desk;
            let mut compose = |index: Index| {
                let (plan, composed) = self.compose(&events[index], holds, next_token);
                plans.insert(index, plan);
                composed
            };
            let owed = |token| {
                late.owed(token).map(|owed| publish::Owed {
                    flow: owed.flow.clone(),
                    destination: owed.destination.clone(),
                    sent: owed.sent_at,
                })
            };
            publish::publish(channel, pace, chains, &mut Ends { compose: &mut compose, owed: &owed }, halt, deadline)
                .await
        };
        let published = started.elapsed();
        let in_doubt = !self.recall(&batch, &work, &report).await;
        self.collect(desk, &mut work, report, deadline, in_doubt).await;
        let mut settlement = self.judge(&mut work);
        settlement.flows = self.evidence.take_unsaved();
        if !settlement.published.is_empty() {
            crash::point(crash::Point::BeforeSettle);
        }
        let end = match batch.settle(&settlement).await {
            Ok(settled) => {
                self.vitals.settled_batch();
                self.vitals.published(settlement.published.len());
                if !settlement.holds.is_empty() {
                    self.new_hold.notify_one();
                }
                self.count_settled(&work, &settlement, &settled);
                // A part that the database refuses comes back at once; without a pause that would be a hot loop.
                let changes = settlement.changes();
                if settled.flows_refused {
                    self.evidence.give_back(settlement.flows);
                }
                BatchEnd::Settled(if settled.refused.is_empty() { changes } else { 0 })
            }
            Err(error) => {
                self.count_lost(&settlement);
                self.evidence.give_back(std::mem::take(&mut settlement.flows));
                BatchEnd::Lost { confirmed: work.copies(&settlement.published), error }
            }
        };
        self.land(desk, &work, &allowed, &end);
        tracing::debug!(events = allowed.len(), ?published, settled = ?started.elapsed(), "batch");
        end
    }

    /// Notes that the events of a batch that has ended are not in flight any more, settled or not. Those whose confirm the channel owes,
    /// and those that have yet to be marked, stay noted.
    pub(super) fn land(&self, desk: &Desk<B::Channel>, work: &Work, allowed: &QuickSet<Uuid>, end: &BatchEnd) {
        let owed: QuickSet<Uuid> = match end {
            BatchEnd::Settled(_) => QuickSet::default(),
            BatchEnd::Lost { confirmed, .. } => confirmed.iter().map(|copy| copy.event).collect(),
        };
        let landed = work.ids().filter(|id| allowed.contains(*id) && !desk.late.keeps(id) && !owed.contains(*id));
        self.evidence.land(landed);
        self.metrics.in_flight(self.evidence.in_flight());
    }
}

/// How a batch ended.
#[derive(Debug)]
pub enum BatchEnd {
    /// Committed; how many events it changed, or 0 if the database refused any part, so that the worker pauses.
    Settled(usize),
    /// The transaction was lost: these confirmed events have to be marked before anything else is published.
    Lost {
        /// Confirmed, perhaps not marked.
        confirmed: Vec<ConfirmedCopy>,
        /// Why.
        error: StoreError,
    },
}
