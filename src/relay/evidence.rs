//! What this process has seen of flows, events and connections beyond one batch: the facts that verdicts need.
//!
//! Shared by the workers and the probe. Everything in it is bounded, and losing it costs time, never correctness; that a flow was ever
//! confirmed is kept in the database too. While an event is noted as in flight, this process does not send it even if it claims it: every
//! `take_off` needs a `land`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use uuid::Uuid;

use crate::outbox::destination::Destination;
use crate::outbox::flow::Flow;
use crate::outbox::hold::HoldScope;
use crate::quick::{QuickMap, QuickSet};
use crate::relay::recent::Recent;

/// Flows and blamed events that are remembered.
const REMEMBERED_MAX: usize = 4_096;
/// Flows whose first confirm one batch notes in the database.
const SAVED_AT_ONCE: usize = 100;
/// Connections lost with the same single message unconfirmed before it is suspected.
pub const LOST_TO_SUSPECT: u32 = 3;
/// A channel that closes over the only message on it needs no second time.
pub const CLOSED_TO_SUSPECT: u32 = 1;

/// Shared facts.
#[derive(Debug, Default)]
pub struct Evidence(Mutex<Facts>);

#[derive(Debug, Default)]
struct Facts {
    flows: QuickMap<Flow, Past>,
    /// Flows whose first confirm is to be noted in the database.
    unsaved: Vec<Flow>,
    /// Events over which a channel closed, or a connection was lost, while they were alone on it.
    blamed: QuickMap<Uuid, Blame>,
    /// Events of batches under way, sent or not, and events whose confirm or mark is still owed.
    in_flight: QuickSet<Uuid>,
    /// The connection that has confirmed something.
    proved: Option<u64>,
    /// The connection that answered last, and when: the only trusted sign of life.
    answered: Option<(u64, Instant)>,
}

/// What this process knows of a flow.
#[derive(Debug, Default)]
struct Past {
    /// Whether it was ever confirmed, by anybody.
    was_confirmed: bool,
    /// When this process last heard a confirm.
    confirmed_at: Option<Instant>,
    /// Events that came back since one was routed.
    returns: u32,
    /// Where routing keys vary, what became of each lately.
    recent: Recent,
}

#[derive(Debug)]
struct Blame {
    times: u32,
    since: Instant,
}

/// One message's place and when it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its flow.
    pub flow: &'a Flow,
    /// Where it went.
    pub destination: &'a Destination,
    /// When it was sent, or would have been.
    pub sent: Instant,
}

/// How suspicious a message is that was alone when its channel closed or its connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// It happens.
    None,
    /// Too often, but nothing else of its flow has passed since: it may be the broker, or the flow.
    Unproved,
    /// Too often, and others of its flow have passed since.
    Proved,
}

