//! The settle stage: turns verdicts into the changes that a batch commits. Pure; the store writes
//! them.

use std::time::Duration;

use crate::outbox::event::{Event, WaitReason};
use crate::outbox::hold::{HoldKind, HoldScope};
use crate::outbox::outcome::Verdict;
use crate::outbox::store::{NewDeadLetter, NewHold, NewWait, Settlement, Until, WaitsFor};

/// What becomes of a key whose event was dead-lettered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDeadLetter {
    /// Its later events leave.
    Continue,
    /// They wait until an operator releases the key (`--on-dead-letter hold`).
    Wait,
}

/// A verdict and what goes with it.
#[derive(Debug)]
pub struct Decision<'a> {
    /// The event.
    pub event: &'a Event,
    /// What becomes of it.
    pub verdict: Verdict,
    /// What goes on hold because of any of its routes, whichever decided the verdict: scope, kind, the broker's words.
    pub holds: Vec<(HoldScope, HoldKind, String)>,
    /// Routes that have it, from earlier batches and this one.
    pub routes_confirmed: Vec<String>,
    /// Routes that failed.
    pub routes_failed: Vec<String>,
}

/// The first probe of a new hold comes soon; it may have been a moment's refusal.
const FIRST_PROBE_AFTER: Duration = Duration::from_millis(250);
/// Error texts are kept this long, in bytes.
const ERROR_BYTES_MAX: usize = 2_000;

/// Collects what the batch changes.
pub fn plan(decisions: Vec<Decision<'_>>, on_dead_letter: OnDeadLetter) -> Settlement {
    let mut settlement = Settlement::default();
    for decision in decisions {
        add(&mut settlement, decision, on_dead_letter);
    }
    settlement.published.sort_unstable();
    settlement
}

fn add(settlement: &mut Settlement, decision: Decision<'_>, on_dead_letter: OnDeadLetter) {
    let event = decision.event;
    let attempts = event.attempts();
    for (scope, kind, error) in &decision.holds {
        add_hold(settlement, scope.clone(), *kind, error.clone());
    }
    match decision.verdict.clone() {
        Verdict::Published => settlement.published.push(event.id),
        Verdict::Retry { attempts, pause, error } => {
            let end = Until::After(pause);
            settlement.waits.push(wait(decision, WaitReason::Retry, attempts, end, None, Some(error)));
        }
        Verdict::DeadLetter { reason, attempts, error } => settlement.dead_letters.push(NewDeadLetter {
            event_id: event.id,
            key: event.key().to_owned(),
            lane: event.lane,
            seq: event.seq,
            reason,
            error: clean(error),
            attempts,
            routes_confirmed: decision.routes_confirmed,
            routes_failed: decision.routes_failed,
            key_waits: on_dead_letter == OnDeadLetter::Wait,
        }),
        Verdict::Hold { scope, kind, error } => {
            add_hold(settlement, scope.clone(), kind, error.clone());
            let hold = Some(WaitsFor::New(scope));
            settlement.waits.push(wait(decision, WaitReason::Held, attempts, Until::Lifted, hold, Some(error)));
        }
        Verdict::Pause { pause, error } => {
            let end = Until::After(pause);
            settlement.waits.push(wait(decision, WaitReason::Retry, attempts, end, None, Some(error)));
        }
        Verdict::WaitForHold { hold } => {
            let hold = Some(WaitsFor::Existing(hold));
            settlement.waits.push(wait(decision, WaitReason::Held, attempts, Until::Lifted, hold, None));
        }
        Verdict::AwaitConfirm { pause } => {
            let end = Until::After(pause);
            settlement.waits.push(wait(decision, WaitReason::Unconfirmed, attempts, end, None, None));
        }
        Verdict::NoRoute => {
            let no_route_type = Some(event.event_type.clone());
            let waits = wait(decision, WaitReason::NoRoute, attempts, Until::Lifted, None, None);
            settlement.waits.push(NewWait { no_route_type, ..waits });
        }
        // What a route has confirmed must not be lost, or the next batch would send it there again.
        Verdict::Leave if !decision.routes_confirmed.is_empty() => {
            let end = Until::After(Duration::ZERO);
            settlement.waits.push(wait(decision, WaitReason::Retry, attempts, end, None, None));
        }
        Verdict::Leave => {}
    }
}

