//! The states of an event, one by one: what is said, since when, who is ahead, and what to type.

use crate::commands::state::relays::Obstacle;
use crate::commands::state::rows::DeadLetterRow;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::outbox::destination::Destination;
use crate::outbox::hold::HoldScope;

const EVENT: Uuid = Uuid::from_u128(2);
const HEAD: Uuid = Uuid::from_u128(1);

fn now() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(365)
}

fn pending(wait: Option<&WaitFacts>) -> Facts<'_> {
    Facts {
        id: EVENT,
        key: "order-1",
        created_at: now() - Duration::seconds(5),
        place: Place::Pending,
        wait,
        ahead: None,
        lane_is_locked: false,
        stranger: None,
        below_floor: false,
        obstacle: None,
        now: now(),
    }
}

fn wait(event_id: Uuid, reason: WaitReason) -> WaitFacts {
    WaitFacts {
        key: "order-1".into(),
        event_id,
        event_type: Some("order.paid".into()),
        reason: reason.as_str().into(),
        attempts: 2,
        until: Some(now() + Duration::seconds(4)),
        since: now() - Duration::minutes(3),
        error: Some("312 NO_ROUTE".into()),
        routes_confirmed: Vec::new(),
        hold: None,
    }
}

fn hold(kind: &str) -> HoldFacts {
    let destination = Destination { exchange: "order.events".into(), routing_key: "order.paid".into() };
    HoldFacts {
        id: 7,
        scope: Some(HoldScope::Key(destination)),
        kind: kind.into(),
        reason: "no queue is bound for it".into(),
        error: Some("NO_ROUTE".into()),
        since: now() - Duration::hours(2),
        next_probe_at: Some(now() + Duration::seconds(9)),
        held_by: None,
        note: None,
    }
}

fn letter() -> DeadLetterRow {
    DeadLetterRow {
        dead_letter_id: 5,
        event_id: Uuid::nil(),
        seq: 1,
        key: "order-1".into(),
        aggregate_type: "Order".into(),
        aggregate_id: "order-1".into(),
        event_type: "order.paid".into(),
        correlation_id: None,
        created_at: None,
        replay_id: None,
        note: None,
        failure_reason: "UNROUTABLE".into(),
        last_error: Some("312 NO_ROUTE".into()),
        attempts: 4,
        dead_lettered_at: now() - Duration::minutes(1),
        processed_at: None,
        resolution: None,
        resolved_by: None,
        routes_confirmed: Vec::new(),
        routes_failed: vec!["default".into()],
    }
}

fn of(facts: &Facts<'_>) -> Judged {
    judge(facts, &Typist::new("outbox"))
}

fn commands(judged: &Judged) -> Vec<&str> {
    judged.next.iter().filter_map(|step| step.command.as_deref()).collect()
}

#[test]
fn a_published_event_says_when_and_how_it_would_be_sent_again() {
    let judged = of(&Facts { place: Place::Published(now()), ..pending(None) });
    assert_eq!((judged.state, judged.headline.as_str(), judged.since), (State::Published, "published", now()));
    assert_eq!(commands(&judged), [format!("outbox-relay replay --dry-run --id {EVENT}")]);
}

#[test]
fn a_pending_event_says_why_nobody_has_taken_it() {
    let why = |facts: Facts<'_>| of(&facts).why;
    assert!(why(pending(None)).contains("takes it with one of its next batches"));
    assert!(why(Facts { lane_is_locked: true, ..pending(None) }).contains("publishing its lane now"));
    assert!(why(Facts { below_floor: true, ..pending(None) }).contains("committed late"));
    let alone = of(&Facts { obstacle: Some(&Obstacle::NoRelay(None)), ..pending(None) });
    assert!(alone.why.contains("no relay is connected"), "{alone:?}");
    assert_eq!(commands(&alone), ["outbox-relay check"]);
    let long = of(&Facts { created_at: now() - Duration::minutes(1), ..pending(None) });
    assert_eq!(commands(&long), ["outbox-relay status", "outbox-relay check"]);
}

