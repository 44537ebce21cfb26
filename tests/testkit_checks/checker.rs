//! The judge of histories, against histories made by hand.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use testkit::{Arrived, Bodies, Committed, Expect, Fate, History, Verdict, body_hash, judge};
use uuid::Uuid;

/// Event `n` of key `a` has id `n` and ordinal `n`; key `b` starts at 100.
fn event(n: u128) -> Committed {
    let key = if n < 100 { "a" } else { "b" };
    let payload = body_hash(&n.to_be_bytes());
    Committed {
        id: Uuid::from_u128(n),
        key: key.into(),
        ordinal: n as u64,
        payload,
        fate: Fate::Delivered,
        certain: true,
    }
}

fn arrival(queue: &str, n: u128) -> Arrived {
    Arrived {
        message_id: Uuid::from_u128(n).to_string(),
        queue: queue.into(),
        key: Some(if n < 100 { "a" } else { "b" }.into()),
        body: body_hash(&n.to_be_bytes()),
        redelivered: false,
        at: Instant::now(),
    }
}

/// Commits these events and lets these messages arrive in queue `q`.
fn history(committed: &[u128], arrived: &[u128]) -> History {
    let history = History::default();
    history.commit(committed.iter().map(|n| event(*n)));
    arrived.iter().for_each(|n| history.arrive(arrival("q", *n)));
    history
}

fn verdict(committed: &[u128], arrived: &[u128]) -> Verdict {
    judge(&history(committed, arrived), &Expect::default())
}

fn ids(numbers: &[u128]) -> Vec<Uuid> {
    numbers.iter().map(|n| Uuid::from_u128(*n)).collect()
}

fn dead(letters: &[(u128, &str)]) -> BTreeMap<Uuid, String> {
    letters.iter().map(|(n, reason)| (Uuid::from_u128(*n), (*reason).to_owned())).collect()
}

#[test]
fn order_losses_and_duplicates_of_plain_histories() {
    struct Case {
        name: &'static str,
        committed: &'static [u128],
        arrived: &'static [u128],
        lost: &'static [u128],
        invented: usize,
        overtaken: &'static [u128],
        duplicates: usize,
    }
    let clean = Case {
        name: "",
        committed: &[1, 2, 3],
        arrived: &[1, 2, 3],
        lost: &[],
        invented: 0,
        overtaken: &[],
        duplicates: 0,
    };
    let cases = [
        Case { name: "all in order", ..clean },
        Case { name: "nothing at all", committed: &[], arrived: &[], ..clean },
        Case { name: "keys interleave freely", committed: &[1, 100, 2, 101], arrived: &[100, 1, 101, 2], ..clean },
        Case { name: "recorded late", committed: &[3, 1, 2], ..clean },
        Case { name: "a window repeated is in order", arrived: &[1, 2, 1, 2, 3], duplicates: 2, ..clean },
        Case { name: "three copies are two duplicates", arrived: &[1, 1, 1, 2, 3], duplicates: 2, ..clean },
        Case {
            name: "an old copy after later events is no overtaking",
            arrived: &[1, 2, 3, 1],
            duplicates: 1,
            ..clean
        },
        Case { name: "one lost", arrived: &[1, 3], lost: &[2], ..clean },
        Case { name: "the last lost", arrived: &[1, 2], lost: &[3], ..clean },
        Case { name: "one invented, however often", arrived: &[1, 2, 9, 3, 9], invented: 1, ..clean },
        Case { name: "two swapped", arrived: &[2, 1, 3], overtaken: &[1], ..clean },
        Case { name: "the last first", arrived: &[3, 1, 2], overtaken: &[1, 2], ..clean },
        Case {
            name: "swapped and repeated in order later",
            arrived: &[2, 1, 2, 3],
            overtaken: &[1],
            duplicates: 1,
            ..clean
        },
    ];
    for case in cases {
        let verdict = verdict(case.committed, case.arrived);
        let overtaken: Vec<Uuid> = verdict.out_of_order.iter().map(|o| o.id).collect();
        assert_eq!(verdict.lost, ids(case.lost), "lost: {}", case.name);
        assert_eq!(verdict.invented.len(), case.invented, "invented: {}", case.name);
        assert_eq!(overtaken, ids(case.overtaken), "out of order: {}", case.name);
        assert_eq!(verdict.duplicates, case.duplicates, "duplicates: {}", case.name);
        let clean = case.lost.is_empty() && case.invented == 0 && case.overtaken.is_empty();
        assert_eq!(verdict.is_clean(), clean, "clean: {}", case.name);
        assert_eq!(verdict.committed, case.committed.len(), "committed: {}", case.name);
    }
}

#[test]
fn a_duplicate_with_other_bytes_is_found() {
    let history = history(&[1, 2], &[1, 2]);
    history.arrive(Arrived { body: body_hash(b"other"), ..arrival("q", 1) });
    let verdict = judge(&history, &Expect::default());
    assert_eq!((verdict.bytes_differ.clone(), verdict.duplicates, verdict.is_clean()), (ids(&[1]), 1, false));
}

#[test]
fn a_raw_body_must_be_the_payload() {
    let history = history(&[1, 2], &[1]);
    history.arrive(Arrived { body: body_hash(b"other"), ..arrival("q", 2) });
    let expect = Expect { bodies: Bodies::EqualPayload, ..Expect::default() };
    assert_eq!(judge(&history, &expect).bytes_differ, ids(&[2]));
    assert!(judge(&history, &Expect::default()).is_clean(), "an envelope may differ from the payload");
}

