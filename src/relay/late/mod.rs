//! Messages that were unconfirmed when their batch ended. The channel still owes their confirms.
//! This remembers what each confirm would settle, and notices when one is overdue.
//!
//! One per channel, of a worker or of a probe.

mod settle;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::outbox::broker::{Reply, Token};
use crate::outbox::destination::Destination;
use crate::outbox::flow::Flow;
use crate::outbox::hold::HoldScope;
use crate::outbox::store::{ConfirmedCopy, LateRoute};
use crate::quick::{QuickMap, QuickSet};

/// What a channel still owes.
#[derive(Debug, Default)]
pub struct Late {
    messages: QuickMap<Token, LateMessage>,
    events: QuickMap<Uuid, LateEvent>,
    /// What was put on hold because of a confirm that this channel owes.
    suspended: QuickSet<HoldScope>,
}

/// A message whose confirm is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Its id on the channel.
    pub token: Token,
    /// Its event.
    pub event: Uuid,
    /// The event's type, as a metric label.
    pub event_type: String,
    /// Its route.
    pub route: Arc<str>,
    /// Where it went.
    pub destination: Destination,
    /// The flow that it is part of.
    pub flow: Flow,
    /// Whether its return would be as good as a confirm.
    pub may_be_unrouted: bool,
    /// The replay that its event was sent for, if any.
    pub replay_id: Option<Uuid>,
    /// When its event occurred; absent for a replay, which says nothing about the delivery lag.
    pub created_at: Option<OffsetDateTime>,
    /// When it was sent.
    pub sent_at: Instant,
    /// When its clock began: when it was sent, or when the broker unblocked the connection.
    pub at: Instant,
    /// Whether every other route of the event has confirmed or is owed too.
    pub complete: bool,
}

#[derive(Debug)]
struct LateMessage {
    owed: Owed,
    reported: bool,
}

#[derive(Debug)]
struct LateEvent {
    open: usize,
    confirmed_so_far: bool,
    /// Reported as overdue: it may be claimed again, whatever this copy becomes.
    released: bool,
}

/// What late answers settle.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settles {
    /// Confirmed on every route after all: to be marked.
    pub confirmed: Vec<ConfirmedCopy>,
    /// Confirmed after all, of events that are not: to be noted, so that these routes are not sent again.
    pub routes: Vec<LateRoute>,
    /// Answered, and not with a confirm: to be looked at again at once.
    pub recheck: Vec<Uuid>,
    /// What was suspended and has confirmed.
    pub alive: Vec<HoldScope>,
    /// Confirmed messages.
    pub messages: Vec<Owed>,
}

impl Late {
    /// Remembers one message.
    pub fn add(&mut self, owed: Owed) {
        let entry =
            self.events.entry(owed.event).or_insert(LateEvent { open: 0, confirmed_so_far: true, released: false });
        entry.open += 1;
        entry.confirmed_so_far &= owed.complete;
        entry.released = false;
        self.messages.insert(owed.token, LateMessage { owed, reported: false });
    }

    /// Notes that this was put on hold because of a confirm that this channel owes: that confirm disproves it.
    pub fn suspend(&mut self, scope: HoldScope) {
        self.suspended.insert(scope);
    }

    /// Starts every clock anew: while the broker blocks the connection nothing can be confirmed.
    pub fn restart_clocks(&mut self, now: Instant) {
        for message in self.messages.values_mut() {
            message.owed.at = now;
        }
    }

