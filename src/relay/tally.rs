//! Counts and logs what became of events. Called by `run_batch` with each answer and each verdict; decides nothing.

use time::OffsetDateTime;

use crate::relay::Relay;
use crate::relay::answer::{Answer, Verdict};
use crate::relay::broker::Broker;
use crate::relay::event::Event;
use crate::relay::routing::Route;
use crate::relay::store::Store;
use crate::relay::verdict;

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

    pub(super) fn count_verdict(&self, event: &Event, verdict: &Verdict) {
        match verdict {
            Verdict::Retry { attempts, error, .. } => {
                self.metrics.retry();
                tracing::debug!(event_id = %event.id, key = event.key(), event_type = event.event_type, attempts, error, "retry");
            }
            Verdict::DeadLetter { reason, attempts, error } => {
                self.metrics.dead_lettered(reason.as_str());
                let reason = reason.as_str();
                tracing::warn!(event_id = %event.id, key = event.key(), event_type = event.event_type, correlation_id = event.correlation_id, reason, attempts, error, "dead letter");
            }
            Verdict::NoRoute { .. } => {
                self.metrics.no_route();
                self.metrics.failure("no_route");
            }
            Verdict::Published
            | Verdict::Hold { .. }
            | Verdict::WaitForHold { .. }
            | Verdict::AwaitConfirm { .. }
            | Verdict::Leave => {}
        }
    }
}
