//! Events that were marked outside of their batch, for the claims that were under way meanwhile.
//!
//! A batch marks its events under its lanes' locks, so no claim sees them pending any more. After a lost batch or a late confirm there is no
//! such lock: a worker can read an event as pending, lose the race to the mark, and then find it no longer in flight. It asks here before
//! it sends. One per process.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::quick::QuickMap;

/// No claim takes as long: it is a few calls of 8 s at the most.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// When which event was marked.
#[derive(Debug, Default)]
pub struct Marked(Mutex<Facts>);

#[derive(Debug, Default)]
struct Facts {
    at: QuickMap<Uuid, Instant>,
    oldest_first: VecDeque<(Instant, Uuid)>,
}

impl Marked {
    /// Notes events that have just been marked, before they count as landed.
    pub fn note<'a>(&self, events: impl IntoIterator<Item = &'a Uuid>) {
        let (mut facts, now) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        while let Some((at, event)) = facts.oldest_first.front().copied()
            && now.duration_since(at) > REMEMBERED_FOR
        {
            facts.oldest_first.pop_front();
            if facts.at.get(&event) == Some(&at) {
                facts.at.remove(&event);
            }
        }
        for event in events {
            facts.at.insert(*event, now);
            facts.oldest_first.push_back((now, *event));
        }
    }

    /// Whether an event was marked after `claimed`, when a claim that saw it pending began.
    pub fn since(&self, event: &Uuid, claimed: Instant) -> bool {
        let facts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        facts.at.get(event).is_some_and(|at| *at >= claimed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_began_before_the_mark_is_told_and_a_later_one_is_not() {
        let (marked, event) = (Marked::default(), Uuid::new_v4());
        let before = Instant::now();
        tokio::time::advance(Duration::from_millis(5)).await;
        marked.note([&event]);
        assert!(marked.since(&event, before));
        assert!(!marked.since(&Uuid::new_v4(), before));
        tokio::time::advance(Duration::from_millis(5)).await;
        assert!(!marked.since(&event, Instant::now()), "replayed since, for example");
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_claim_can_have_seen_is_forgotten() {
        let (marked, event) = (Marked::default(), Uuid::new_v4());
        let before = Instant::now();
        marked.note([&event]);
        tokio::time::advance(REMEMBERED_FOR / 2).await;
        marked.note([&event]);
        tokio::time::advance(REMEMBERED_FOR / 2 + Duration::from_secs(1)).await;
        marked.note([]);
        assert!(marked.since(&event, before), "marked again meanwhile");
        tokio::time::advance(REMEMBERED_FOR).await;
        marked.note([]);
        assert!(!marked.since(&event, before));
    }
}
