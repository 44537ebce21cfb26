//! Tells confirmed messages from returned ones on a lapin channel. A pure function; `channel` does
//! the I/O.
//!
//! lapin 4.12.3 puts returns into a queue, and attaches one to whatever confirm resolves next,
//! so a confirm may carry another message's return. `Ack(None)` proves only that the
//! message's return, if any, went to a confirm that resolved earlier. So, given every confirm that
//! has resolved so far: a message in the set of returns was returned; otherwise `Ack(None)` means
//! confirmed; and `Ack(Some(another))` waits until its own return appears, or a message sent after
//! it was seen resolves with `None`, or nothing is outstanding and no confirm failed. Every simpler
//! rule was wrong on a hostile broker (docs/decisions.md).

use std::collections::HashMap;

use uuid::Uuid;

use crate::outbox::destination::Destination;

/// What identifies a message in a return.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// AMQP message id; `None` only in a return that is not ours, which then matches nothing.
    pub message_id: Option<Uuid>,
    /// Exchange and routing key.
    pub destination: Destination,
}

/// How one confirm resolved.
#[derive(Debug)]
pub enum Resolution {
    /// Acked, carrying some message's return.
    Acked(Option<Box<Returned>>),
    /// Nacked, carrying some message's return.
    Nacked(Option<Box<Returned>>),
    /// The channel ended.
    Erred,
}

/// A returned message.
#[derive(Debug, Clone)]
pub struct Returned {
    /// Which message it is.
    pub identity: Identity,
    /// The broker's code and text.
    pub text: String,
}

/// The result for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Acked and not returned.
    Good,
    /// Returned.
    Returned(String),
    /// Refused.
    Nacked,
    /// Unknown.
    Unknown,
}

/// The state of the rule for one channel. `M` identifies a message.
#[derive(Debug)]
pub struct Judge<M> {
    sent: u64,
    /// The message sent last among those that resolved with `Ack(None)`.
    latest_none: Option<u64>,
    erred: bool,
    returns: HashMap<Identity, String>,
    deferred: Vec<Deferred<M>>,
}

#[derive(Debug)]
struct Deferred<M> {
    message: M,
    identity: Identity,
    /// How many messages had been sent when it was seen. A later one must resolve with `None`.
    seen_at: u64,
}

/// A message whose confirm resolved.
#[derive(Debug)]
pub struct Resolved<M> {
    /// Its position in the order of sending.
    pub number: u64,
    /// The caller's name for it.
    pub message: M,
    /// Its identity.
    pub identity: Identity,
    /// How its confirm resolved.
    pub resolution: Resolution,
}

impl<M> Judge<M> {
    /// For a new channel.
    pub fn new() -> Self {
        Self { sent: 0, latest_none: None, erred: false, returns: HashMap::new(), deferred: Vec::new() }
    }

    /// Numbers the next message.
    pub fn number(&mut self) -> u64 {
        self.sent += 1;
        self.sent - 1
    }

    /// Resolved messages whose result is not known yet.
    pub fn deferred(&self) -> usize {
        self.deferred.len()
    }

    /// Matches what one drain found. A drain polls every woken confirm until none is left, so it
    /// includes whatever resolved before.
    pub fn judge(&mut self, drained: Vec<Resolved<M>>, outstanding: usize) -> Vec<(M, Judged)> {
        let mut words = Vec::with_capacity(drained.len());
        let mut acked = Vec::with_capacity(drained.len());
        for Resolved { number, message, identity, resolution } in drained {
            match resolution {
                Resolution::Acked(None) => {
                    self.latest_none = self.latest_none.max(Some(number));
                    acked.push((message, identity));
                }
                Resolution::Acked(Some(returned)) => {
                    let own = returned.identity == identity;
                    self.returns.insert(returned.identity, returned.text);
                    if own {
                        acked.push((message, identity));
                    } else {
                        self.deferred.push(Deferred { message, identity, seen_at: self.sent });
                    }
                }
                Resolution::Nacked(returned) => {
                    if let Some(returned) = returned {
                        self.returns.insert(returned.identity, returned.text);
                    }
                    words.push((message, Judged::Nacked));
                }
                Resolution::Erred => {
                    self.erred = true;
                    words.push((message, Judged::Unknown));
                }
            }
        }
        let nothing_came_back = self.returns.is_empty();
        for (message, identity) in acked {
            let returned = if nothing_came_back { None } else { self.returns.remove(&identity) };
            words.push((message, returned.map_or(Judged::Good, Judged::Returned)));
        }
        self.release_deferred(outstanding, &mut words);
        words
    }