fn wait(
    decision: Decision<'_>,
    reason: WaitReason,
    attempts: u32,
    until: Until,
    hold: Option<WaitsFor>,
    error: Option<String>,
) -> NewWait {
    let event = decision.event;
    NewWait {
        key: event.key().to_owned(),
        lane: event.lane,
        event_id: event.id,
        seq: event.seq,
        reason,
        attempts,
        until,
        hold,
        error: error.map(clean),
        routes_confirmed: decision.routes_confirmed,
        no_route_type: None,
    }
}

fn add_hold(settlement: &mut Settlement, scope: HoldScope, kind: HoldKind, error: String) {
    if !settlement.holds.iter().any(|known| known.scope == scope) {
        settlement.holds.push(NewHold { scope, kind, error: clean(error), probe_after: FIRST_PROBE_AFTER });
    }
}

/// An error text that PostgreSQL takes: no NUL, and not endless.
fn clean(text: String) -> String {
    let mut text = if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text };
    if text.len() > ERROR_BYTES_MAX {
        let end = (0..=ERROR_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::destination::Destination;
    use crate::outbox::event::FailureReason;
    use crate::outbox::fixtures;

    fn decide(event: &Event, verdict: Verdict) -> Decision<'_> {
        let (holds, routes_confirmed, routes_failed) = (Vec::new(), Vec::new(), vec!["default".into()]);
        Decision { event, verdict, holds, routes_confirmed, routes_failed }
    }

    fn hold(event: &Event) -> Decision<'_> {
        let scope = HoldScope::Key(Destination { exchange: "e".into(), routing_key: "k".into() });
        decide(event, Verdict::Hold { scope, kind: HoldKind::Refused, error: "nacked".into() })
    }

    #[test]
    fn published_ids_are_sorted_so_that_settles_do_not_deadlock() {
        let events: Vec<Event> = (0..20).map(|seq| fixtures::event("k", seq)).collect();
        let decisions = events.iter().map(|event| decide(event, Verdict::Published)).collect();
        assert!(plan(decisions, OnDeadLetter::Continue).published.is_sorted());
    }

    #[test]
    fn events_of_one_destination_share_one_hold() {
        let (first, second) = (fixtures::event("a", 1), fixtures::event("b", 2));
        let settlement = plan(vec![hold(&first), hold(&second)], OnDeadLetter::Continue);
        assert_eq!((settlement.holds.len(), settlement.waits.len()), (1, 2));
        assert!(settlement.waits.iter().all(|wait| wait.until == Until::Lifted && wait.attempts == 0));
    }

    #[test]
    fn a_broken_destination_goes_on_hold_though_another_route_decides_the_verdict() {
        let event = fixtures::event("a", 1);
        let mut left = decide(&event, Verdict::Leave);
        left.holds = vec![(HoldScope::Exchange("gone".into()), HoldKind::Missing, "NOT_FOUND".into())];
        let settlement = plan(vec![left], OnDeadLetter::Continue);
        assert_eq!((settlement.holds.len(), settlement.waits.len()), (1, 0));
        assert_eq!(settlement.holds[0].scope, HoldScope::Exchange("gone".into()));
    }

    #[test]
    fn a_dead_letter_lets_its_key_go_on_or_keeps_it_waiting() {
        let event = fixtures::event("k", 3);
        let verdict = Verdict::DeadLetter { reason: FailureReason::Unroutable, attempts: 4, error: "a\0b".into() };
        let settlement = plan(vec![decide(&event, verdict.clone())], OnDeadLetter::Continue);
        assert!(!settlement.dead_letters[0].key_waits);
        assert_eq!(settlement.dead_letters[0].error, "a\u{fffd}b");
        let settlement = plan(vec![decide(&event, verdict)], OnDeadLetter::Wait);
        let NewDeadLetter { key_waits, lane, seq, .. } = settlement.dead_letters[0];
        assert_eq!((key_waits, lane, seq), (true, 0, 3));
    }

    #[test]
    fn a_route_that_confirmed_is_remembered_even_where_nothing_else_changes() {
        let event = fixtures::event("k", 3);
        let mut left = decide(&event, Verdict::Leave);
        assert_eq!(plan(vec![left], OnDeadLetter::Continue), Settlement::default());
        left = decide(&event, Verdict::Leave);
        left.routes_confirmed = vec!["a".into()];
        let settlement = plan(vec![left], OnDeadLetter::Continue);
        assert_eq!(settlement.waits[0].routes_confirmed, ["a"]);
        assert_eq!(settlement.waits[0].until, Until::After(Duration::ZERO));
    }

    #[test]
    fn error_texts_are_cut_at_a_character() {
        assert_eq!(clean("ü".repeat(2_000)).len(), 2_000);
    }
}
