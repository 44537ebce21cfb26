//! When a batch must stop early: the link is blocked or lost, or the relay is shutting down. Made by
//! the worker and the probe, checked by publish.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::outbox::broker::LinkState;

/// The two signals that end a batch early, seen from one generation of the connection.
#[derive(Debug, Clone)]
pub struct Halt {
    link: watch::Receiver<LinkState>,
    generation: u64,
    draining: CancellationToken,
    heard_draining: bool,
}

impl Halt {
    /// For work on the connection `generation`.
    pub fn new(link: watch::Receiver<LinkState>, generation: u64, draining: CancellationToken) -> Self {
        Self { link, generation, heard_draining: draining.is_cancelled(), draining }
    }

    /// Whether to go on waiting for answers: not once the connection is blocked or lost.
    pub fn may_continue(&self) -> bool {
        *self.link.borrow() == LinkState::Up(self.generation)
    }

    /// Whether more may be sent.
    pub fn may_send(&self) -> bool {
        self.may_continue() && !self.draining.is_cancelled()
    }

    /// Whether the connection itself is gone, so that no answer will ever come on it.
    pub fn link_is_lost(&self) -> bool {
        match *self.link.borrow() {
            LinkState::Down => true,
            LinkState::Up(generation) | LinkState::Blocked(generation) => generation != self.generation,
        }
    }

    /// Waits until one of the signals changes. Cancel safe.
    pub async fn changed(&mut self) {
        tokio::select! {
            biased;
            changed = self.link.changed() => {
                if changed.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            () = self.draining.cancelled(), if !self.heard_draining => self.heard_draining = true,
        }
    }
}
