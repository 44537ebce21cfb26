//! What became lately of a flow's routing keys, and from that whether one of them is broken or all are. Pure; kept by `evidence`.
//!
//! One tenant's queue that is full must not stop the other tenants of a route, and a queue behind 5,000 routing keys must not be found out
//! 5,000 times. What tells the two apart is only what was *sent after* the first failure: a message that was sent before and is
//! confirmed later says nothing, because a queue confirms what it has written while it already refuses what follows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Routing keys that are remembered of each flow.
const KEYS_MAX: usize = 16;
/// How long the outcome of a routing key says anything.
const SAYS_FOR: Duration = Duration::from_secs(30);
/// So many failing routing keys may be an accident of each.
const ALONE_MAX: usize = 2;
/// If at least one in four keys tried since the first failure was confirmed, the failing keys are at fault, not the flow.
const CONFIRMED_ONE_IN: usize = 4;

/// The last outcomes of different routing keys of one flow.
#[derive(Debug, Default)]
pub struct Recent(VecDeque<Last>);

/// The last outcome of one routing key.
#[derive(Debug)]
struct Last {
    routing_key: Arc<str>,
    /// Send time of the last confirmed message; after a failure, of the first failed one.
    sent: Instant,
    /// When its latest outcome was noted.
    noted: Instant,
    failed: bool,
}

impl Recent {
    /// A message that was sent at `sent` was confirmed.
    pub fn confirmed(&mut self, routing_key: &Arc<str>, sent: Instant, now: Instant) {
        let last = self.last(routing_key, sent, now);
        (last.sent, last.noted, last.failed) = (sent, now, false);
    }

    /// A message that was sent, or was to be sent, at `sent` failed: refused, returned, or not answered.
    pub fn failed(&mut self, routing_key: &Arc<str>, sent: Instant, now: Instant) {
        let last = self.last(routing_key, sent, now);
        if !last.failed {
            last.sent = sent;
        }
        (last.noted, last.failed) = (now, true);
    }

    fn last(&mut self, routing_key: &Arc<str>, sent: Instant, now: Instant) -> &mut Last {
        if let Some(place) = self.0.iter().position(|last| last.routing_key == *routing_key) {
            return &mut self.0[place];
        }
        if self.0.len() >= KEYS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Last { routing_key: Arc::clone(routing_key), sent, noted: now, failed: false });
        self.0.back_mut().expect("it was just added")
    }

    /// Whether the trouble is the whole flow's, and not that of single routing keys.
    pub fn is_everywhere(&self, now: Instant) -> bool {
        let says = || self.0.iter().filter(|last| now.duration_since(last.noted) <= SAYS_FOR);
        let failing = says().filter(|last| last.failed).count();
        let Some(first) = says().filter(|last| last.failed).map(|last| last.sent).min() else { return false };
        let confirmed = says().filter(|last| !last.failed && last.sent > first).count();
        failing > ALONE_MAX && (failing + confirmed) > confirmed * CONFIRMED_ONE_IN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays outcomes a millisecond apart: `+a` is a confirm of `a`, `-a` a failure; each was sent when it is noted.
    fn play(outcomes: &str) -> bool {
        let (mut recent, mut now) = (Recent::default(), Instant::now());
        for outcome in outcomes.split_whitespace() {
            now += Duration::from_millis(1);
            let (word, key) = outcome.split_at(1);
            match word {
                "+" => recent.confirmed(&key.into(), now, now),
                _ => recent.failed(&key.into(), now, now),
            }
        }
        recent.is_everywhere(now)
    }

    #[test]
    fn a_few_failing_keys_are_on_their_own_and_more_are_the_flow() {
        assert!(!play(""));
        assert!(!play("-a -a -a -a"));
        assert!(!play("-a -b"));
        assert!(play("-a -b -c"));
    }

    #[test]
    fn what_was_confirmed_before_the_first_failure_says_nothing() {
        assert!(play("+x +y +z +u +v -a -b -c"));
        assert!(!play("-a +x -b -c +y"));
        assert!(play("-a -b -c -d -e -f -g +x"), "a full queue has room for one now and then");
        assert!(!play("-a +x -a +y -b +z -b -c +x"));
    }

    #[test]
    fn a_key_counts_once_and_by_what_became_of_it_last() {
        assert!(!play("-a -b -c +a"));
        assert!(!play("-a -b +a +b -c -d"));
    }

    #[test]
    fn a_confirm_that_was_sent_before_and_noted_after_says_nothing() {
        let (mut recent, start) = (Recent::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        for (key, ms) in [("a", 10), ("b", 11), ("c", 12)] {
            recent.failed(&key.into(), at(ms), at(15));
        }
        for (key, ms) in [("x", 1), ("y", 2), ("z", 3)] {
            recent.confirmed(&key.into(), at(ms), at(20));
        }
        assert!(recent.is_everywhere(at(20)));
        recent.confirmed(&"z".into(), at(30), at(31));
        assert!(!recent.is_everywhere(at(31)));
        assert!(!recent.is_everywhere(at(40_000)), "half a minute later nobody knows");
    }
}
