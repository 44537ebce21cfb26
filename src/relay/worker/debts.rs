//! A worker's debts: confirmed events that it has not marked yet, and messages that the broker has
//! not answered yet.

use crate::crash;
use crate::outbox::broker::{Broker, Channel, LinkState};
use crate::outbox::hold::HoldScope;
use crate::outbox::store::{Store, StoreError};
use crate::relay::evidence::Seen;
use crate::relay::late::Owed;
use crate::relay::tally;
use crate::relay::worker::Worker;
use futures_util::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

impl<S: Store, B: Broker> Worker<S, B> {
    /// Marks what was confirmed in a batch that was lost, and late confirms whose mark failed. Until that works nothing more is published,
    /// so a database that takes no marks costs at most one batch of duplicates.
    pub(super) async fn pay(&mut self) -> Result<(), StoreError> {
        if let Some(desk) = &mut self.desk {
            self.to_mark.append(&mut desk.unmarked);
        }
        if self.to_mark.is_empty() {
            return Ok(());
        }
        self.relay.store.mark_late(&self.to_mark).await?;
        self.relay.land_marked(&self.to_mark);
        self.to_mark.clear();
        Ok(())
    }

    /// Takes late answers that are there, and acts on what is overdue.
    pub(super) async fn look_after_late(&mut self) {
        let Some(desk) = &mut self.desk else { return };
        if desk.late.is_empty() {
            return;
        }
        if let Some(answers) = desk.channel.progress().now_or_never() {
            self.relay.take_late(desk, answers).await;
        }
        let timeout = self.relay.policy.confirm_timeout;
        let overdue = desk.late.overdue(timeout, Instant::now());
        let generation = desk.channel.generation();
        let mut probe_after = timeout;
        for message in &overdue {
            if !self.relay.evidence.has_answered_since(generation, message.at) {
                // The connection, or this destination: the probe on a new connection tells, and what waits for a silent destination
                // does not come first again.
                probe_after = Duration::ZERO;
                self.relay.broker.end_generation(generation, "no confirm at all within the timeout");
            }
            let Owed { flow, destination, sent_at, .. } = message;
            self.relay.evidence.failed(Seen { flow, destination, sent: *sent_at });
        }
        if overdue.is_empty() {
            return;
        }
        let scope = |owed: &Owed| self.relay.evidence.scope(&owed.flow, &owed.destination);
        let stuck: Vec<(Uuid, HoldScope)> = overdue.iter().map(|owed| (owed.event, scope(owed))).collect();
        for (_, scope) in &stuck {
            desk.late.suspend(scope.clone());
        }
        let events: Vec<Uuid> = stuck.iter().map(|(event, _)| *event).collect();
        match self.relay.store.hold_unconfirmed(&stuck, probe_after).await {
            // From now on they may be claimed again, by a probe first. A late confirm of this copy still marks them.
            Ok(()) => {
                self.relay.metrics.possible_duplicates(events.len());
                self.relay.evidence.land(&events);
                for owed in &overdue {
                    desk.pace.give_up((&owed.flow, &owed.destination));
                }
            }
            Err(error) => {
                desk.late.unreport(&events);
                let words = error.to_string();
                if let Some(left_out) = self.relay.quota.news(&words) {
                    let left_out = tally::some(left_out);
                    tracing::warn!(
                        error = words,
                        left_out,
                        "destinations that do not confirm could not be put on hold"
                    );
                }
            }
        }
    }

    /// At the end: awaits what the channel owes, for as long as the drain timeout leaves time to settle it, and marks what is owed.
    /// What has been owed for longer than the confirm timeout is not waited for: nobody knows whether it ever comes.
    pub(super) async fn hand_over(&mut self) {
        // Bounded by the drain timeout, which `app` watches.
        self.heart.rests();
        crash::point(crash::Point::WhileDraining);
        let relay = Arc::clone(&self.relay);
        let until = Instant::now() + relay.drain_timeout.mul_f64(0.8);
        let timeout = relay.policy.confirm_timeout;
        if let Some(desk) = &mut self.desk {
            while desk.late.next_overdue(timeout).is_some() && matches!(*relay.broker.link().borrow(), LinkState::Up(_))
            {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(until) => break,
                    answers = desk.channel.progress() => relay.take_late(desk, answers).await,
                }
            }
            if !desk.late.is_empty() {
                tracing::warn!(
                    unconfirmed = desk.late.len(),
                    "stopping without their confirms; they may be sent again"
                );
            }
        }
        while let Err(error) = self.pay().await {
            let words = error.to_string();
            if let Some(left_out) = self.relay.quota.news(&words) {
                let (unmarked, left_out) = (self.to_mark.len(), tally::some(left_out));
                tracing::warn!(error = words, unmarked, left_out, "confirmed events could not be marked yet");
            }
            tokio::time::sleep(self.jitter.next_pause()).await;
        }
    }
}