impl Evidence {
    /// The broker took messages on the connection `generation`.
    pub fn accepted<'a>(&self, seen: impl IntoIterator<Item = Seen<'a>>, generation: u64) {
        let (mut facts, now) = (self.facts(), Instant::now());
        for Seen { flow, destination, sent } in seen {
            facts.proved = Some(generation);
            facts.answered = Some((generation, now));
            let past = facts.past(flow);
            (past.confirmed_at, past.returns) = (Some(now), 0);
            if flow.varies(destination) {
                past.recent.confirmed(&destination.routing_key, sent, now);
            }
            if !std::mem::replace(&mut past.was_confirmed, true) && facts.unsaved.len() < REMEMBERED_MAX {
                facts.unsaved.push(flow.clone());
            }
        }
    }

    /// A message was refused, came back, or is not answered.
    pub fn failed(&self, Seen { flow, destination, sent }: Seen<'_>) {
        if flow.varies(destination) {
            let now = Instant::now();
            self.facts().past(flow).recent.failed(&destination.routing_key, sent, now);
        }
    }

    /// An event came back that was not charged before.
    pub fn returned(&self, flow: &Flow) {
        let mut facts = self.facts();
        let past = facts.past(flow);
        past.returns = past.returns.saturating_add(1);
    }

    /// How many events came back since one was routed.
    pub fn returns(&self, flow: &Flow) -> u32 {
        self.facts().flows.get(flow).map_or(0, |past| past.returns)
    }

    /// What is in trouble where a message of `flow` for `destination` failed: its routing key, or the whole flow.
    pub fn scope(&self, flow: &Flow, destination: &Destination) -> HoldScope {
        let is_everywhere = |past: &Past| past.recent.is_everywhere(Instant::now());
        if flow.varies(destination) && self.facts().flows.get(flow).is_some_and(is_everywhere) {
            HoldScope::Flow(flow.clone())
        } else {
            HoldScope::Key(destination.clone())
        }
    }

    /// Whether this process knows that the flow was confirmed before.
    pub fn was_confirmed(&self, flow: &Flow) -> bool {
        self.facts().flows.get(flow).is_some_and(|past| past.was_confirmed)
    }

    /// The database knows that these flows were confirmed before.
    pub fn learn_confirmed<'a>(&self, flows: impl IntoIterator<Item = &'a Flow>) {
        let mut facts = self.facts();
        for flow in flows {
            facts.past(flow).was_confirmed = true;
        }
    }

    /// Flows that were confirmed and that the database may not know of. Whoever takes them notes them, or gives them back.
    pub fn take_unsaved(&self) -> Vec<Flow> {
        let mut facts = self.facts();
        let count = facts.unsaved.len().min(SAVED_AT_ONCE);
        facts.unsaved.drain(..count).collect()
    }

    /// They could not be noted.
    pub fn give_back(&self, flows: Vec<Flow>) {
        self.facts().unsaved.extend(flows);
    }

    /// The broker answered something on the connection `generation`.
    pub fn answered(&self, generation: u64) {
        self.facts().answered = Some((generation, Instant::now()));
    }

    /// Whether the connection has answered anything since.
    pub fn has_answered_since(&self, generation: u64, since: Instant) -> bool {
        self.facts().answered.is_some_and(|(answered, at)| answered == generation && at > since)
    }

    /// The channel closed, or the connection was lost, while `event` was the only message on it.
    pub fn blame(&self, event: Uuid) {
        let mut facts = self.facts();
        if facts.blamed.len() >= REMEMBERED_MAX {
            facts.blamed.clear();
        }
        let blame = facts.blamed.entry(event).or_insert_with(|| Blame { times: 0, since: Instant::now() });
        blame.times += 1;
    }

    /// How suspicious an event is. It needs `times` blames; it is proved if its flow confirmed something after the first. What was
    /// confirmed before proves nothing: a permission may have been revoked since.
    pub fn suspicion(&self, event: Uuid, flow: &Flow, times: u32) -> Suspicion {
        let facts = self.facts();
        let confirmed = facts.flows.get(flow).and_then(|past| past.confirmed_at);
        let Some(blame) = facts.blamed.get(&event) else { return Suspicion::None };
        if blame.times < times {
            Suspicion::None
        } else if confirmed.is_some_and(|at| at > blame.since) {
            Suspicion::Proved
        } else {
            Suspicion::Unproved
        }
    }

    /// Whether the connection has confirmed something; until then only one message is risked on it.
    pub fn is_proved(&self, generation: u64) -> bool {
        self.facts().proved == Some(generation)
    }

    /// Notes claimed events as in flight, and returns those that were not already.
    pub fn take_off(&self, events: impl IntoIterator<Item = Uuid>) -> QuickSet<Uuid> {
        let mut facts = self.facts();
        events.into_iter().filter(|event| facts.in_flight.insert(*event)).collect()
    }

    /// Notes that events are not in flight any more: settled, not sent, overdue, or their batch or channel is gone.
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

