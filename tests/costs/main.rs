//! What the pure parts of the hot path may allocate for one message. Counted, not timed: the count is the same on every machine and needs no
//! tool, and what makes these parts slower without one more allocation is rare: they copy bytes and ask the allocator.
//!
//! A bound that is passed is either a mistake or a decision; then it is changed here, and the figure in `docs/performance.md` with it.

use allocation_counter::measure;
use outbox_relay::message;
use outbox_relay::outbox::broker::Message;
use outbox_relay::outbox::event::{Event, Payload};
use outbox_relay::outbox::labels::Envelope;
use outbox_relay::outbox::outcome::{Answer, Verdict};
use outbox_relay::outbox::route::Route;
use outbox_relay::outbox::route::RouteTable;
use outbox_relay::quick::QuickSet;
use outbox_relay::rabbitmq::wire;
use outbox_relay::relay::settle::{Decision, OnDeadLetter, plan};
use outbox_relay::relay::verdict::{fate, verdict};
use outbox_relay::relay::work::Work;
use testkit::fixtures;
use time::OffsetDateTime;
use uuid::Uuid;

const PAYLOAD_BYTES: usize = 1_024;
/// Enough that what happens once does not show.
const EVENTS: u64 = 500;

fn event(number: u64) -> Event {
    Event {
        id: Uuid::from_u128(number.into()),
        payload: Payload::Text(format!("\"{}\"", "x".repeat(PAYLOAD_BYTES - 2))),
        correlation_id: Some("c-1".into()),
        ..fixtures::event(&format!("order-{:08}", number % 100), i64::try_from(number).expect("small"))
    }
}

fn routes(envelope: Envelope) -> RouteTable {
    let single = RouteTable::single("order.events", "order-service");
    let route = single.all().next().expect("the one route");
    RouteTable::new(vec![Route { envelope, ..Route::clone(route) }], "none")
}

fn message(table: &RouteTable, event: &Event) -> Message {
    let mut messages = message::render(table, event, 1 << 20, OffsetDateTime::UNIX_EPOCH).expect("a valid event");
    messages.pop().expect("one route").1
}

/// Allocations and bytes of `work`, per event.
fn per_event(work: impl FnOnce()) -> (u64, u64) {
    let counted = measure(work);
    (counted.count_total.div_ceil(EVENTS), counted.bytes_total.div_ceil(EVENTS))
}

#[track_caller]
fn assert_within((count, bytes): (u64, u64), count_max: u64, bytes_max: u64) {
    assert!(count <= count_max, "{count} allocations for an event, more than {count_max}");
    assert!(bytes <= bytes_max, "{bytes} bytes for an event, more than {bytes_max}");
}

#[test]
fn a_message_copies_its_payload_once_and_allocates_little_besides() {
    let events: Vec<Event> = (0..EVENTS).map(event).collect();
    for envelope in Envelope::ALL {
        let table = routes(envelope);
        let cost = per_event(|| events.iter().for_each(|event| drop(message(&table, event))));
        let (count_max, bytes_max) = match envelope {
            Envelope::Standard | Envelope::Domain | Envelope::Aggregate | Envelope::CloudEvents | Envelope::Raw => {
                (24, 4_500)
            }
            // Each attribute is a header of its own.
            Envelope::CloudEventsBinary => (54, 6_200),
        };
        assert_within(cost, count_max, bytes_max);
    }
}

#[test]
fn a_frame_holds_no_copy_of_the_body() {
    let table = routes(Envelope::Standard);
    let messages: Vec<Message> = (0..EVENTS).map(|number| message(&table, &event(number))).collect();
    let frames = || messages.iter().for_each(|message| drop(wire::frame(message).expect("fits")));
    assert_within(per_event(frames), 16, 1_000);
}

#[test]
fn the_verdict_on_a_confirmed_event_allocates_nothing_and_its_settlement_next_to_nothing() {
    let policy = fixtures::policy();
    let verdict_of = || verdict(fate([Answer::Confirmed]), 0, &policy);
    assert_within(per_event(|| (0..EVENTS).for_each(|_| assert_eq!(verdict_of(), Verdict::Published))), 0, 0);

    let events: Vec<Event> = (0..EVENTS).map(event).collect();
    let decide = |event| Decision {
        event,
        verdict: verdict_of(),
        holds: Vec::new(),
        routes_confirmed: Vec::new(),
        routes_failed: Vec::new(),
    };
    let decisions: Vec<Decision<'_>> = events.iter().map(decide).collect();
    assert_within(per_event(|| drop(plan(decisions, OnDeadLetter::Continue))), 1, 64);
}

#[test]
fn the_chains_of_a_batch_allocate_once_a_key_and_not_once_an_event() {
    let work = Work::new(
        (0..EVENTS).map(event).collect(),
        outbox_relay::outbox::hold::Holds::default(),
        tokio::time::Instant::now(),
    );
    let allowed: QuickSet<Uuid> = work.ids().copied().collect();
    assert_within(per_event(|| assert_eq!(work.chains(&allowed).len(), 100)), 1, 200);
}
