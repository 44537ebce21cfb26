//! Settles confirms that come after their batch has ended.
//!
//! Called by the worker for confirms that its channel still owes, and by `collect` for those that
//! came while a batch was published.

use crate::outbox::broker::{Broker, Channel, Reply, Token};
use crate::outbox::hold::HoldScope;
use crate::outbox::store::{Store, StoreError};
use crate::relay::evidence::Seen;
use crate::relay::{Desk, Relay, tally};
use tokio::time::Instant;
use uuid::Uuid;

impl<S: Store, B: Broker> Relay<S, B> {
    /// Settles answers to messages of earlier batches, and opens their flows' windows.
    pub async fn take_late(&self, desk: &mut Desk<B::Channel>, answers: Vec<(Token, Reply)>) {
        for (token, reply) in &answers {
            if let Some(owed) = desk.late.owed(*token) {
                let way = (&owed.flow, &owed.destination);
                desk.pace.answered(way, *reply == Reply::Confirmed, owed.sent_at, Instant::now());
            }
        }
        self.settle_late(desk, answers).await;
    }

    pub(in crate::relay) async fn settle_late(&self, desk: &mut Desk<B::Channel>, answers: Vec<(Token, Reply)>) {
        if answers.is_empty() {
            return;
        }
        let generation = desk.channel.generation();
        let settles = desk.late.answered(answers);
        let confirmed = settles.messages.iter();
        let seen = confirmed.map(|owed| Seen { flow: &owed.flow, destination: &owed.destination, sent: owed.sent_at });
        self.evidence.accepted(seen, generation);
        for message in &settles.messages {
            self.count_late(message);
        }
        if !settles.confirmed.is_empty() {
            match self.store.mark_late(&settles.confirmed).await {
                Ok(()) => self.land_marked(&settles.confirmed),
                Err(error) => {
                    self.metrics.failure("late_settle");
                    let words = error.to_string();
                    if let Some(left_out) = self.quota.news(&words) {
                        let (events, left_out) = (settles.confirmed.len(), tally::some(left_out));
                        tracing::warn!(error = words, events, left_out, "late confirms could not be marked yet");
                    }
                    desk.unmarked.extend(settles.confirmed);
                }
            }
        }
        // The routes first: what makes their events due comes after.
        let noted = if settles.routes.is_empty() { Ok(()) } else { self.store.note_routes(&settles.routes).await };
        self.evidence.land(&settles.recheck);
        let went_on = match noted {
            Ok(()) => self.go_on_after(&settles.recheck, &settles.alive).await,
            Err(error) => Err(error),
        };
        if let Err(error) = went_on {
            // Not fatal: waits time out and probes lift holds. A route not noted is sent again.
            self.metrics.failure("late_settle");
            tracing::debug!(%error, "late answers could not be settled");
        }
        self.metrics.in_flight(self.evidence.in_flight());
    }

    pub(super) async fn go_on_after(&self, recheck: &[Uuid], alive: &[HoldScope]) -> Result<(), StoreError> {
        if !recheck.is_empty() {
            self.store.recheck(recheck).await?;
        }
        if !alive.is_empty() {
            self.store.lift_unconfirmed(alive).await?;
        }
        Ok(())
    }
}