#[test]
fn a_waiting_event_names_who_is_ahead_and_inherits_what_to_do() {
    let ahead = Ahead { event_id: HEAD, event_type: Some("order.paid".into()), events: 3 };
    let retried = wait(HEAD, WaitReason::Retry);
    let judged = of(&Facts { ahead: Some(ahead.clone()), ..pending(Some(&retried)) });
    assert_eq!(judged.state, State::Waiting);
    assert_eq!(judged.headline, format!("waiting (behind order.paid {HEAD}, 2 more between)"));
    assert!(judged.why.contains("is retrying (2 attempts charged, next at"), "{}", judged.why);
    assert_eq!(judged.since, now() - Duration::seconds(5), "it has waited since it was created");
    assert_eq!(commands(&judged), ["outbox-relay keys release order-1", "outbox-relay keys dead-letter order-1"]);
    let judged = of(&Facts { ahead: Some(ahead), ..pending(None) });
    assert_eq!(judged.state, State::Waiting);
    assert_eq!(commands(&judged), [format!("outbox-relay trace {HEAD}")], "the head itself needs nothing");
}

#[test]
fn an_event_that_committed_late_waits_behind_the_head_even_with_a_lower_seq() {
    let held = wait(HEAD, WaitReason::Held);
    let judged = of(&pending(Some(&held)));
    assert_eq!(judged.headline, format!("waiting (behind order.paid {HEAD})"));
    assert_eq!(judged.ahead.map(|ahead| ahead.events), Some(1));
}

#[test]
fn a_retried_event_counts_attempts_and_knows_the_next() {
    let mut retried = wait(EVENT, WaitReason::Retry);
    let judged = of(&pending(Some(&retried)));
    assert_eq!(judged.state, State::Retrying);
    assert_eq!(judged.headline, "retrying (2 attempts charged, next at 1971-01-01T00:00:04.000Z, in 4s)");
    assert_eq!((judged.since, judged.until), (now() - Duration::minutes(3), Some(now() + Duration::seconds(4))));
    assert_eq!(judged.why, "312 NO_ROUTE");
    retried.attempts = 1;
    retried.until = Some(now() - Duration::seconds(1));
    retried.routes_confirmed = vec!["platform".into()];
    let judged = of(&pending(Some(&retried)));
    assert_eq!(judged.headline, "retrying (1 attempt charged, due now)");
    assert!(judged.why.ends_with("do not get it again: platform"), "{}", judged.why);
    let alone = of(&Facts { obstacle: Some(&Obstacle::NoRelay(None)), ..pending(Some(&retried)) });
    assert!(alone.why.ends_with("it is due, but no relay is connected"), "{}", alone.why);
}

#[test]
fn a_held_event_names_its_destination_the_fix_and_the_release() {
    let mut held = wait(EVENT, WaitReason::Held);
    for kind in HoldKind::ALL.map(HoldKind::as_str).into_iter().chain(["operator"]) {
        held.hold = Some(hold(kind));
        let judged = of(&pending(Some(&held)));
        assert_eq!(judged.state, State::Held);
        assert_eq!(
            judged.headline,
            "held (routing key 'order.paid' of exchange 'order.events': no queue is bound for it)"
        );
        assert!(judged.why.contains("(2h 0m ago)"), "{}", judged.why);
        assert_eq!(judged.why.contains("next probe is in 9s"), kind != "operator", "{kind}: {}", judged.why);
        assert_eq!(judged.next[0].command, None, "{kind}: the fix comes first");
        assert_eq!(
            commands(&judged),
            ["outbox-relay routes release order.events/order.paid", "outbox-relay routes list"]
        );
    }
    held.hold = None;
    assert_eq!(of(&pending(Some(&held))).headline, "held (its hold was lifted)");
}

