//! The status machine under any sequence of commands. The table here is written down a second time, from the
//! requirements, so that a change of the machine has to be made twice.

mod support;

use std::collections::{HashMap, HashSet};

use order_domain::event::RefundRequester;
use order_domain::notification::CRITICAL_TYPES;
use order_domain::order::{Command, LineQuantity, Lines, RefundRequest, ReturnRequest, Status, Update};
use order_domain::{Amount, Decision, Event, EventType, Order, Payload};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use support::samples::{WHEN, a, at, custom_notification, money_back, order_in_parts, paid, parcel, part};

fn may_follow(from: Status, to: Status) -> bool {
    use Status::*;
    match to {
        PendingPayment => from == PaymentFailed,
        PaymentFailed | Confirmed => from == PendingPayment,
        Processing => from == Confirmed,
        Shipped => from == Processing,
        Delivered => from == Shipped,
        ReturnInitiated => from == Delivered,
        ReturnApproved => from == ReturnInitiated,
        Cancelled => matches!(from, PendingPayment | PaymentFailed | Confirmed | Processing),
        RefundRequested => {
            matches!(from, Processing | Shipped | Delivered | ReturnInitiated | ReturnApproved)
        }
        RefundInitiated => matches!(from, RefundRequested | Cancelled),
        Refunded => from == RefundInitiated,
    }
}

fn lines() -> impl Strategy<Value = Vec<LineQuantity>> {
    let some = (prop_oneof![9 => Just("item-1"), 9 => Just("item-2"), 1 => Just("item-9")], 1..4i64);
    prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(some.prop_map(|(id, n)| part(id, n)), 1..3)]
}

fn some_or_all(lines: Vec<LineQuantity>) -> Lines {
    if lines.is_empty() { Lines::All } else { Lines::Some(lines) }
}

fn refund_request() -> impl Strategy<Value = RefundRequest> {
    let amount =
        prop_oneof![Just(None), Just(Some("299.99")), Just(Some("0")), Just(Some("99999")), Just(Some("0.01"))];
    (0..3u8, amount, lines()).prop_map(|(n, amount, lines)| {
        let requested_by = RefundRequester::System;
        RefundRequest { lines, requested_by, ..money_back(&format!("refund-{n}"), amount) }
    })
}

fn command() -> impl Strategy<Value = Command> {
    let total: Amount = a("1629.46");
    prop_oneof![
        2 => (0..2u8).prop_map(|floor| Command::Update(moved(floor))),
        1 => Just(Command::Cancel { reason: "changed my mind".into() }),
        6 => (0..3u8).prop_map(|n| Command::StartPayment { payment_id: a(&format!("pay-{n}")) }),
        1 => Just(Command::CompletePayment { payment_id: a("pay-1"), amount: total }),
        1 => Just(Command::CompletePayment { payment_id: a("pay-1"), amount: a("1.00") }),
        1 => Just(Command::FailPayment { payment_id: a("pay-1"), reason: "declined".into() }),
        2 => Just(Command::RetryPayment),
        6 => Just(Command::StartProcessing),
        8 => (0..9u8, lines()).prop_map(|(n, lines)| Command::Ship(parcel(&format!("ship-{n}"), lines))),
        1 => Just(Command::ReportDelay { reason: "snow".into(), estimated_delivery: None }),
        8 => lines().prop_map(|lines| Command::Deliver(some_or_all(lines))),
        3 => lines().prop_map(|lines| Command::InitiateReturn(ReturnRequest {
            return_id: a("return-1"), lines: some_or_all(lines), reason: "too small".into(),
        })),
        3 => Just(Command::ApproveReturn),
        3 => refund_request().prop_map(Command::RequestRefund),
        4 => (0..3u8).prop_map(|n| Command::InitiateRefund(a(&format!("refund-{n}")))),
        4 => (0..3u8).prop_map(|n| Command::CompleteRefund(a(&format!("refund-{n}")))),
        1 => Just(Command::Notify(custom_notification())),
    ]
}

/// One step of a walk. Refunds of cancelled orders have ids that only the order knows.
#[derive(Debug, Clone)]
enum Step {
    Any(Box<Command>),
    CompletePayment,
    InitiateRefund(usize),
    CompleteRefund(usize),
}

impl Step {
    fn command(self, order: &Order) -> Command {
        let refund = |place: usize| match order.refunds() {
            [] => a("refund-0"),
            refunds => refunds[place % refunds.len()].refund_id.clone(),
        };
        match self {
            Self::Any(command) => *command,
            Self::CompletePayment => {
                let payment_id = order.payment_id().cloned().unwrap_or_else(|| a("pay-9"));
                Command::CompletePayment { payment_id, amount: order.totals().total }
            }
            Self::InitiateRefund(place) => Command::InitiateRefund(refund(place)),
            Self::CompleteRefund(place) => Command::CompleteRefund(refund(place)),
        }
    }
}

fn walk() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => command().prop_map(|command| Step::Any(Box::new(command))),
        1 => Just(Step::CompletePayment),
        1 => (0..4usize).prop_map(Step::InitiateRefund),
        1 => (0..4usize).prop_map(Step::CompleteRefund),
    ];
    prop::collection::vec(step, 1..80)
}

fn moved(floor: u8) -> Update {
    let mut address = order_in_parts().shipping_address;
    address.line2 = Some(format!("Floor {floor}"));
    Update { shipping_address: Some(address), customer: None }
}

fn changes(events: &[Event]) -> Vec<(Status, Status)> {
    let change = |event: &Event| {
        let Payload::OrderStatusChanged(changed) = event.payload() else { return None };
        Some((changed.previous_status, changed.new_status))
    };
    events.iter().filter_map(change).collect()
}

