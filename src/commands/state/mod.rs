//! The state of one event, from the facts in the tables: what it is, since when, why, what is
//! ahead, and what to do. Pure.
//!
//! `trace` and `keys list` read the facts. How many retries a relay allows is a flag of the relay
//! and not in the database, so attempts are counted but not compared.

pub mod condition;
pub mod facts;
pub mod relays;
pub mod rows;
pub(super) mod prepared;
pub(super) mod strangers;

use time::OffsetDateTime;

use crate::commands::print::next::{Step, Typist};
use crate::commands::print::words::{distance, when};
use crate::commands::state::facts::{Ahead, Facts, HoldFacts, Judged, Place, State, WaitFacts};
use crate::commands::state::rows::DeadLetterRow;
use crate::outbox::event::{FailureReason, WaitReason};
use crate::outbox::hold::HoldKind;
use crate::outbox::time::timestamp;

/// If a pending event waits for this long although relays are connected, somebody should look at
/// them.
const PENDING_LONG_SECONDS: i64 = 30;

/// The state of one event.
pub fn judge(facts: &Facts<'_>, typist: &Typist<'_>) -> Judged {
    match (&facts.place, facts.wait) {
        (Place::Published(at), _) => published(facts, *at, typist),
        (Place::DeadLetter(letter), wait) => dead_lettered(facts, letter, wait, typist),
        (Place::Pending, Some(wait)) if wait.event_id == facts.id => waits_itself(facts, wait, typist),
        (Place::Pending, Some(wait)) => behind_wait(facts, wait, typist),
        (Place::Pending, None) => match &facts.ahead {
            Some(ahead) => behind(facts, ahead, typist),
            None => pending(facts, typist),
        },
    }
}

fn published(facts: &Facts<'_>, at: OffsetDateTime, typist: &Typist<'_>) -> Judged {
    let id = facts.id.to_string();
    Judged {
        next: vec![typist.command("see what sending it again would do", &["replay", "--dry-run", "--id", &id], None)],
        ..plain(State::Published, at, String::new())
    }
}

fn pending(facts: &Facts<'_>, typist: &Typist<'_>) -> Judged {
    let age = (facts.now - facts.created_at).whole_seconds();
    let (why, next) = if let Some(stranger) = facts.stranger {
        (stranger.words(), vec![Step::advice(stranger.fix())])
    } else if facts.lane_is_locked {
        ("a relay is publishing its lane now".to_owned(), Vec::new())
    } else if let Some(obstacle) = facts.obstacle {
        (obstacle.words(), vec![Step::advice(obstacle.fix()), preflight(typist)])
    } else if facts.below_floor {
        ("it was committed late; the relays look for such events every few seconds".to_owned(), Vec::new())
    } else if age > PENDING_LONG_SECONDS {
        let why = "nothing blocks it; the relays are busy with older events".to_owned();
        (why, vec![typist.command("see how far behind the relays are", &["status"], None), preflight(typist)])
    } else {
        ("nothing blocks it; a relay takes it with one of its next batches".to_owned(), Vec::new())
    };
    Judged { next, ..plain(State::Pending, facts.created_at, why) }
}

fn preflight(typist: &Typist<'_>) -> Step {
    typist.command("check that a relay reaches both services, with the relay's environment", &["check"], None)
}

/// Behind an event that does not wait itself: it leaves in a moment, or nothing is published at
/// all.
fn behind(facts: &Facts<'_>, ahead: &Ahead, typist: &Typist<'_>) -> Judged {
    let head = Facts { ahead: None, id: ahead.event_id, ..facts.clone() };
    let of_head = pending(&head, typist);
    behind_any(facts, ahead.clone(), &of_head, typist)
}

fn behind_wait(facts: &Facts<'_>, wait: &WaitFacts, typist: &Typist<'_>) -> Judged {
    let head = Facts { id: wait.event_id, ahead: None, ..facts.clone() };
    let of_head = waits_itself(&head, wait, typist);
    let others = facts.ahead.as_ref().map_or(0, |ahead| ahead.events);
    let is_dead = WaitReason::parse(&wait.reason) == Some(WaitReason::AfterDeadLetter);
    let ahead = Ahead {
        event_id: wait.event_id,
        event_type: wait.event_type.clone(),
        // A dead letter is ahead, but no longer among the pending events.
        events: if is_dead { others + 1 } else { others.max(1) },
    };
    behind_any(facts, ahead, &of_head, typist)
}

