//! One batch's work as it passes the stages: the claimed events, their messages, and the broker's
//! answers.
//!
//! Made by the loops and driven by `batch`. Knows the nouns, but not the order of the stages.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use crate::outbox::broker::Token;
use crate::outbox::event::{Event, HoldId};
use crate::outbox::hold::Holds;
use crate::outbox::outcome::{Answer, Fate};
use crate::outbox::route::Route;
use crate::outbox::store::ConfirmedCopy;
use crate::quick::{QuickMap, QuickSet};

/// An event's position in its batch.
pub type Index = usize;

/// The events of one batch.
#[derive(Debug)]
pub struct Work {
    /// In `seq` order.
    pub events: Vec<Event>,
    /// The holds in force when they were claimed.
    pub holds: Holds,
    /// When the claim began.
    pub claimed_at: Instant,
    /// Per event that had its turn: what its open routes became, or its fate if the broker was not asked.
    pub plans: QuickMap<Index, Plan>,
}

/// What an event became when its turn came.
#[derive(Debug)]
pub enum Plan {
    /// Decided without the broker: it has no route, or cannot become a message.
    Decided(Fate),
    /// One entry per route that had not confirmed before.
    Routes(Vec<Leg>),
}

/// One route of one event.
#[derive(Debug)]
pub struct Leg {
    /// The route.
    pub route: Arc<Route>,
    /// Its message, the hold in its way, or its answer.
    pub state: LegState,
}

impl Leg {
    /// Whether it was composed as this message, and has no answer yet.
    pub fn is_of(&self, message: Token) -> bool {
        matches!(self.state, LegState::Composed(token) if token == message)
    }
}

/// How far a leg has come.
#[derive(Debug)]
pub enum LegState {
    /// As this message; `publish` reports whether it was sent.
    Composed(Token),
    /// Its destination is on hold.
    Held(HoldId),
    /// The broker's answer, or what stood in the way.
    Answered(Answer),
}

impl Work {
    /// Takes the events of a claim that began at `claimed_at`.
    pub fn new(events: Vec<Event>, holds: Holds, claimed_at: Instant) -> Self {
        Self { events, holds, claimed_at, plans: QuickMap::default() }
    }

    /// The events of each key, in order; only those in `allowed`. A key whose event is not allowed ends there.
    pub fn chains(&self, allowed: &QuickSet<Uuid>) -> Vec<VecDeque<Index>> {
        let mut chains: Vec<VecDeque<Index>> = Vec::new();
        let mut by_key: QuickMap<&str, Option<usize>> = QuickMap::default();
        for (index, event) in self.events.iter().enumerate() {
            let chain = by_key.entry(event.key()).or_insert_with(|| {
                chains.push(VecDeque::new());
                Some(chains.len() - 1)
            });
            if !allowed.contains(&event.id) {
                *chain = None;
            }
            if let Some(chain) = *chain {
                chains[chain].push_back(index);
            }
        }
        chains.retain(|chain| !chain.is_empty());
        chains
    }

    /// The leg of an event that was composed as this message and has no answer yet.
    pub fn leg(&self, index: Index, message: Token) -> Option<&Leg> {
        match self.plans.get(&index)? {
            Plan::Routes(legs) => legs.iter().find(|leg| leg.is_of(message)),
            Plan::Decided(_) => None,
        }
    }

    /// Which copies of these events the batch sent.
    pub fn copies(&self, of: &[Uuid]) -> Vec<ConfirmedCopy> {
        let of: QuickSet<&Uuid> = of.iter().collect();
        let sent = self.events.iter().filter(|event| of.contains(&event.id));
        sent.map(|event| ConfirmedCopy { event: event.id, replay_id: event.replay_id }).collect()
    }

    /// The ids of all events.
    pub fn ids(&self) -> impl Iterator<Item = &Uuid> {
        self.events.iter().map(|event| &event.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::fixtures;

    #[test]
    fn chains_keep_each_keys_order_and_end_at_an_event_that_is_in_flight_already() {
        let events = vec![
            fixtures::event("a", 1),
            fixtures::event("b", 2),
            fixtures::event("a", 3),
            fixtures::event("b", 4),
            fixtures::event("b", 5),
        ];
        let mut allowed: QuickSet<Uuid> = events.iter().map(|event| event.id).collect();
        let work = Work::new(events, Holds::default(), Instant::now());
        assert_eq!(work.chains(&allowed), [VecDeque::from([0, 2]), VecDeque::from([1, 3, 4])]);
        allowed.remove(&work.events[3].id);
        assert_eq!(work.chains(&allowed), [VecDeque::from([0, 2]), VecDeque::from([1])]);
        allowed.remove(&work.events[0].id);
        assert_eq!(work.chains(&allowed), [VecDeque::from([1])]);
    }
}