    /// Takes answers; those of unknown messages are nobody's.
    pub fn answered(&mut self, answers: Vec<(Token, Reply)>) -> Settles {
        let mut settles = Settles::default();
        for (token, reply) in answers {
            let Some(message) = self.messages.remove(&token) else { continue };
            let confirmed = reply == Reply::Confirmed;
            let (id, replay_id, route) = (message.owed.event, message.owed.replay_id, Arc::clone(&message.owed.route));
            let is_done = confirmed || (message.owed.may_be_unrouted && matches!(reply, Reply::Returned(_)));
            if confirmed {
                let Owed { route, flow, destination, .. } = &message.owed;
                settles.alive.extend(self.suspended.extract_if(|scope| scope.covers(route, flow, destination)));
                settles.messages.push(message.owed);
            }
            let Some(event) = self.events.get_mut(&id) else { continue };
            event.open -= 1;
            event.confirmed_so_far &= is_done;
            if is_done && !(event.open == 0 && event.confirmed_so_far) {
                settles.routes.push(LateRoute { event: id, replay_id, route });
            }
            if event.open == 0 {
                if event.confirmed_so_far {
                    settles.confirmed.push(ConfirmedCopy { event: id, replay_id });
                } else {
                    settles.recheck.push(id);
                }
                self.events.remove(&id);
            }
        }
        if !settles.routes.is_empty() {
            let marked: QuickSet<(Uuid, Option<Uuid>)> =
                settles.confirmed.iter().map(|copy| (copy.event, copy.replay_id)).collect();
            settles.routes.retain(|late| !marked.contains(&(late.event, late.replay_id)));
        }
        settles
    }

    /// The owed message, unless it was reported overdue.
    pub fn owed(&self, token: Token) -> Option<&Owed> {
        self.messages.get(&token).filter(|message| !message.reported).map(|message| &message.owed)
    }

    /// How many messages were reported as overdue and are still owed: they use the channel's credit at the broker up.
    pub fn given_up(&self) -> usize {
        self.messages.values().filter(|message| message.reported).count()
    }

    /// Messages that have been owed for longer than `timeout` and were not reported yet.
    pub fn overdue(&mut self, timeout: Duration, now: Instant) -> Vec<Owed> {
        let overdue = self
            .messages
            .values_mut()
            .filter(|message| !message.reported && now.duration_since(message.owed.at) >= timeout);
        let mut overdue: Vec<Owed> = overdue
            .map(|message| {
                message.reported = true;
                if let Some(event) = self.events.get_mut(&message.owed.event) {
                    event.released = true;
                }
                message.owed.clone()
            })
            .collect();
        overdue.sort_unstable_by_key(|owed| owed.token);
        overdue
    }

    /// Takes back that these events were reported: nothing could be done about them yet.
    pub fn unreport(&mut self, events: &[Uuid]) {
        for message in self.messages.values_mut().filter(|message| events.contains(&message.owed.event)) {
            message.reported = false;
        }
        for event in events {
            if let Some(late) = self.events.get_mut(event) {
                late.released = false;
            }
        }
    }

    /// When the next message becomes overdue.
    pub fn next_overdue(&self, timeout: Duration) -> Option<Instant> {
        self.messages.values().filter(|message| !message.reported).map(|message| message.owed.at + timeout).min()
    }

    /// When the clock of the oldest owed message began.
    pub fn oldest(&self) -> Option<Instant> {
        self.messages.values().map(|message| message.owed.at).min()
    }

    /// Gives up on everything: the channel is gone.
    pub fn abandon(&mut self) -> Vec<Uuid> {
        self.messages.clear();
        self.suspended.clear();
        self.events.drain().map(|(event, _)| event).collect()
    }

    /// Whether this event must not be claimed again yet: a confirm of it is owed, and not overdue.
    pub fn keeps(&self, event: &Uuid) -> bool {
        self.events.get(event).is_some_and(|late| !late.released)
    }