fn behind_any(facts: &Facts<'_>, ahead: Ahead, of_head: &Judged, typist: &Typist<'_>) -> Judged {
    let name = name_of(&ahead);
    let others = match ahead.events - 1 {
        0 | -1 => String::new(),
        1 => ", 1 more between".into(),
        more => format!(", {more} more between"),
    };
    let why = if of_head.why.is_empty() {
        format!("{} is {}", name, of_head.headline)
    } else {
        format!("{} is {}: {}", name, of_head.headline, of_head.why)
    };
    let mut next = of_head.next.clone();
    if next.is_empty() {
        let id = ahead.event_id.to_string();
        next.push(typist.command("look at the event ahead", &["trace"], Some(&id)));
    }
    Judged {
        state: State::Waiting,
        headline: format!("waiting (behind {name}{others})"),
        since: facts.created_at,
        until: None,
        why,
        ahead: Some(ahead),
        next,
    }
}

fn name_of(ahead: &Ahead) -> String {
    match &ahead.event_type {
        Some(event_type) => format!("{event_type} {}", ahead.event_id),
        None => ahead.event_id.to_string(),
    }
}

fn waits_itself(facts: &Facts<'_>, wait: &WaitFacts, typist: &Typist<'_>) -> Judged {
    let judged = match WaitReason::parse(&wait.reason) {
        // An unknown reason, from a newer relay, counts as a retry, as in claims.
        None | Some(WaitReason::Retry) => retrying(facts, wait, typist),
        Some(WaitReason::Held) => held(facts, wait, typist),
        Some(WaitReason::NoRoute) => no_route(facts, wait, typist),
        Some(WaitReason::Unconfirmed) => unconfirmed(facts, wait, typist),
        Some(WaitReason::AfterDeadLetter) => after_dead_letter(wait, typist),
        Some(WaitReason::Unreadable) => unreadable(wait, typist),
        Some(WaitReason::DeadLetterFailed) => dead_letter_failed(facts, wait, typist),
    };
    let is_lifted = judged.state == State::Held && wait.hold.is_none();
    let is_overdue = is_lifted || wait.until.is_some_and(|until| until < facts.now);
    if let Some(obstacle) = facts.obstacle.filter(|_| is_overdue) {
        let why = format!("{}; it is due, but {}", judged.why, obstacle.words());
        let mut next = vec![Step::advice(obstacle.fix()), preflight(typist)];
        next.extend(judged.next);
        return Judged { why, next, ..judged };
    }
    judged
}

fn attempts(wait: &WaitFacts) -> String {
    match wait.attempts {
        1 => "1 attempt charged".into(),
        attempts => format!("{attempts} attempts charged"),
    }
}

fn due(facts: &Facts<'_>, until: Option<OffsetDateTime>) -> String {
    match until {
        Some(until) if until <= facts.now => "due now".into(),
        Some(until) => format!("next at {}, {}", timestamp(until), distance(until, facts.now)),
        None => "not by itself".into(),
    }
}

fn retrying(facts: &Facts<'_>, wait: &WaitFacts, typist: &Typist<'_>) -> Judged {
    let has = match wait.routes_confirmed.join(", ") {
        routes if routes.is_empty() => String::new(),
        routes => format!("; these routes have it and do not get it again: {routes}"),
    };
    Judged {
        headline: format!("retrying ({}, {})", attempts(wait), due(facts, wait.until)),
        until: wait.until,
        next: vec![
            typist.command("try again now, after fixing the cause", &["keys", "release"], Some(&wait.key)),
            typist.command("give it up and release its key", &["keys", "dead-letter"], Some(&wait.key)),
        ],
        ..plain(State::Retrying, wait.since, format!("{}{has}", error_of(wait)))
    }
}

