//! The verdict stage: decides what to do with an event, from what happened to it. Pure and
//! exhaustive; called by `decide`.
//!
//! `fate` combines the answers of an event's routes into one, and `verdict` turns it into a state
//! change. `hold_for` says what one answer puts on hold, whichever answer decides. Only `charge`
//! costs the event an attempt, and only if the broker returned this very message, or closed the
//! channel over it.

use std::time::Duration;

use crate::outbox::destination::OnUnroutable;
use crate::outbox::event::FailureReason;
use crate::outbox::hold::{HoldKind, HoldScope};
use crate::outbox::outcome::{Answer, ChannelFault, Fate, Past, Trouble, Verdict};
use crate::relay::retry::RetrySteps;

/// What an operator decided, and the limits.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Retries after the first attempt.
    pub retries_max: u32,
    /// The pauses between attempts.
    pub steps: RetrySteps,
    /// How long a sent message may stay unconfirmed before it is sent again.
    pub confirm_timeout: Duration,
    /// Events in a row that come back from a flow that was never confirmed before it counts as a
    /// missing binding.
    pub returns_in_a_row_max: u32,
}

/// How often a routing key is tried again that has no hold of its own, because there are too many like it.
const CROWD_PAUSE: Duration = Duration::from_secs(10);

/// Folds the answers of an event's routes into one fate, in the order of `precedence`. An answer that may still change comes first: an
/// event is never charged while one of its messages is still on its way. A return comes last of those that decide.
pub fn fate(answers: impl IntoIterator<Item = Answer>) -> Fate {
    answers
        .into_iter()
        .filter(|answer| !is_confirmed(answer))
        .min_by_key(precedence)
        .map_or(Fate::Confirmed, Fate::NotPublished)
}

/// Whether a route is done with: confirmed, or returned where nobody has to listen.
pub fn is_confirmed(answer: &Answer) -> bool {
    match answer {
        Answer::Confirmed => true,
        Answer::Returned { on_unroutable, .. } => *on_unroutable == OnUnroutable::Ignore,
        Answer::Nacked { .. }
        | Answer::Closed { .. }
        | Answer::Unconfirmed
        | Answer::Held { .. }
        | Answer::Stalled { .. }
        | Answer::NotSent => false,
    }
}

fn precedence(answer: &Answer) -> u8 {
    match answer {
        Answer::Unconfirmed => 0,
        Answer::Closed { fault: ChannelFault::TooLarge { .. }, .. } => 1,
        Answer::Closed { .. } => 2,
        Answer::NotSent => 3,
        Answer::Nacked { .. } => 4,
        Answer::Stalled { .. } => 5,
        Answer::Held { .. } => 6,
        Answer::Returned { .. } => 7,
        Answer::Confirmed => 8,
    }
}

/// What becomes of an event with `attempts` charged so far.
pub fn verdict(fate: Fate, attempts: u32, policy: &Policy) -> Verdict {
    match fate {
        Fate::Confirmed => Verdict::Published,
        Fate::NoRoute => Verdict::NoRoute,
        Fate::Invalid { error } => Verdict::DeadLetter { reason: FailureReason::InvalidEvent, attempts, error },
        Fate::TooLarge { bytes, limit } => Verdict::DeadLetter {
            reason: FailureReason::PayloadTooLarge,
            attempts,
            error: format!("the payload takes {bytes} bytes, more than the limit of {limit}"),
        },
        Fate::NotPublished(answer) => not_published(answer, attempts, policy),
    }
}

/// The hold that this answer calls for, whatever the event's other routes say: where one of several destinations is broken, the event
/// must not be sent there again together with the others.
pub fn hold_for(answer: &Answer, policy: &Policy) -> Option<(HoldScope, HoldKind, String)> {
    match not_published(answer.clone(), 0, policy) {
        Verdict::Hold { scope, kind, error } => Some((scope, kind, error)),
        Verdict::Published
        | Verdict::Retry { .. }
        | Verdict::DeadLetter { .. }
        | Verdict::Pause { .. }
        | Verdict::WaitForHold { .. }
        | Verdict::AwaitConfirm { .. }
        | Verdict::NoRoute
        | Verdict::Leave => None,
    }
}