    /// How many messages are owed.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(token: Token, event: Uuid, key: &str, complete: bool) -> Owed {
        let (event_type, route) = ("_other".to_owned(), "default".into());
        let (now, destination) = (Instant::now(), there(key));
        Owed {
            token,
            event,
            event_type,
            route,
            flow: Flow::of(&destination),
            destination,
            may_be_unrouted: false,
            replay_id: None,
            created_at: None,
            sent_at: now,
            at: now,
            complete,
        }
    }

    fn copy(event: Uuid) -> ConfirmedCopy {
        ConfirmedCopy { event, replay_id: None }
    }

    fn there(key: &str) -> Destination {
        Destination { exchange: "e".into(), routing_key: key.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_marked_once_every_late_message_of_it_is_confirmed() {
        let (mut late, event) = (Late::default(), Uuid::new_v4());
        late.add(owed(1, event, "a", true));
        late.add(owed(2, event, "b", true));
        assert!(late.answered(vec![(1, Reply::Confirmed)]).confirmed.is_empty());
        let settles = late.answered(vec![(2, Reply::Confirmed)]);
        assert_eq!((settles.confirmed, settles.messages.len()), (vec![copy(event)], 1));
        assert!(late.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_answer_has_the_event_looked_at_again() {
        let (mut late, first, second) = (Late::default(), Uuid::new_v4(), Uuid::new_v4());
        late.add(owed(1, first, "a", true));
        late.add(owed(2, second, "a", false));
        let settles = late.answered(vec![(1, Reply::Nacked), (2, Reply::Confirmed), (9, Reply::Confirmed)]);
        assert_eq!((settles.confirmed.len(), settles.recheck), (0, vec![first, second]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_that_confirms_late_is_noted_while_another_is_missing() {
        let (mut late, event, other) = (Late::default(), Uuid::new_v4(), Uuid::new_v4());
        let replay_id = Some(Uuid::new_v4());
        let noted = |event, replay_id| LateRoute { event, replay_id, route: "default".into() };
        late.add(Owed { replay_id, ..owed(1, event, "a", false) });
        let settles = late.answered(vec![(1, Reply::Confirmed)]);
        assert_eq!((settles.routes, settles.recheck), (vec![noted(event, replay_id)], vec![event]));
        late.add(owed(2, other, "a", true));
        late.add(owed(3, other, "b", true));
        assert_eq!(late.answered(vec![(2, Reply::Confirmed)]).routes, [noted(other, None)]);
        let settles = late.answered(vec![(3, Reply::Nacked)]);
        assert_eq!((settles.routes, settles.recheck), (vec![], vec![other]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_is_marked_needs_no_note_of_its_routes() {
        let (mut late, event) = (Late::default(), Uuid::new_v4());
        late.add(owed(1, event, "a", true));
        late.add(owed(2, event, "b", true));
        let settles = late.answered(vec![(1, Reply::Confirmed), (2, Reply::Confirmed)]);
        assert_eq!((settles.routes, settles.confirmed), (vec![], vec![copy(event)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_return_where_nobody_has_to_listen_is_as_good_as_a_confirm() {
        let (mut late, event) = (Late::default(), Uuid::new_v4());
        late.add(Owed { may_be_unrouted: true, ..owed(1, event, "a", true) });
        late.add(owed(2, event, "b", true));
        let answers = vec![(1, Reply::Returned("NO_ROUTE".into())), (2, Reply::Confirmed)];
        let settles = late.answered(answers);
        assert_eq!((settles.confirmed, settles.messages.len()), (vec![copy(event)], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_owed_for_too_long_is_reported_once_and_a_late_confirm_clears_the_destination() {
        let (mut late, event) = (Late::default(), Uuid::new_v4());
        late.add(owed(1, event, "a", true));
        let timeout = Duration::from_secs(15);
        assert!(late.overdue(timeout, Instant::now()).is_empty());
        tokio::time::advance(timeout).await;
        assert!(late.keeps(&event));
        assert_eq!(late.overdue(timeout, Instant::now()).len(), 1);
        assert!(!late.keeps(&event), "it may be claimed again");
        assert!(late.overdue(timeout, Instant::now()).is_empty());
        assert_eq!((late.given_up(), late.owed(1)), (1, None));
        late.suspend(HoldScope::Key(there("a")));
        late.suspend(HoldScope::Key(there("b")));
        assert_eq!(late.answered(vec![(1, Reply::Confirmed)]).alive, [HoldScope::Key(there("a"))]);
    }
}