fn error_of(wait: &WaitFacts) -> String {
    wait.error.clone().unwrap_or_else(|| "no error was recorded".into())
}

fn held(facts: &Facts<'_>, wait: &WaitFacts, typist: &Typist<'_>) -> Judged {
    let Some(hold) = &wait.hold else {
        return Judged {
            headline: "held (its hold was lifted)".into(),
            ..plain(State::Held, wait.since, "a relay takes it with one of its next batches".into())
        };
    };
    let destination = hold.scope.as_ref().map_or_else(|| "a destination of a newer relay".into(), ToString::to_string);
    let mut next = vec![Step::advice(fix_of(hold))];
    next.extend(hold.scope.as_ref().map(|scope| typist.release_hold(scope)));
    next.push(typist.command("list everything on hold", &["routes", "list"], None));
    Judged {
        headline: format!("held ({destination}: {})", hold.reason),
        until: None,
        next,
        ..plain(State::Held, wait.since, why_held(facts, hold))
    }
}

/// Describes a hold in one sentence.
pub fn why_hold(hold: &HoldFacts, now: OffsetDateTime) -> String {
    let by = hold.held_by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
    let note = hold.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
    let error = hold.error.as_ref().map_or_else(String::new, |error| format!("; the broker said: {error}"));
    let probe = match hold.next_probe_at {
        Some(at) if hold.kind != "operator" && at <= now => "; a relay is about to probe it".into(),
        Some(at) if hold.kind != "operator" => format!("; the next probe is {}", distance(at, now)),
        Some(_) | None => String::new(),
    };
    format!("on hold{by} since {}{note}{error}{probe}", when(hold.since, now))
}

fn why_held(facts: &Facts<'_>, hold: &HoldFacts) -> String {
    let but = facts.obstacle.map_or_else(String::new, |obstacle| format!(", but {}", obstacle.words()));
    format!("{}{but}", why_hold(hold, facts.now))
}

/// How to fix the cause of a hold, which then ends by itself.
pub fn fix_of(hold: &HoldFacts) -> String {
    let fix = match HoldKind::parse(&hold.kind) {
        Some(HoldKind::Refused) => "make room in its queue, or restore its leader (length limit, consumers, cluster)",
        Some(HoldKind::Unroutable) => "bind a queue for it",
        Some(HoldKind::Missing) => "create the exchange (or run the relay with --declare)",
        Some(HoldKind::Forbidden) => "give the relay's user permission to write to it",
        Some(HoldKind::Unconfirmed) => "check its queues: one of them takes messages but confirms none",
        Some(HoldKind::Closed) => "check the broker's log for why it closes the channel",
        None => return "an operator holds it: it stays on hold until it is released".into(),
    };
    format!("{fix}; the next probe then lifts the hold")
}

fn no_route(facts: &Facts<'_>, wait: &WaitFacts, typist: &Typist<'_>) -> Judged {
    let why = match wait.until {
        None => "no route names its type; a relay whose routes name it takes it within 30 s".to_owned(),
        Some(_) => format!("no route named its type; checked again ({})", due(facts, wait.until)),
    };
    Judged {
        until: wait.until,
        next: vec![
            Step::advice("add its type to the routes file, and restart the relays with it"),
            typist.command("check again now", &["keys", "release"], Some(&wait.key)),
        ],
        ..plain(State::NoRoute, wait.since, why)
    }
}

fn unconfirmed(facts: &Facts<'_>, wait: &WaitFacts, typist: &Typist<'_>) -> Judged {
    let why = format!(
        "it was sent, but the broker has not confirmed it: it may have arrived, and is sent again with the same message_id unless the confirm comes ({})",
        due(facts, wait.until)
    );
    let next = vec![typist.command("check whether the broker confirms anything", &["status"], None)];
    Judged { until: wait.until, next, ..plain(State::Unconfirmed, wait.since, why) }
}

/// The head is a dead letter, and the key waits for an operator.
fn after_dead_letter(wait: &WaitFacts, typist: &Typist<'_>) -> Judged {
    let id = wait.event_id.to_string();
    let why = format!("the relay runs with --on-dead-letter hold; {}", error_of(wait));
    Judged {
        headline: "dead-lettered, and its key waits for you".into(),
        next: dead_letter_steps(&id, Some(&wait.key), typist),
        ..plain(State::DeadLettered, wait.since, why)
    }
}

