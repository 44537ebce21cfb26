//! Counts and logs what happened to events. Called by `decide` with each answer, by
//! `run_batch` with what was settled or lost, and by `late` with late confirms. Decides nothing.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::outbox::broker::Broker;
use crate::outbox::event::{Event, WaitReason};
use crate::outbox::outcome::{Answer, Verdict};
use crate::outbox::route::Route;
use crate::outbox::store::{NewDeadLetter, NewWait, Settled, Settlement, Store, Until};
use crate::relay::Relay;
use crate::relay::late::Owed;
use crate::relay::verdict;
use crate::relay::work::Work;

impl<S: Store, B: Broker> Relay<S, B> {
    /// An event whose confirm did not come in time had its turn again: it was sent, or waits for something else and will be.
    pub(super) fn count_again(&self, event: &Event, verdict: &Verdict) {
        let is_owed = event.waited.as_ref().is_some_and(|waited| waited.reason == WaitReason::Unconfirmed);
        if is_owed && *verdict != Verdict::Leave {
            self.metrics.possible_duplicates(1);
        }
    }

    /// The transaction is gone: whoever takes the lanes next may send again what was sent, before its confirm is marked.
    pub(super) fn count_lost(&self, settlement: &Settlement) {
        let owed = settlement.waits.iter().filter(|wait| wait.reason == WaitReason::Unconfirmed);
        self.metrics.possible_duplicates(settlement.published.len() + owed.count());
    }

    pub(super) fn count_answer(&self, event: &Event, route: &Route, answer: &Answer) {
        match answer {
            Answer::Confirmed => {
                self.metrics.published(self.routes.label_for(&event.event_type), &route.name);
                if event.replay_id.is_none() {
                    self.metrics.delivery_lag((OffsetDateTime::now_utc() - event.created_at).as_seconds_f64());
                }
            }
            Answer::Returned { .. } => {
                self.metrics.failure("returned");
                if verdict::is_confirmed(answer) {
                    self.metrics.unrouted(&route.name);
                }
            }
            Answer::Nacked { .. } => self.metrics.failure("nacked"),
            Answer::Closed { .. } => {
                self.metrics.failure("channel_closed");
            }
            Answer::Unconfirmed => {
                self.metrics.failure("unconfirmed");
            }
            Answer::Stalled { .. } => self.metrics.failure("stalled"),
            Answer::Held { .. } | Answer::NotSent => {}
        }
    }

    /// A confirm that came after its batch; it is in the same figures as the others, or an outage would look quick.
    pub(super) fn count_late(&self, message: &Owed) {
        self.metrics.published(&message.event_type, &message.route);
        self.metrics.confirm_duration(message.sent_at.elapsed());
        if let Some(created_at) = message.created_at {
            self.metrics.delivery_lag((OffsetDateTime::now_utc() - created_at).as_seconds_f64());
        }
    }

    /// After the commit: what was retried or given up, and what the database refused.
    pub(super) fn count_settled(&self, work: &Work, settlement: &Settlement, settled: &Settled) {
        for (event_id, error) in &settled.refused {
            self.metrics.failure("settle_refused");
            if let Some(left_out) = self.quota.take() {
                let left_out = some(left_out);
                tracing::error!(%event_id, error, left_out, "the database refused a part of a batch; the event stays pending");
            }
        }
        for (event_id, error) in &settled.parked {
            self.metrics.failure("dead_letter_failed");
            if let Some(left_out) = self.quota.take() {
                let left_out = some(left_out);
                tracing::error!(%event_id, error, left_out, "an event that was given up could not be moved to the dead letters; its key waits");
            }
        }
        let is_refused = |id: &Uuid| {
            settled.refused.iter().chain(&settled.parked).any(|(refused, _)| refused == id)
                || settled.postponed.contains(id)
        };
        for wait in settlement.waits.iter().filter(|wait| !is_refused(&wait.event_id)) {
            match wait.reason {
                // It only goes on where it left off: some of its routes have confirmed.
                WaitReason::Retry if wait.until == Until::After(Duration::ZERO) => {}
                WaitReason::Retry => {
                    self.metrics.retry();
                    self.log_retry(work, wait);
                }
                WaitReason::NoRoute => {
                    self.metrics.no_route();
                    self.metrics.failure("no_route");
                    self.log_no_route(work, wait);
                }
                WaitReason::Held
                | WaitReason::Unconfirmed
                | WaitReason::AfterDeadLetter
                | WaitReason::Unreadable
                | WaitReason::DeadLetterFailed => {}
            }
        }
        for letter in settlement.dead_letters.iter().filter(|letter| !is_refused(&letter.event_id)) {
            self.metrics.dead_lettered(letter.reason.as_str());
            self.log_dead_letter(work, letter);
        }
    }

    fn log_retry(&self, work: &Work, wait: &NewWait) {
        let (event_id, key, attempt, error) = (wait.event_id, &wait.key, wait.attempts, wait.error.as_deref());
        let event = find(work, event_id);
        let (event_type, correlation_id) = type_and_correlation(event);
        let is_open = |route: &&Arc<Route>| !wait.routes_confirmed.iter().any(|name| **name == *route.name);
        let open = event.map(|event| self.routes.routes_of(event).filter(is_open).map(|route| &*route.name));
        let route = open.map(|names| names.collect::<Vec<_>>().join(","));
        tracing::debug!(%event_id, key, event_type, correlation_id, route, attempt, error, "an attempt failed; another follows");
    }

    /// A type without a route is a state, not an event: each type is said once and then now and then.
    fn log_no_route(&self, work: &Work, wait: &NewWait) {
        let Some(event) = find(work, wait.event_id) else { return };
        let (event_type, key, event_id) = (&event.event_type, &wait.key, wait.event_id);
        if let Some(left_out) = self.quota.news(&format!("no route: {event_type}")) {
            let (correlation_id, left_out) = (event.correlation_id.as_ref(), some(left_out));
            tracing::warn!(%event_id, key, event_type, correlation_id, left_out, "no route names this type; its keys wait");
        }
    }

    fn log_dead_letter(&self, work: &Work, letter: &NewDeadLetter) {
        let Some(left_out) = self.quota.take() else { return };
        let (event_id, key, reason) = (letter.event_id, &letter.key, letter.reason.as_str());
        let (event_type, correlation_id) = type_and_correlation(find(work, event_id));
        let route = (!letter.routes_failed.is_empty()).then(|| letter.routes_failed.join(","));
        let (attempt, error, left_out) = (letter.attempts, &letter.error, some(left_out));
        tracing::warn!(
            %event_id, key, event_type, correlation_id, route, attempt, reason, error, left_out, "dead letter"
        );
    }
}

fn find(work: &Work, id: Uuid) -> Option<&Event> {
    work.events.iter().find(|event| event.id == id)
}

/// Type and correlation id, as log lines carry them.
fn type_and_correlation(event: Option<&Event>) -> (Option<&String>, Option<&String>) {
    (event.map(|event| &event.event_type), event.and_then(|event| event.correlation_id.as_ref()))
}

/// A count that is only worth a field where it is not 0.
pub(super) fn some(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}
