//! The verdict table, row by row.

use super::*;
use crate::outbox::destination::Destination;
use crate::outbox::flow::Flow;

fn policy() -> Policy {
    Policy {
        retries_max: 3,
        steps: RetrySteps { min: Duration::from_secs(1), max: Duration::from_secs(10) },
        confirm_timeout: Duration::from_secs(15),
        returns_in_a_row_max: 20,
    }
}

fn there() -> Destination {
    Destination { exchange: "order.events".into(), routing_key: "order.paid".into() }
}

fn its_key() -> Trouble {
    Trouble::Of(HoldScope::Key(there()))
}

fn its_flow() -> HoldScope {
    HoldScope::Flow(Flow { exchange: "order.events".into(), template: "a.{key}".into() })
}

fn returned(on_unroutable: OnUnroutable, past: Past) -> Answer {
    Answer::Returned { trouble: its_key(), on_unroutable, past, is_probe: false, text: "NO_ROUTE".into() }
}

fn closed_by(fault: ChannelFault) -> Answer {
    Answer::Closed { trouble: its_key(), fault }
}

fn judge(answers: Vec<Answer>, attempts: u32) -> Verdict {
    verdict(fate(answers), attempts, &policy())
}

fn held(verdict: &Verdict) -> Option<(&HoldScope, HoldKind)> {
    match verdict {
        Verdict::Hold { scope, kind, .. } => Some((scope, *kind)),
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

#[test]
fn acked_on_every_route_and_returned_on_none_is_published() {
    assert_eq!(judge(vec![Answer::Confirmed, Answer::Confirmed], 2), Verdict::Published);
    assert_eq!(judge(vec![], 0), Verdict::Published, "every route had confirmed before");
}

#[test]
fn a_returned_event_is_retried_after_1_2_4_seconds_and_then_dead_lettered() {
    let error = "no queue is bound for routing key 'order.paid' of exchange 'order.events' (NO_ROUTE)".to_owned();
    for (attempts, pause) in [(0, 1), (1, 2), (2, 4)] {
        let pause = Duration::from_secs(pause);
        let expected = Verdict::Retry { attempts: attempts + 1, pause, error: error.clone() };
        assert_eq!(judge(vec![returned(OnUnroutable::DeadLetter, Past::Returned(1))], attempts), expected);
    }
    let expected = Verdict::DeadLetter { reason: FailureReason::Unroutable, attempts: 4, error };
    assert_eq!(judge(vec![returned(OnUnroutable::DeadLetter, Past::Returned(1))], 3), expected);
}

#[test]
fn twenty_returns_in_a_row_are_a_missing_binding_and_cost_nothing() {
    assert!(matches!(judge(vec![returned(OnUnroutable::DeadLetter, Past::Returned(19))], 0), Verdict::Retry { .. }));
    let verdict = judge(vec![returned(OnUnroutable::DeadLetter, Past::Returned(20))], 3);
    assert_eq!(held(&verdict), Some((&HoldScope::Key(there()), HoldKind::Unroutable)));
}

#[test]
fn what_was_confirmed_before_and_comes_back_is_a_missing_binding_at_once() {
    let verdict = judge(vec![returned(OnUnroutable::DeadLetter, Past::Confirmed)], 0);
    assert_eq!(held(&verdict), Some((&HoldScope::Key(there()), HoldKind::Unroutable)));
    let of_flow = Answer::Returned {
        trouble: Trouble::Of(its_flow()),
        on_unroutable: OnUnroutable::DeadLetter,
        past: Past::Confirmed,
        is_probe: false,
        text: "NO_ROUTE".into(),
    };
    assert_eq!(held(&judge(vec![of_flow], 3)), Some((&its_flow(), HoldKind::Unroutable)));
}

#[test]
fn one_of_too_many_keys_for_a_hold_each_waits_and_is_charged_nothing() {
    for answer in [
        Answer::Nacked { trouble: Trouble::Another(there()) },
        Answer::Returned {
            trouble: Trouble::Another(there()),
            on_unroutable: OnUnroutable::DeadLetter,
            past: Past::Confirmed,
            is_probe: false,
            text: "NO_ROUTE".into(),
        },
    ] {
        let Verdict::Pause { pause, error } = judge(vec![answer], 3) else { panic!("a pause") };
        assert_eq!(pause, Duration::from_secs(10));
        assert!(error.contains("order.paid"), "{error}");
    }
}

#[test]
fn a_return_of_what_probed_a_hold_costs_nothing_and_holds_its_own_routing_key() {
    let probe = |on_unroutable| Answer::Returned {
        trouble: its_key(),
        on_unroutable,
        past: Past::Returned(1),
        is_probe: true,
        text: "NO_ROUTE".into(),
    };
    for on_unroutable in [OnUnroutable::DeadLetter, OnUnroutable::Hold] {
        assert_eq!(held(&judge(vec![probe(on_unroutable)], 3)), Some((&HoldScope::Key(there()), HoldKind::Unroutable)));
    }
    assert_eq!(judge(vec![probe(OnUnroutable::Ignore)], 3), Verdict::Published);
}

#[test]
fn a_return_holds_at_once_or_is_ignored_where_the_route_says_so() {
    let verdict = judge(vec![returned(OnUnroutable::Hold, Past::Returned(1))], 0);
    assert_eq!(held(&verdict), Some((&HoldScope::Key(there()), HoldKind::Unroutable)));
    assert_eq!(judge(vec![returned(OnUnroutable::Ignore, Past::Confirmed), Answer::Confirmed], 0), Verdict::Published);
}

#[test]
fn a_nack_is_never_evidence_about_the_event() {
    let verdict = judge(vec![Answer::Nacked { trouble: its_key() }], 3);
    assert_eq!(held(&verdict), Some((&HoldScope::Key(there()), HoldKind::Refused)));
}

#[test]
fn a_404_or_403_holds_what_the_reply_text_names() {
    let missing = ChannelFault::ExchangeMissing { exchange: "gone".into(), text: "NOT_FOUND".into() };
    assert_eq!(
        held(&judge(vec![closed_by(missing)], 3)),
        Some((&HoldScope::Exchange("gone".into()), HoldKind::Missing))
    );
    let forbidden = ChannelFault::Forbidden { exchange: "e".into(), text: "ACCESS_REFUSED".into() };
    let exchange = HoldScope::Exchange("e".into());
    assert_eq!(held(&judge(vec![closed_by(forbidden)], 3)), Some((&exchange, HoldKind::Forbidden)));
    let topic = ChannelFault::TopicForbidden { text: "ACCESS_REFUSED".into() };
    assert_eq!(held(&judge(vec![closed_by(topic)], 3)), Some((&HoldScope::Key(there()), HoldKind::Forbidden)));
}

#[test]
fn a_406_whose_size_names_the_event_dead_letters_it_at_once() {
    let verdict = judge(vec![closed_by(ChannelFault::TooLarge { text: "too large".into() })], 0);
    assert!(matches!(verdict, Verdict::DeadLetter { reason: FailureReason::PayloadTooLarge, attempts: 0, .. }));
}

#[test]
fn only_the_culprit_of_a_closed_channel_is_charged() {
    let culprit = ChannelFault::Culprit { text: "closed".into() };
    assert!(matches!(judge(vec![closed_by(culprit.clone())], 0), Verdict::Retry { attempts: 1, .. }));
    let verdict = judge(vec![closed_by(culprit)], 3);
    assert!(matches!(verdict, Verdict::DeadLetter { reason: FailureReason::ChannelClosed, attempts: 4, .. }));
    assert_eq!(judge(vec![closed_by(ChannelFault::Bystander)], 3), Verdict::Leave);
    let verdict = judge(vec![closed_by(ChannelFault::DestinationClosed { text: "closed".into() })], 3);
    assert_eq!(held(&verdict), Some((&HoldScope::Key(there()), HoldKind::Closed)));
}

#[test]
fn what_cannot_become_a_message_is_dead_lettered_without_an_attempt() {
    let invalid = verdict(Fate::Invalid { error: "headers".into() }, 0, &policy());
    assert!(matches!(invalid, Verdict::DeadLetter { reason: FailureReason::InvalidEvent, attempts: 0, .. }));
    let large = verdict(Fate::TooLarge { bytes: 20, limit: 10 }, 0, &policy());
    assert!(matches!(large, Verdict::DeadLetter { reason: FailureReason::PayloadTooLarge, attempts: 0, .. }));
}

#[test]
fn a_type_without_a_route_waits_and_is_looked_at_again() {
    assert_eq!(verdict(Fate::NoRoute, 2, &policy()), Verdict::NoRoute);
}

#[test]
fn infrastructure_costs_nothing() {
    assert_eq!(judge(vec![Answer::NotSent], 3), Verdict::Leave);
    assert_eq!(judge(vec![Answer::Unconfirmed], 3), Verdict::AwaitConfirm { pause: Duration::from_secs(15) });
    assert_eq!(judge(vec![Answer::Held { hold: 7 }], 3), Verdict::WaitForHold { hold: 7 });
    let verdict = judge(vec![Answer::Stalled { scope: its_flow() }], 3);
    assert_eq!(held(&verdict), Some((&its_flow(), HoldKind::Unconfirmed)));
}

#[test]
fn an_event_is_not_charged_while_one_of_its_messages_is_still_on_its_way() {
    let verdict =
        judge(vec![returned(OnUnroutable::DeadLetter, Past::Returned(1)), Answer::Unconfirmed, Answer::Confirmed], 3);
    assert_eq!(verdict, Verdict::AwaitConfirm { pause: Duration::from_secs(15) });
    let verdict =
        judge(vec![returned(OnUnroutable::DeadLetter, Past::Returned(1)), Answer::Nacked { trouble: its_key() }], 3);
    assert!(held(&verdict).is_some());
}
