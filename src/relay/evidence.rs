//! What this process has seen of destinations, events and connections beyond one batch: facts that
//! verdicts need.
//!
//! Shared by the workers and the probe. Everything in it is bounded, and losing it costs time, but
//! never correctness. This process does not claim an event that is recorded as in flight, so
//! whoever records one must remove it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use uuid::Uuid;

use crate::outbox::destination::Destination;
use crate::quick::{QuickMap, QuickSet};

const REMEMBERED_MAX: usize = 4_096;
/// More returned events than this say nothing more.
const STREAK_MAX: usize = 64;
/// Connections lost with the same single message unconfirmed before it is suspected (design section 4).
const STRIKES_TO_SUSPECT: u32 = 3;

/// Shared facts.
#[derive(Debug, Default)]
pub struct Evidence(Mutex<Facts>);

#[derive(Debug, Default)]
struct Facts {
    /// Events that came back since the destination last routed one.
    returned: QuickMap<Destination, QuickSet<Uuid>>,
    accepted: QuickMap<Destination, Instant>,
    strikes: QuickMap<Uuid, Strikes>,
    /// When a message closed its channel for the first time.
    closed: QuickMap<Uuid, Instant>,
    /// Events sent by this process and not settled yet.
    in_flight: QuickSet<Uuid>,
    /// The connection that has confirmed something.
    proved: Option<u64>,
    /// The connection that answered last, and when: the only trusted sign of life.
    answered: Option<(u64, Instant)>,
}

#[derive(Debug)]
struct Strikes {
    count: u32,
    since: Instant,
}

/// How suspicious a message is that was alone in flight when the connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// It happens.
    None,
    /// Too often, but nothing else of its destination has passed since: it may be the broker.
    Unproved,
    /// Too often, and others of its destination have passed since.
    Proved,
}

impl Evidence {
    /// The broker took a message for `destination` on the connection `generation`.
    pub fn accepted(&self, destination: &Destination, generation: u64) {
        let mut facts = self.facts();
        facts.proved = Some(generation);
        facts.answered = Some((generation, Instant::now()));
        if let Some(returned) = facts.returned.get_mut(destination) {
            returned.clear();
        }
        if let Some(at) = facts.accepted.get_mut(destination) {
            *at = Instant::now();
            return;
        }
        if facts.accepted.len() >= REMEMBERED_MAX {
            facts.accepted.clear();
        }
        facts.accepted.insert(destination.clone(), Instant::now());
    }

    /// The broker answered something on the connection `generation`.
    pub fn answered(&self, generation: u64) {
        self.facts().answered = Some((generation, Instant::now()));
    }

    /// Whether the connection has answered anything since.
    pub fn has_answered_since(&self, generation: u64, since: Instant) -> bool {
        self.facts().answered.is_some_and(|(answered, at)| answered == generation && at > since)
    }

    /// A message for `destination` came back. Returns how many different events did since one was routed.
    pub fn returned(&self, destination: &Destination, event: Uuid) -> u32 {
        let mut facts = self.facts();
        if facts.returned.len() >= REMEMBERED_MAX && !facts.returned.contains_key(destination) {
            facts.returned.clear();
        }
        let events = facts.returned.entry(destination.clone()).or_default();
        if events.len() < STREAK_MAX {
            events.insert(event);
        }
        u32::try_from(events.len()).unwrap_or(u32::MAX)
    }

    /// How many different events came back since one was routed.
    pub fn streak(&self, destination: &Destination) -> u32 {
        self.facts().returned.get(destination).map_or(0, |events| u32::try_from(events.len()).unwrap_or(u32::MAX))
    }

    /// The channel closed over `event`, which was alone on it.
    pub fn closed_over(&self, event: Uuid) {
        let mut facts = self.facts();
        if facts.closed.len() >= REMEMBERED_MAX {
            facts.closed.clear();
        }
        facts.closed.entry(event).or_insert_with(Instant::now);
    }

    /// Whether `destination` has taken another message since `event` first closed a channel. What it took before says nothing: a
    /// permission may have been revoked in between.
    pub fn is_convicted(&self, event: Uuid, destination: &Destination) -> bool {
        let facts = self.facts();
        match (facts.closed.get(&event), facts.accepted.get(destination)) {
            (Some(first), Some(accepted)) => accepted > first,
            (Some(_) | None, _) => false,
        }
    }