impl Facts {
    fn past(&mut self, flow: &Flow) -> &mut Past {
        if !self.flows.contains_key(flow) {
            if self.flows.len() >= REMEMBERED_MAX {
                // The database remembers what counts.
                self.flows.clear();
            }
            self.flows.insert(flow.clone(), Past::default());
        }
        self.flows.get_mut(flow).expect("it was just added")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn there(key: &str) -> (Flow, Destination) {
        let destination = Destination { exchange: "e".into(), routing_key: key.into() };
        (Flow { exchange: "e".into(), template: "a.{key}".into() }, destination)
    }

    fn seen<'a>((flow, destination): &'a (Flow, Destination)) -> Seen<'a> {
        Seen { flow, destination, sent: Instant::now() }
    }

    async fn pass() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn returns_are_counted_by_flow_and_end_when_one_is_routed() {
        let (evidence, one, two) = (Evidence::default(), there("a.1"), there("a.2"));
        evidence.returned(&one.0);
        evidence.returned(&two.0);
        assert_eq!(evidence.returns(&one.0), 2);
        assert!(!evidence.was_confirmed(&one.0));
        evidence.accepted([seen(&one)], 1);
        assert_eq!(evidence.returns(&one.0), 0);
        assert!(evidence.was_confirmed(&two.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flow_is_to_be_saved_once_when_it_was_not_known_to_be_confirmed() {
        let (evidence, one, two) = (Evidence::default(), there("a.1"), there("a.2"));
        evidence.accepted([seen(&one), seen(&two)], 1);
        let unsaved = evidence.take_unsaved();
        assert_eq!(unsaved.as_slice(), std::slice::from_ref(&one.0));
        assert!(evidence.take_unsaved().is_empty());
        evidence.give_back(unsaved);
        assert_eq!(evidence.take_unsaved().len(), 1);
        let known = Evidence::default();
        known.learn_confirmed([&one.0]);
        known.accepted([seen(&one)], 1);
        assert!(known.take_unsaved().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_is_of_routing_keys_until_it_is_of_the_flow() {
        let (evidence, keys) = (Evidence::default(), ["a.1", "a.2", "a.3"].map(there));
        for (place, way) in keys.iter().enumerate() {
            evidence.failed(seen(way));
            let expected = if place < 2 { HoldScope::Key(way.1.clone()) } else { HoldScope::Flow(way.0.clone()) };
            assert_eq!(evidence.scope(&way.0, &way.1), expected);
        }
        let constant = Destination { exchange: "e".into(), routing_key: "k".into() };
        let flow = Flow::of(&constant);
        for _ in 0..9 {
            evidence.failed(Seen { flow: &flow, destination: &constant, sent: Instant::now() });
        }
        assert_eq!(evidence.scope(&flow, &constant), HoldScope::Key(constant));
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_suspected_after_its_times_and_proved_only_if_others_passed_since() {
        let (evidence, event, way) = (Evidence::default(), Uuid::new_v4(), there("a.1"));
        let suspicion = || evidence.suspicion(event, &way.0, LOST_TO_SUSPECT);
        for expected in [Suspicion::None, Suspicion::None, Suspicion::Unproved] {
            evidence.blame(event);
            assert_eq!(suspicion(), expected);
        }
        pass().await;
        evidence.accepted([seen(&way)], 1);
        assert_eq!(suspicion(), Suspicion::Proved);
    }

    #[tokio::test(start_paused = true)]
    async fn what_its_flow_took_before_the_first_time_proves_nothing() {
        let (evidence, event, way) = (Evidence::default(), Uuid::new_v4(), there("a.1"));
        evidence.accepted([seen(&way)], 1);
        pass().await;
        evidence.blame(event);
        assert_eq!(evidence.suspicion(event, &way.0, CLOSED_TO_SUSPECT), Suspicion::Unproved);
        pass().await;
        evidence.accepted([seen(&there("a.2"))], 1);
        assert_eq!(evidence.suspicion(event, &way.0, CLOSED_TO_SUSPECT), Suspicion::Proved);
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
