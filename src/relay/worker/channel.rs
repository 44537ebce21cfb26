//! A worker's channel: opened on the present connection, given up with it, and not used while the
//! connection is silent.

use crate::outbox::broker::{Broker, Channel, ChannelUser, LinkState};
use crate::outbox::store::Store;
use crate::relay::Desk;
use crate::relay::worker::Worker;
use std::time::Duration;
use tokio::time::Instant;

impl<S: Store, B: Broker> Worker<S, B> {
    /// Makes sure of a channel on the present connection; a dead one is buried first.
    pub(super) async fn has_channel(&mut self) -> bool {
        let state = *self.relay.broker.link().borrow();
        let usable = self.desk.as_ref().is_some_and(|desk| {
            let lost = match state {
                LinkState::Down => true,
                LinkState::Up(generation) | LinkState::Blocked(generation) => generation != desk.channel.generation(),
            };
            !lost && desk.channel.close_reason().is_none()
        });
        if !usable {
            self.bury_desk().await;
        }
        self.note_blocked(state);
        match state {
            LinkState::Down | LinkState::Blocked(_) => false,
            LinkState::Up(_) if self.desk.is_some() => true,
            LinkState::Up(_) => match self.relay.broker.open(self.channel_user()).await {
                Ok(channel) => {
                    self.desk = Some(Desk::new(channel));
                    true
                }
                Err(error) => {
                    tracing::debug!(%error, "no channel");
                    false
                }
            },
        }
    }

    fn channel_user(&self) -> ChannelUser {
        if self.number == 0 { ChannelUser::FirstWorker } else { ChannelUser::Helper }
    }

    /// Confirm deadlines do not run while the broker blocks the connection.
    pub(super) fn note_blocked(&mut self, state: LinkState) {
        let is_blocked = matches!(state, LinkState::Blocked(_));
        if self.was_blocked
            && !is_blocked
            && let Some(desk) = &mut self.desk
        {
            desk.late.restart_clocks(Instant::now());
        }
        self.was_blocked = is_blocked;
    }

    /// What a dead channel owed will never be answered: those events are due at once.
    pub(super) async fn bury_desk(&mut self) {
        let Some(mut desk) = self.desk.take() else { return };
        self.to_mark.append(&mut desk.unmarked);
        let unanswered = desk.late.abandon();
        if unanswered.is_empty() {
            return;
        }
        // Each is counted as it has its turn again.
        if let Err(error) = self.relay.store.recheck(&unanswered).await {
            tracing::debug!(%error, "unanswered events wait for their timeout");
        }
        self.relay.evidence.land(&unanswered);
    }

    /// Whether the connection owes confirms and has given none for a while: nothing more is risked on it.
    pub(super) fn is_silent(&self, generation: u64) -> bool {
        let Some(desk) = &self.desk else { return true };
        let since = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now);
        desk.late.oldest().is_some_and(|oldest| oldest < since)
            && !self.relay.evidence.has_answered_since(generation, since)
            && self.relay.evidence.in_flight() > 0
    }
}
