//! Hints that there may be work: why a worker looks, and where hints are given.
//!
//! Given by the listener, by `POST /wake` and by the upkeep, taken by `relay::wake`. A hint that is lost costs at most the poll interval, or
//! a few seconds while hints announce every commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use futures_util::FutureExt;
use tokio::sync::Notify;

/// Why a worker looked for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The poll interval.
    Poll,
    /// A NOTIFY.
    Listen,
    /// `POST /wake`.
    Poke,
}

impl Cause {
    /// Every cause, for metrics that exist from the start.
    pub const ALL: [Self; 3] = [Self::Poll, Self::Listen, Self::Poke];

    /// The word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Listen => "listen",
            Self::Poke => "poke",
        }
    }
}

/// Collects hints. Several hints before the next look count as one.
#[derive(Debug, Clone, Default)]
pub struct Hints(Arc<Hint>);

#[derive(Debug, Default)]
struct Hint {
    notify: Notify,
    cause: AtomicU8,
    announce_all: AtomicBool,
}

impl Hints {
    /// Reports that there may be work.
    pub fn give(&self, cause: Cause) {
        self.0.cause.store(cause as u8, Ordering::Relaxed);
        self.0.notify.notify_one();
    }

    /// Says whether from now on every commit of events is announced by a hint. Where that ends, it is a hint itself: what was committed
    /// meanwhile is announced by nobody.
    pub fn announce_all(&self, all: bool) {
        let before = self.0.announce_all.swap(all, Ordering::Relaxed);
        if before && !all {
            self.give(Cause::Poll);
        }
    }

    /// Whether every commit of events is announced by a hint.
    pub fn are_all_announced(&self) -> bool {
        self.0.announce_all.load(Ordering::Relaxed)
    }

    /// Waits for a hint. Cancel safe.
    pub async fn taken(&self) -> Cause {
        self.0.notify.notified().await;
        self.cause()
    }

    /// Takes the hint that is there, without waiting.
    pub fn take(&self) -> Option<Cause> {
        self.0.notify.notified().now_or_never().map(|()| self.cause())
    }

    fn cause(&self) -> Cause {
        let cause = self.0.cause.load(Ordering::Relaxed);
        Cause::ALL.into_iter().find(|known| *known as u8 == cause).unwrap_or(Cause::Poll)
    }
}