fn not_published(answer: Answer, attempts: u32, policy: &Policy) -> Verdict {
    match answer {
        Answer::Confirmed => Verdict::Published,
        Answer::Returned { trouble, on_unroutable, past, is_probe, text } => {
            // What is on hold sees one event at a time; an exchange that was created again lacks its bindings, and the event that finds
            // that out is not to blame. It waits for its own flow from now on, out of the way of the exchange's.
            let is_missing_binding = match (on_unroutable, past) {
                (OnUnroutable::Ignore, _) => return Verdict::Published,
                (OnUnroutable::Hold, _) | (OnUnroutable::DeadLetter, Past::Confirmed) => true,
                (OnUnroutable::DeadLetter, Past::Returned(events)) => is_probe || events >= policy.returns_in_a_row_max,
            };
            if is_missing_binding {
                return wait_for(trouble, HoldKind::Unroutable, text);
            }
            let scope = match trouble {
                Trouble::Of(scope) => scope,
                Trouble::Another(destination) => HoldScope::Key(destination),
            };
            let error = format!("no queue is bound for {scope} ({text})");
            charge(FailureReason::Unroutable, attempts, error, policy)
        }
        Answer::Nacked { trouble } => wait_for(trouble, HoldKind::Refused, "nacked".into()),
        Answer::Closed { trouble, fault } => closed(trouble, fault, attempts, policy),
        Answer::Unconfirmed => Verdict::AwaitConfirm { pause: policy.confirm_timeout },
        Answer::Held { hold } => Verdict::WaitForHold { hold },
        Answer::Stalled { scope } => hold(scope, HoldKind::Unconfirmed, "no confirm".into()),
        Answer::NotSent => Verdict::Leave,
    }
}

fn closed(trouble: Trouble, fault: ChannelFault, attempts: u32, policy: &Policy) -> Verdict {
    match fault {
        ChannelFault::ExchangeMissing { exchange, text } => {
            hold(HoldScope::Exchange(exchange), HoldKind::Missing, text)
        }
        ChannelFault::Forbidden { exchange, text } => hold(HoldScope::Exchange(exchange), HoldKind::Forbidden, text),
        ChannelFault::TopicForbidden { text } => wait_for(trouble, HoldKind::Forbidden, text),
        ChannelFault::TooLarge { text } => {
            Verdict::DeadLetter { reason: FailureReason::PayloadTooLarge, attempts, error: text }
        }
        ChannelFault::Culprit { text } => charge(FailureReason::ChannelClosed, attempts, text, policy),
        ChannelFault::DestinationClosed { text } => wait_for(trouble, HoldKind::Closed, text),
        ChannelFault::Bystander => Verdict::Leave,
    }
}

fn wait_for(trouble: Trouble, kind: HoldKind, error: String) -> Verdict {
    match trouble {
        Trouble::Of(scope) => hold(scope, kind, error),
        Trouble::Another(destination) => {
            let error = format!("{}: {} ({error})", HoldScope::Key(destination), kind.reason());
            Verdict::Pause { pause: CROWD_PAUSE, error }
        }
    }
}

fn hold(scope: HoldScope, kind: HoldKind, error: String) -> Verdict {
    Verdict::Hold { scope, kind, error }
}

fn charge(reason: FailureReason, attempts: u32, error: String, policy: &Policy) -> Verdict {
    let attempts = attempts.saturating_add(1);
    if attempts > policy.retries_max {
        Verdict::DeadLetter { reason, attempts, error }
    } else {
        Verdict::Retry { attempts, pause: policy.steps.after(attempts), error }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