    fn release_deferred(&mut self, outstanding: usize, words: &mut Vec<(M, Judged)>) {
        for deferred in std::mem::take(&mut self.deferred) {
            if let Some(text) = self.returns.remove(&deferred.identity) {
                words.push((deferred.message, Judged::Returned(text)));
            } else if self.latest_none.is_some_and(|number| number >= deferred.seen_at) {
                words.push((deferred.message, Judged::Good));
            } else if outstanding > 0 {
                self.deferred.push(deferred);
            } else {
                let word = if self.erred { Judged::Unknown } else { Judged::Good };
                words.push((deferred.message, word));
            }
        }
        if outstanding == 0 && self.deferred.is_empty() {
            self.returns.clear();
        }
    }
}

impl<M> Default for Judge<M> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u64) -> Identity {
        let destination = Destination { exchange: "e".into(), routing_key: "k".into() };
        Identity { message_id: Some(Uuid::from_u128(number.into())), destination }
    }

    fn acked(number: u64, carries: Option<u64>) -> Resolved<u64> {
        let returned = carries.map(|other| Box::new(Returned { identity: identity(other), text: "NO_ROUTE".into() }));
        Resolved { number, message: number, identity: identity(number), resolution: Resolution::Acked(returned) }
    }

    fn erred(number: u64) -> Resolved<u64> {
        Resolved { number, message: number, identity: identity(number), resolution: Resolution::Erred }
    }

    fn judge_with(sent: u64) -> Judge<u64> {
        let mut judge = Judge::new();
        for _ in 0..sent {
            judge.number();
        }
        judge
    }

    fn sorted(mut words: Vec<(u64, Judged)>) -> Vec<(u64, Judged)> {
        words.sort_by_key(|(message, _)| *message);
        words
    }

    fn returned() -> Judged {
        Judged::Returned("NO_ROUTE".into())
    }

    #[test]
    fn a_return_that_another_confirm_carries_is_its_owners() {
        let words = judge_with(3).judge(vec![acked(0, Some(2)), acked(1, None), acked(2, None)], 0);
        assert_eq!(sorted(words), [(0, Judged::Good), (1, Judged::Good), (2, returned())]);
    }

    #[test]
    fn a_carrier_waits_until_its_own_return_appears() {
        let mut judge = judge_with(3);
        assert_eq!(judge.judge(vec![acked(0, Some(1))], 2), []);
        assert_eq!(judge.deferred(), 1);
        let words = judge.judge(vec![acked(1, Some(0))], 1);
        assert_eq!(sorted(words), [(0, returned()), (1, returned())]);
    }

    #[test]
    fn a_carrier_is_good_once_a_message_sent_after_it_was_seen_resolves_with_none() {
        let mut judge = judge_with(2);
        assert_eq!(judge.judge(vec![acked(0, Some(9))], 1), []);
        assert_eq!(judge.judge(vec![acked(1, None)], 1), [(1, Judged::Good)], "1 was sent before 0 was seen");
        let later = judge.number();
        let words = judge.judge(vec![acked(later, None)], 1);
        assert_eq!(sorted(words), [(0, Judged::Good), (2, Judged::Good)]);
    }

    #[test]
    fn with_nothing_outstanding_a_carrier_is_good_unless_a_confirm_erred() {
        assert_eq!(judge_with(1).judge(vec![acked(0, Some(9))], 0), [(0, Judged::Good)]);
        let words = judge_with(2).judge(vec![acked(0, Some(9)), erred(1)], 0);
        assert_eq!(sorted(words), [(0, Judged::Unknown), (1, Judged::Unknown)]);
    }

    #[test]
    fn a_nack_may_carry_a_return_too() {
        let carried = Box::new(Returned { identity: identity(1), text: "NO_ROUTE".into() });
        let nacked =
            Resolved { number: 0, message: 0, identity: identity(0), resolution: Resolution::Nacked(Some(carried)) };
        let words = judge_with(2).judge(vec![nacked, acked(1, None)], 0);
        assert_eq!(sorted(words), [(0, Judged::Nacked), (1, returned())]);
    }
}
