//! Counts and logs what became of events. Called by `run_batch` with each answer and, after the commit, with what was settled; decides
//! nothing.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::relay::Relay;
use crate::relay::answer::Answer;
use crate::relay::broker::Broker;
use crate::relay::event::{Event, WaitReason};
use crate::relay::routing::Route;
use crate::relay::store::{Settled, Settlement, Store, Until};
use crate::relay::verdict;
use crate::relay::work::Work;

impl<S: Store, B: Broker> Relay<S, B> {
    pub(super) fn count_answer(&self, event: &Event, route: &Route, answer: &Answer) {
        match answer {
            Answer::Confirmed => {
                self.metrics.attempt(&route.name);
                self.metrics.published(self.routes.label_for(&event.event_type), &route.name);
                if event.replay_id.is_none() {
                    self.metrics.delivery_lag((OffsetDateTime::now_utc() - event.created_at).as_seconds_f64());
                }
            }
            Answer::Returned { .. } => {
                self.metrics.attempt(&route.name);
                self.metrics.failure("returned");
                if verdict::is_confirmed(answer) {
                    self.metrics.unrouted(&route.name);
                }
            }
            Answer::Nacked { .. } => self.metrics.failure("nacked"),
            Answer::Closed { .. } => {
                self.metrics.attempt(&route.name);
                self.metrics.failure("channel_closed");
            }
            Answer::Unconfirmed => {
                self.metrics.attempt(&route.name);
                self.metrics.failure("unconfirmed");
            }
            Answer::Stalled { .. } => self.metrics.failure("stalled"),
            Answer::Held { .. } | Answer::NotSent => {}
        }
    }

    /// After the commit: what was retried or given up, and what the database refused.
    pub(super) fn count_settled(&self, work: &Work, settlement: &Settlement, settled: &Settled) {
        for (event_id, error) in &settled.refused {
            self.metrics.failure("settle_refused");
            if let Some(left_out) = self.quota.take() {
                tracing::error!(%event_id, error, left_out, "the database refused a part of a batch; the event stays pending");
            }
        }
        let is_refused = |id: &Uuid| settled.refused.iter().any(|(refused, _)| refused == id);
        for wait in settlement.waits.iter().filter(|wait| !is_refused(&wait.event_id)) {
            match wait.reason {
                // It only goes on where it left off: some of its routes have confirmed.
                WaitReason::Retry if wait.until == Until::After(Duration::ZERO) => {}
                WaitReason::Retry => {
                    self.metrics.retry();
                    let (event_id, attempts, error) = (wait.event_id, wait.attempts, wait.error.as_deref());
                    tracing::debug!(%event_id, key = wait.key, attempts, error, "retry");
                }
                WaitReason::NoRoute => {
                    self.metrics.no_route();
                    self.metrics.failure("no_route");
                }
                WaitReason::Held | WaitReason::Unconfirmed | WaitReason::AfterDeadLetter => {}
            }
        }
        for letter in settlement.dead_letters.iter().filter(|letter| !is_refused(&letter.event_id)) {
            self.metrics.dead_lettered(letter.reason.as_str());
            let Some(left_out) = self.quota.take() else { continue };
            let event = work.events.iter().find(|event| event.id == letter.event_id);
            let (event_id, reason, attempts, error) =
                (letter.event_id, letter.reason.as_str(), letter.attempts, &letter.error);
            let (event_type, correlation_id) =
                (event.map(|event| &event.event_type), event.and_then(|event| event.correlation_id.as_ref()));
            tracing::warn!(
                %event_id, key = letter.key, event_type, correlation_id, reason, attempts, error, left_out, "dead letter"
            );
        }
    }
}