    /// The connection was lost while `event` was the only message in flight.
    pub fn struck(&self, event: Uuid, destination: &Destination) -> Suspicion {
        let mut facts = self.facts();
        if facts.strikes.len() >= REMEMBERED_MAX {
            facts.strikes.clear();
        }
        let accepted = facts.accepted.get(destination).copied();
        let strikes = facts.strikes.entry(event).or_insert_with(|| Strikes { count: 0, since: Instant::now() });
        strikes.count += 1;
        if strikes.count < STRIKES_TO_SUSPECT {
            Suspicion::None
        } else if accepted.is_some_and(|at| at > strikes.since) {
            Suspicion::Proved
        } else {
            Suspicion::Unproved
        }
    }

    /// Whether the connection has confirmed something; until then only one message is risked on it.
    pub fn is_proved(&self, generation: u64) -> bool {
        self.facts().proved == Some(generation)
    }

    /// Notes events as sent and returns those that were not in flight already.
    pub fn take_off(&self, events: impl IntoIterator<Item = Uuid>) -> QuickSet<Uuid> {
        let mut facts = self.facts();
        events.into_iter().filter(|event| facts.in_flight.insert(*event)).collect()
    }

    /// Forgets events that are settled.
    pub fn land<'a>(&self, events: impl IntoIterator<Item = &'a Uuid>) {
        let mut facts = self.facts();
        for event in events {
            facts.in_flight.remove(event);
        }
    }

    /// After a panic: what was in flight may be claimed again.
    pub fn forget_in_flight(&self) {
        self.facts().in_flight.clear();
    }

    /// Whether this process has anything in flight besides `own`.
    pub fn in_flight_elsewhere<'a>(&self, own: impl IntoIterator<Item = &'a Uuid>) -> bool {
        let facts = self.facts();
        let own = own.into_iter().filter(|event| facts.in_flight.contains(event)).count();
        facts.in_flight.len() > own
    }

    /// How many events this process has in flight.
    pub fn in_flight(&self) -> usize {
        self.facts().in_flight.len()
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn there() -> Destination {
        Destination { exchange: "e".into(), routing_key: "k".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_streak_counts_different_events_and_ends_when_one_is_routed() {
        let evidence = Evidence::default();
        let event = Uuid::new_v4();
        assert_eq!(evidence.returned(&there(), event), 1);
        assert_eq!(evidence.returned(&there(), event), 1);
        assert_eq!(evidence.returned(&there(), Uuid::new_v4()), 2);
        evidence.accepted(&there(), 1);
        assert_eq!(evidence.streak(&there()), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_suspected_after_three_lost_connections_and_convicted_only_if_others_passed() {
        let evidence = Evidence::default();
        let event = Uuid::new_v4();
        assert_eq!(evidence.struck(event, &there()), Suspicion::None);
        assert_eq!(evidence.struck(event, &there()), Suspicion::None);
        assert_eq!(evidence.struck(event, &there()), Suspicion::Unproved);
        tokio::time::advance(Duration::from_secs(1)).await;
        evidence.accepted(&there(), 1);
        assert_eq!(evidence.struck(event, &there()), Suspicion::Proved);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_its_destination_took_after_the_first_close_convicts_a_message() {
        let (evidence, event) = (Evidence::default(), Uuid::new_v4());
        evidence.accepted(&there(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        evidence.closed_over(event);
        assert!(!evidence.is_convicted(event, &there()));
        tokio::time::advance(Duration::from_secs(1)).await;
        evidence.accepted(&there(), 1);
        evidence.closed_over(event);
        assert!(evidence.is_convicted(event, &there()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_in_flight_is_not_taken_twice() {
        let evidence = Evidence::default();
        let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
        assert_eq!(evidence.take_off([first]).len(), 1);
        assert_eq!(evidence.take_off([first, second]), QuickSet::from_iter([second]));
        evidence.land([&first, &second]);
        assert_eq!(evidence.in_flight(), 0);
    }
}