fn check_step(before: &Order, Decision { order, events }: &Decision) -> Result<(), TestCaseError> {
    prop_assert_eq!(order.version(), before.version() + 1);
    prop_assert!(!events.is_empty(), "an accepted command says what it did");
    let (from, to) = (before.status(), order.status());
    if from == to {
        prop_assert_eq!(changes(events), vec![]);
    } else {
        prop_assert!(may_follow(from, to), "{from} to {to}");
        prop_assert_eq!(changes(events), vec![(from, to)]);
        prop_assert_eq!(events[0].event_type(), EventType::OrderStatusChanged, "the change comes first");
    }
    let mut keys: Vec<_> = events.iter().map(Event::idempotency_key).collect();
    keys.sort_unstable();
    keys.dedup();
    prop_assert_eq!(keys.len(), events.len(), "every event of a command tells another fact");
    for event in events {
        prop_assert_eq!(event.aggregate().id(), order.id().as_str());
        let text = event.payload().to_json();
        let read = Payload::from_json(event.event_type(), &text).expect("an event is read back");
        prop_assert_eq!(&read, event.payload());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_commands_reaches_an_undefined_state(steps in walk()) {
        let context = at(WHEN);
        let mut order = Order::place(order_in_parts(), &context).expect("placed").order;
        for step in steps {
            let before = order.clone();
            match order.handle(step.command(&order), &context) {
                Ok(decision) => {
                    check_step(&before, &decision)?;
                    // Reading it back checks every rule that a stored order has to keep.
                    let stored = serde_json::to_string(&decision.order).expect("an order is written");
                    let read: Order = serde_json::from_str(&stored).expect("a defined state");
                    prop_assert_eq!(&read, &decision.order);
                    order = decision.order;
                }
                // A refusal has no events to emit: its type has none. The order is as it was.
                Err(refusal) => {
                    prop_assert_eq!(&order, &before);
                    prop_assert!(!refusal.code().is_empty() && !refusal.to_string().is_empty());
                    let says_all_by_its_code = ["NOTHING_LEFT", "NOTHING_TO_CHANGE", "PARTLY_SHIPPED", "CANCEL_INSTEAD"];
                    prop_assert!(!refusal.details().is_empty() || says_all_by_its_code.contains(&refusal.code()));
                }
            }
        }
    }
}

#[test]
fn every_status_allows_exactly_what_the_table_says() {
    for from in Status::ALL {
        for to in Status::ALL {
            assert_eq!(from.next().contains(&to), may_follow(from, to), "{from} to {to}");
        }
    }
}

/// The walk above would prove little if it rarely got anywhere.
#[test]
fn walks_reach_every_status() {
    let (context, mut runner) = (at(WHEN), TestRunner::deterministic());
    let mut walks_by_status = HashMap::new();
    for _ in 0..2000 {
        let steps = walk().new_tree(&mut runner).expect("a walk").current();
        let mut order = Order::place(order_in_parts(), &context).expect("placed").order;
        let mut seen = HashSet::from([order.status()]);
        for step in steps {
            if let Ok(decision) = order.handle(step.command(&order), &context) {
                order = decision.order;
                seen.insert(order.status());
            }
        }
        for status in seen {
            *walks_by_status.entry(status).or_insert(0) += 1;
        }
    }
    for status in Status::ALL {
        let walks = walks_by_status.get(&status).copied().unwrap_or(0);
        assert!(walks >= 20, "{status} in {walks} of 2000 walks: {walks_by_status:?}");
    }
}

fn names(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|event| event.event_type().as_str()).collect()
}

#[test]
fn each_transition_emits_the_events_of_the_requirements_in_their_order() {
    let context = at(WHEN);
    let placed = Order::place(order_in_parts(), &context).expect("placed");
    assert_eq!(
        names(&placed.events),
        [
            "order.created",
            "order.created_for_inventory",
            "order.placed_for_analytics",
            "order.confirmation_notification_requested"
        ]
    );
    let paid = paid(&placed.order, &context);
    assert_eq!(names(&paid.events), ["order.status_changed", "order.payment_completed", "order.confirmed"]);
    let cancelled = paid.order.cancel("changed my mind", &context).expect("cancelled");
    assert_eq!(
        names(&cancelled.events),
        [
            "order.status_changed",
            "order.cancelled",
            "order.cancelled_for_inventory",
            "notification.send_requested",
            "order.refund_requested"
        ]
    );
    let processing = paid.order.start_processing(&context).expect("processed").order;
    let half = processing.ship(parcel("ship-1", vec![part("item-1", 1)]), &context).expect("shipped in part");
    assert_eq!(names(&half.events), ["order.shipped", "notification.send_requested"]);
    let all = half.order.ship(parcel("ship-2", Vec::new()), &context).expect("shipped");
    assert_eq!(names(&all.events), ["order.status_changed", "order.shipped", "notification.send_requested"]);
    assert_eq!(CRITICAL_TYPES.map(|t| t.to_string()), ["ORDER_CONFIRMATION", "ORDER_SHIPPED"]);
}

#[test]
fn an_order_without_anything_to_pay_is_confirmed_at_once() {
    let mut free = order_in_parts();
    free.items.iter_mut().for_each(|item| item.unit_price = Amount::ZERO);
    free.tax = Amount::ZERO;
    let placed = Order::place(free, &at(WHEN)).expect("placed");
    assert_eq!(placed.order.status(), Status::Confirmed);
    assert_eq!(
        names(&placed.events),
        [
            "order.created",
            "order.created_for_inventory",
            "order.confirmed",
            "order.placed_for_analytics",
            "order.confirmation_notification_requested"
        ]
    );
    let cancelled = placed.order.cancel("changed my mind", &at(WHEN)).expect("cancelled");
    assert!(!names(&cancelled.events).contains(&"order.refund_requested"), "nothing was paid");
}
