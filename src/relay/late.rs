//! Messages that were still unconfirmed when their batch ended. The channel goes on owing their confirms; this remembers what each
//! one would settle, and notices when one has been owed for too long.
//!
//! One per channel, kept by the worker.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::relay::broker::{Reply, Token};
use crate::relay::destination::Destination;

/// What a channel still owes.
#[derive(Debug, Default)]
pub struct Late {
    messages: HashMap<Token, LateMessage>,
    events: HashMap<Uuid, LateEvent>,
    /// Destinations that were put on hold because they did not confirm.
    suspended: HashSet<Destination>,
}

#[derive(Debug)]
struct LateMessage {
    event: Uuid,
    destination: Destination,
    at: Instant,
    reported: bool,
}

#[derive(Debug)]
struct LateEvent {
    open: usize,
    confirmed_so_far: bool,
}

/// What late answers settle.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settles {
    /// Confirmed on every route after all: to be marked.
    pub confirmed: Vec<Uuid>,
    /// Answered, and not with a confirm: to be looked at again at once.
    pub recheck: Vec<Uuid>,
    /// Destinations that were suspended and have confirmed.
    pub alive: Vec<Destination>,
}

impl Late {
    /// Remembers one message; `complete` says that every other route of the event has confirmed or is remembered too.
    pub fn add(&mut self, token: Token, event: Uuid, destination: Destination, at: Instant, complete: bool) {
        self.messages.insert(token, LateMessage { event, destination, at, reported: false });
        let entry = self.events.entry(event).or_insert(LateEvent { open: 0, confirmed_so_far: true });
        entry.open += 1;
        entry.confirmed_so_far &= complete;
    }

    /// Notes that a destination was put on hold because it does not confirm.
    pub fn suspend(&mut self, destination: Destination) {
        self.suspended.insert(destination);
    }

    /// Starts every clock anew: while the broker blocks the connection nothing can be confirmed.
    pub fn restart_clocks(&mut self, now: Instant) {
        for message in self.messages.values_mut() {
            message.at = now;
        }
    }

    /// How many messages are owed.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Takes answers; those of unknown messages are nobody's.
    pub fn answered(&mut self, answers: Vec<(Token, Reply)>) -> Settles {
        let mut settles = Settles::default();
        for (token, reply) in answers {
            let Some(message) = self.messages.remove(&token) else { continue };
            let confirmed = reply == Reply::Confirmed;
            if confirmed && self.suspended.remove(&message.destination) {
                settles.alive.push(message.destination);
            }
            let Some(event) = self.events.get_mut(&message.event) else { continue };
            event.open -= 1;
            event.confirmed_so_far &= confirmed;
            if event.open == 0 {
                let list = if event.confirmed_so_far { &mut settles.confirmed } else { &mut settles.recheck };
                list.push(message.event);
                self.events.remove(&message.event);
            }
        }
        settles
    }

    /// Where a message went, for its window.
    pub fn destination(&self, token: Token) -> Option<&Destination> {
        self.messages.get(&token).map(|message| &message.destination)
    }

    /// Messages that have been owed for longer than `timeout` and were not reported yet.
    pub fn overdue(&mut self, timeout: Duration, now: Instant) -> Vec<Overdue> {
        let overdue =
            self.messages.values_mut().filter(|message| !message.reported && now.duration_since(message.at) >= timeout);
        overdue
            .map(|message| {
                message.reported = true;
                Overdue { event: message.event, destination: message.destination.clone(), sent_at: message.at }
            })
            .collect()
    }

    /// When the next message becomes overdue.
    pub fn next_overdue(&self, timeout: Duration) -> Option<Instant> {
        self.messages.values().filter(|message| !message.reported).map(|message| message.at + timeout).min()
    }

    /// When the oldest owed message was sent.
    pub fn oldest(&self) -> Option<Instant> {
        self.messages.values().map(|message| message.at).min()
    }

    /// Gives up on everything: the channel is gone.
    pub fn abandon(&mut self) -> Vec<Uuid> {
        self.messages.clear();
        self.suspended.clear();
        self.events.drain().map(|(event, _)| event).collect()
    }

    /// Whether a confirm of this event is owed.
    pub fn owes(&self, event: &Uuid) -> bool {
        self.events.contains_key(event)
    }

    /// Whether nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

/// A message that has been owed for too long.
#[derive(Debug)]
pub struct Overdue {
    /// Its event.
    pub event: Uuid,
    /// Where it went.
    pub destination: Destination,
    /// When.
    pub sent_at: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(key: &str) -> Destination {
        Destination { exchange: "e".into(), routing_key: key.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_is_marked_once_every_late_message_of_it_is_confirmed() {
        let (mut late, event, now) = (Late::default(), Uuid::new_v4(), Instant::now());
        late.add(1, event, there("a"), now, true);
        late.add(2, event, there("b"), now, true);
        assert_eq!(late.answered(vec![(1, Reply::Confirmed)]), Settles::default());
        assert_eq!(late.answered(vec![(2, Reply::Confirmed)]).confirmed, [event]);
        assert!(late.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn any_other_answer_has_the_event_looked_at_again() {
        let (mut late, first, second, now) = (Late::default(), Uuid::new_v4(), Uuid::new_v4(), Instant::now());
        late.add(1, first, there("a"), now, true);
        late.add(2, second, there("a"), now, false);
        let settles = late.answered(vec![(1, Reply::Nacked), (2, Reply::Confirmed), (9, Reply::Confirmed)]);
        assert_eq!((settles.confirmed.len(), settles.recheck), (0, vec![first, second]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_owed_for_too_long_is_reported_once_and_a_late_confirm_clears_the_destination() {
        let (mut late, event) = (Late::default(), Uuid::new_v4());
        late.add(1, event, there("a"), Instant::now(), true);
        let timeout = Duration::from_secs(15);
        assert!(late.overdue(timeout, Instant::now()).is_empty());
        tokio::time::advance(timeout).await;
        assert_eq!(late.overdue(timeout, Instant::now()).len(), 1);
        assert!(late.overdue(timeout, Instant::now()).is_empty());
        late.suspend(there("a"));
        assert_eq!(late.answered(vec![(1, Reply::Confirmed)]).alive, [there("a")]);
    }
}