/// The database cannot deliver its row: only who repairs or deletes the row helps.
fn unreadable(wait: &WaitFacts, typist: &Typist<'_>) -> Judged {
    let id = wait.event_id;
    let why = format!("the database cannot deliver its row: {}", error_of(wait));
    Judged {
        next: vec![
            Step::advice(format!(
                "repair the row, for example UPDATE {schema}.events SET payload = … WHERE id = '{id}', or delete it: DELETE FROM {schema}.events WHERE id = '{id}'",
                schema = typist.schema()
            )),
            typist.command("read it again, once the row is repaired", &["keys", "release"], Some(&wait.key)),
            typist.command(
                "or move it to the dead letters and release its key",
                &["keys", "dead-letter"],
                Some(&wait.key),
            ),
        ],
        ..plain(State::Unreadable, wait.since, why)
    }
}

/// It was given up, and is in the way of its key because it could not be moved.
fn dead_letter_failed(facts: &Facts<'_>, wait: &WaitFacts, typist: &Typist<'_>) -> Judged {
    Judged {
        headline: format!("dead letter failed ({})", due(facts, wait.until)),
        until: wait.until,
        next: vec![
            typist.command("move it now, with more time", &["keys", "dead-letter"], Some(&wait.key)),
            typist.command("have the relay try again now", &["keys", "release"], Some(&wait.key)),
        ],
        ..plain(State::DeadLetterFailed, wait.since, error_of(wait))
    }
}

fn dead_letter_steps(id: &str, waiting_key: Option<&str>, typist: &Typist<'_>) -> Vec<Step> {
    let mut steps = vec![
        typist.command("look at it", &["dlq", "show"], Some(id)),
        typist.command("send it again, after fixing the cause", &["dlq", "replay", "--id", id], None),
        typist.command("write it off", &["dlq", "discard", "--id", id], None),
    ];
    steps.extend(waiting_key.map(|key| typist.command("release its key without it", &["keys", "release"], Some(key))));
    steps
}

/// Whether a replay of a dead letter with this reason may succeed: an event that cannot become a message never does.
pub(super) fn can_be_sent(failure_reason: &str) -> bool {
    failure_reason != FailureReason::InvalidEvent.as_str()
}

fn dead_lettered(facts: &Facts<'_>, letter: &DeadLetterRow, wait: Option<&WaitFacts>, typist: &Typist<'_>) -> Judged {
    let id = facts.id.to_string();
    let error = letter.last_error.as_deref().unwrap_or("no error was recorded");
    let mut why = format!("{}: {error} (attempts charged: {})", letter.failure_reason, letter.attempts);
    if let Some(at) = letter.processed_at {
        let by = letter.resolved_by.as_deref().unwrap_or("somebody");
        let resolution = letter.resolution.as_deref().unwrap_or("resolved");
        why = format!("{resolution} by {by} at {}; before: {why}", timestamp(at));
        return Judged {
            headline: format!("dead-lettered ({}, {resolution})", letter.failure_reason),
            ..plain(State::DeadLettered, letter.dead_lettered_at, why)
        };
    }
    let waiting_key = wait.filter(|wait| wait.event_id == facts.id).map(|wait| wait.key.as_str());
    let mut next = dead_letter_steps(&id, waiting_key, typist);
    if !can_be_sent(&letter.failure_reason) {
        next[1] = Step::advice(
            "it can never be sent as it is: have the service write a correct event, then write this one off",
        );
    }
    Judged {
        headline: format!("dead-lettered ({})", letter.failure_reason),
        next,
        ..plain(State::DeadLettered, letter.dead_lettered_at, why)
    }
}

fn plain(state: State, since: OffsetDateTime, why: String) -> Judged {
    Judged { state, headline: state.words().to_owned(), since, until: None, why, ahead: None, next: Vec::new() }
}

#[cfg(test)]
mod tests;