#[test]
fn what_an_operator_held_says_who_and_why() {
    let mut held = wait(EVENT, WaitReason::Held);
    let by = Some("ana".to_owned());
    held.hold = Some(HoldFacts { held_by: by, note: Some("until Monday".into()), ..hold("operator") });
    let judged = of(&pending(Some(&held)));
    assert!(judged.why.starts_with("on hold by ana since"), "{}", judged.why);
    assert!(judged.why.contains("(until Monday)"), "{}", judged.why);
}

#[test]
fn an_event_without_a_route_says_where_to_name_it() {
    let judged = of(&pending(Some(&wait(EVENT, WaitReason::NoRoute))));
    assert_eq!((judged.state, judged.headline.as_str()), (State::NoRoute, "no route"));
    assert!(judged.next[0].to.contains("routes file"), "{:?}", judged.next);
}

#[test]
fn an_unconfirmed_event_warns_of_a_second_copy() {
    let judged = of(&pending(Some(&wait(EVENT, WaitReason::Unconfirmed))));
    assert_eq!(judged.state, State::Unconfirmed);
    assert!(judged.why.contains("it may have arrived"), "{}", judged.why);
}

#[test]
fn a_dead_letter_is_shown_replayed_or_written_off_and_its_key_released() {
    let letter = letter();
    let facts = Facts { place: Place::DeadLetter(&letter), ..pending(None) };
    let judged = of(&facts);
    assert_eq!(judged.headline, "dead-lettered (UNROUTABLE)");
    assert_eq!(judged.why, "UNROUTABLE: 312 NO_ROUTE (attempts charged: 4)");
    assert_eq!(
        commands(&judged),
        [
            format!("outbox-relay dlq show {EVENT}"),
            format!("outbox-relay dlq replay --id {EVENT}"),
            format!("outbox-relay dlq discard --id {EVENT}")
        ]
    );
    let blocks = wait(EVENT, WaitReason::AfterDeadLetter);
    let judged = of(&Facts { wait: Some(&blocks), ..facts });
    assert_eq!(commands(&judged).last(), Some(&"outbox-relay keys release order-1"));
}

#[test]
fn what_can_never_be_sent_is_not_offered_a_replay() {
    let letter = DeadLetterRow { failure_reason: "INVALID_EVENT".into(), ..letter() };
    let judged = of(&Facts { place: Place::DeadLetter(&letter), ..pending(None) });
    let expected = [format!("outbox-relay dlq show {EVENT}"), format!("outbox-relay dlq discard --id {EVENT}")];
    assert_eq!(commands(&judged), expected);
}

#[test]
fn what_waits_for_a_word_after_a_dead_letter_is_behind_it() {
    let blocks = wait(HEAD, WaitReason::AfterDeadLetter);
    let judged = of(&pending(Some(&blocks)));
    assert_eq!(judged.headline, format!("waiting (behind order.paid {HEAD})"));
    assert!(judged.why.contains("dead-lettered, and its key waits for you"), "{}", judged.why);
    assert_eq!(commands(&judged).last(), Some(&"outbox-relay keys release order-1"));
}

#[test]
fn a_dead_letter_that_was_dealt_with_needs_nothing() {
    let mut letter = letter();
    letter.processed_at = Some(now());
    letter.resolution = Some("discarded".into());
    letter.resolved_by = Some("ana".into());
    let judged = of(&Facts { place: Place::DeadLetter(&letter), ..pending(None) });
    assert_eq!((judged.headline.as_str(), judged.next.len()), ("dead-lettered (UNROUTABLE, discarded)", 0));
    assert!(judged.why.starts_with("discarded by ana at"), "{}", judged.why);
}

#[test]
fn a_reason_of_a_newer_relay_is_shown_like_a_retry() {
    let unknown = WaitFacts { reason: "moon_phase".into(), ..wait(EVENT, WaitReason::Retry) };
    assert_eq!(of(&pending(Some(&unknown))).state, State::Retrying);
}

#[test]
fn every_state_has_words_of_its_own() {
    let words: std::collections::BTreeSet<&str> = State::ALL.into_iter().map(State::words).collect();
    assert_eq!(words.len(), State::ALL.len());
}