#[test]
fn every_queue_is_judged_on_its_own() {
    let history = history(&[1, 2, 3], &[1, 2, 3]);
    for n in [2, 1] {
        history.arrive(arrival("other", n));
    }
    let verdict = judge(&history, &Expect { queues: vec!["q".into(), "other".into()], ..Expect::default() });
    assert_eq!(verdict.lost, ids(&[3]), "missing in one of the queues is lost");
    assert_eq!(verdict.duplicates, 0, "a copy in another queue is no duplicate");
    assert_eq!(verdict.out_of_order.len(), 1);
    assert_eq!((verdict.out_of_order[0].queue.as_str(), verdict.out_of_order[0].overtaken_by), ("other", 2));
    let envelopes = Arrived { body: body_hash(b"another envelope"), ..arrival("third", 1) };
    history.arrive(envelopes);
    assert!(judge(&history, &Expect::default()).bytes_differ.is_empty(), "queues may have different envelopes");
}

#[test]
fn the_brokers_own_redelivery_is_no_duplicate() {
    let history = history(&[1, 2], &[1, 2]);
    history.arrive(Arrived { redelivered: true, ..arrival("q", 1) });
    assert_eq!(judge(&history, &Expect::default()).duplicates, 0);
}

#[test]
fn a_wrong_key_header_is_found_and_a_missing_one_is_not() {
    let history = history(&[1, 2], &[]);
    history.arrive(Arrived { key: Some("b".into()), ..arrival("q", 1) });
    history.arrive(Arrived { key: None, ..arrival("q", 2) });
    assert_eq!(judge(&history, &Expect::default()).wrong_key, ids(&[1]));
}

#[test]
fn dead_letters_are_compared_with_what_must_become_of_the_event() {
    let poison = |n| Committed { fate: Fate::DeadLettered("INVALID_EVENT".into()), ..event(n) };
    // name, event 2 is poison, dead letters, arrivals, lost, wrong ends, invented
    type Case = (&'static str, bool, &'static [(u128, &'static str)], &'static [u128], &'static [u128], usize, usize);
    let cases: [Case; 8] = [
        ("poison ends as it must", true, &[(2, "INVALID_EVENT")], &[1, 3], &[], 0, 0),
        ("with another reason", true, &[(2, "UNROUTABLE")], &[1, 3], &[], 1, 0),
        ("poison vanished", true, &[], &[1, 3], &[2], 0, 0),
        ("poison delivered", true, &[], &[1, 2, 3], &[], 1, 0),
        ("poison delivered and dead-lettered", true, &[(2, "INVALID_EVENT")], &[1, 2, 3], &[], 1, 0),
        ("a good one dead-lettered", false, &[(2, "UNROUTABLE")], &[1, 3], &[], 1, 0),
        ("a good one delivered and dead-lettered", false, &[(2, "UNROUTABLE")], &[1, 2, 3], &[], 1, 0),
        ("a dead letter of nobody", false, &[(9, "UNROUTABLE")], &[1, 2, 3], &[], 0, 1),
    ];
    for (name, is_poison, letters, arrived, lost, wrong, invented) in cases {
        let history = history(&[1, 3], arrived);
        history.commit([if is_poison { poison(2) } else { event(2) }]);
        let verdict = judge(&history, &Expect { dead_letters: dead(letters), ..Expect::default() });
        assert_eq!(verdict.lost, ids(lost), "lost: {name}");
        assert_eq!(verdict.wrong_end.len(), wrong, "wrong end: {name}\n{verdict}");
        assert_eq!(verdict.invented.len(), invented, "invented: {name}");
        assert_eq!(verdict.dead_lettered, letters.len(), "dead letters: {name}");
    }
}

#[test]
fn an_unanswered_commit_may_go_either_way_until_it_is_resolved() {
    let history = history(&[1], &[1, 2]);
    history.committing([event(2), event(3), event(4)]);
    let verdict = judge(&history, &Expect::default());
    assert!(verdict.is_clean(), "2 was committed, 3 and 4 were not:\n{verdict}");
    assert_eq!((verdict.committed, verdict.delivered), (1, 2));
    history.answered(&ids(&[4]), false);
    history.resolve(&HashSet::from([Uuid::from_u128(2), Uuid::from_u128(3)]));
    assert_eq!(judge(&history, &Expect::default()).lost, ids(&[3]), "the database says that 3 was committed");
    assert!(history.uncertain().is_empty());
}

#[test]
fn all_arrived_asks_for_every_good_event() {
    let history = history(&[1, 2], &[1, 9]);
    assert!(!history.all_arrived(), "a stranger does not stand in for event 2");
    history.commit([Committed { fate: Fate::DeadLettered("INVALID_EVENT".into()), ..event(3) }]);
    history.arrive(arrival("q", 2));
    assert!(history.all_arrived(), "poison is not waited for");
}

#[test]
#[should_panic(expected = "lost: 7")]
fn the_report_counts_and_shows_samples() {
    verdict(&[1, 2, 3, 4, 5, 6, 7], &[]).assert_clean(0);
}

#[test]
#[should_panic(expected = "at most 1 duplicates allowed")]
fn too_many_duplicates_are_a_failure() {
    let verdict = verdict(&[1], &[1, 1, 1]);
    verdict.assert_clean(2);
    verdict.assert_clean(1);
}

#[test]
fn what_a_failover_lost_may_have_arrived_and_says_nothing_of_order() {
    let history = history(&[1, 2, 3], &[1, 3, 2]);
    let forgotten = history.forget_absent(&HashSet::from([1, 2].map(Uuid::from_u128)));
    assert_eq!(forgotten, HashSet::from([Uuid::from_u128(3)]));
    let verdict = judge(&history, &Expect { forgotten, ..Expect::default() });
    verdict.assert_clean(0);
    assert_eq!((verdict.committed, verdict.delivered), (2, 2));
    assert_eq!(judge(&history, &Expect::default()).invented.len(), 1);
}
