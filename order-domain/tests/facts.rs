//! Facts in any order, any number of times: every permutation ends in one state, with one set of reviews.

mod support;

use std::collections::BTreeMap;

use order_domain::event::{NotificationSendRequestedEvent, Payload};
use order_domain::inbound::inventory::{AllocationStatus, InventoryFact, ItemState};
use order_domain::inbound::notification::{
    ChannelState, Channels, Delivery, Failure, NotificationReport, NotificationStatus, Requested,
};
use order_domain::inbound::product::{Price, ProductNews, ProductState};
use order_domain::inbound::{Fact, Latest, Properties, Reaction, read};
use order_domain::notification::{Channel, NotificationType};
use order_domain::order::{Lines, OrderFact, PaymentState, RefundState, Status};
use order_domain::review::{Review, ReviewReason};
use order_domain::value::id::OrderItemId;
use order_domain::value::text::ForeignText;
use order_domain::{Order, Timestamp, notification};
use proptest::prelude::*;
use support::samples::{WHEN, a, at, money_back, order_in_parts, paid, parcel, part};

/// The same facts in two orders, each with some of them again.
fn orders<T: Clone + std::fmt::Debug + 'static>(
    fact: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
    prop::collection::vec(fact, 1..9).prop_flat_map(|facts| {
        let again = prop::sample::subsequence(facts.clone(), 0..=facts.len());
        let more = prop::sample::subsequence(facts.clone(), 0..=facts.len());
        let first = again.prop_map({
            let facts = facts.clone();
            move |again| [facts.clone(), again].concat()
        });
        let second = more.prop_map(move |more| [facts.clone(), more].concat());
        (first.prop_shuffle(), second.prop_shuffle())
    })
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4u8).prop_map(|second| a(&format!("2023-11-21T12:00:0{second}.000Z")))
}

fn keep(reviews: &mut BTreeMap<(ReviewReason, String), String>, raised: &[Review]) {
    for Review { reason, subject, message } in raised {
        reviews.insert((*reason, subject.clone()), message.clone());
    }
}

type Reviews = BTreeMap<(ReviewReason, String), String>;

// ---- notifications

fn report() -> impl Strategy<Value = NotificationReport> {
    let channels =
        prop_oneof![Just(vec![Channel::SMS]), Just(vec![Channel::EMAIL]), Just(vec![Channel::SMS, Channel::EMAIL])];
    let delivery = (time(), 0..4u8, 0..2u8).prop_map(|(at, kind, variant)| {
        let failure = |will_retry| {
            Delivery::Failed(Failure {
                error_code: ForeignText::new("INVALID_PHONE_NUMBER"),
                error_message: ForeignText::new(format!("variant {variant}")),
                retry_count: variant.into(),
                will_retry,
            })
        };
        match kind {
            0 => Latest::new(Some(at), 1, failure(true)),
            1 | 2 => Latest::new(Some(at), 2, failure(false)),
            _ => {
                let message_id = Some(ForeignText::new(format!("msg-{variant}")));
                Latest::new(Some(at), 3, Delivery::Sent { message_id, delivery_status: None })
            }
        }
    });
    (channels, delivery).prop_map(|(channels, delivery)| NotificationReport {
        notification_id: a("n-1"),
        order_id: a("order-7"),
        notification_type: NotificationType::ORDER_CONFIRMATION,
        channels,
        delivery,
    })
}

fn sms_request() -> NotificationSendRequestedEvent {
    let order = Order::place(order_in_parts(), &at(WHEN)).expect("placed").order;
    let event = notification::order_confirmation(&order, order.customer(), &at(WHEN));
    let Payload::OrderConfirmationNotificationRequested(request) = event.payload().clone() else { panic!("a request") };
    NotificationSendRequestedEvent { channels: vec![Channel::SMS], ..request }
}

fn hear_reports(
    reports: &[NotificationReport],
    request: &NotificationSendRequestedEvent,
) -> (Channels, Reviews, Vec<String>) {
    let (mut states, mut reviews, mut fallbacks) = (Channels::new(), Reviews::new(), Vec::new());
    states.insert(Channel::SMS, ChannelState::requested());
    for report in reports {
        let reaction = report.reaction(&states, Some(Requested { event: request, is_fallback: false }), &at(WHEN));
        keep(&mut reviews, reaction.reviews());
        let Some(change) = reaction.change() else { continue };
        states.extend(change.channels.clone());
        fallbacks.extend(change.fallback.iter().map(|event| event.idempotency_key().to_owned()));
    }
    (states, reviews, fallbacks)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reports_of_a_notification_end_in_one_state((first, second) in orders(report())) {
        let request = sms_request();
        let one = hear_reports(&first, &request);
        prop_assert!(one.2.len() <= 1, "the other channel is asked for once: {:?}", one.2);
        prop_assert_eq!(one, hear_reports(&second, &request));
    }
}

#[test]
fn an_sms_that_fails_for_good_is_taken_over_by_e_mail_once() {
    let request = sms_request();
    let failed = |will_retry| NotificationReport {
        notification_id: a("n-1"),
        order_id: a("order-7"),
        notification_type: NotificationType::ORDER_CONFIRMATION,
        channels: vec![Channel::SMS],
        delivery: Latest::new(
            Some(a(WHEN)),
            if will_retry { 1 } else { 2 },
            Delivery::Failed(Failure {
                error_code: ForeignText::new("INVALID_PHONE_NUMBER"),
                error_message: ForeignText::new("Phone number is not valid or unreachable"),
                retry_count: 2,
                will_retry,
            }),
        ),
    };
    let mut states = Channels::from([(Channel::SMS, ChannelState::requested())]);
    assert_eq!(NotificationStatus::of(states.values()), NotificationStatus::Requested);
    let requested = Some(Requested { event: &request, is_fallback: false });
    let Reaction::Applied(change) = failed(true).reaction(&states, requested, &at(WHEN)) else { panic!("applied") };
    assert_eq!(change.fallback, None, "the service is still trying");
    let reaction = failed(false).reaction(&states, requested, &at(WHEN));
    let Reaction::Review { reviews, change: Some(change) } = reaction else { panic!("a review") };
    let text = "Failed to send ORDER_CONFIRMATION notification: Phone number is not valid or unreachable";
    assert_eq!((reviews[0].reason.as_str(), reviews[0].message.as_str()), ("NOTIFICATION_FAILURE", text));
    let event = change.fallback.expect("e-mail takes over");
    let Payload::NotificationSendRequested(again) = event.payload() else { panic!("a request") };
    assert_eq!(again.channels, [Channel::EMAIL]);
    states.extend(change.channels);
    assert_eq!(NotificationStatus::of(states.values()), NotificationStatus::Failed);
    assert_eq!(failed(false).reaction(&states, requested, &at(WHEN)), Reaction::Known);
    let last = Some(Requested { event: again, is_fallback: true });
    let states = Channels::from([(Channel::SMS, ChannelState::requested())]);
    let reaction = failed(false).reaction(&states, last, &at(WHEN));
    assert!(reaction.change().is_some_and(|change| change.fallback.is_none()), "there is no third channel");
}

#[test]
fn critical_types_and_wrong_contacts_need_a_person() {
    let (confirmation, shipped) = (NotificationType::ORDER_CONFIRMATION, NotificationType::ORDER_SHIPPED);
    let cancellation = NotificationType::ORDER_CANCELLATION;
    for (kind, code, will_retry, reason) in [
        (&confirmation, "TEMPLATE_ERROR", false, Some(ReviewReason::NotificationFailure)),
        (&shipped, "INVALID_PHONE_NUMBER", false, Some(ReviewReason::NotificationFailure)),
        (&cancellation, "TEMPLATE_ERROR", false, None),
        (&cancellation, "INVALID_PHONE_NUMBER", false, Some(ReviewReason::ContactInfo)),
        (&confirmation, "TEMPLATE_ERROR", true, None),
        (&shipped, "INVALID_PHONE_NUMBER", true, None),
        (&cancellation, "INVALID_PHONE_NUMBER", true, None),
    ] {
        let failure = Failure {
            error_code: ForeignText::new(code),
            error_message: ForeignText::new("no"),
            retry_count: 0,
            will_retry,
        };
        let report = NotificationReport {
            notification_id: a("n-1"),
            order_id: a("order-7"),
            notification_type: kind.clone(),
            channels: vec![Channel::SMS],
            delivery: Latest::new(Some(a(WHEN)), if will_retry { 1 } else { 2 }, Delivery::Failed(failure)),
        };
        let reaction = report.reaction(&Channels::new(), None, &at(WHEN));
        assert_eq!(reaction.reviews().first().map(|review| review.reason), reason, "{kind} {code} {will_retry}");
    }
}

// ---- inventory

const KEYS: [&str; 5] = [
    "inventory.allocationcreated.allocation",
    "inventory.allocationconfirmed.allocation",
    "inventory.allocationcancelled.allocation",
    "inventory.allocationfulfilled.allocation",
    "inventory.insufficientstock.inventoryitem",
];

fn inventory_fact(key: &str, body: &str) -> InventoryFact {
    let properties = Properties { routing_key: key.to_owned(), ..Properties::default() };
    let message = read(&properties, body.as_bytes(), 10_000).unwrap_or_else(|e| panic!("{e}"));
    let Fact::Inventory(fact) = message.fact else { panic!("not of Inventory") };
    fact
}

fn allocation() -> impl Strategy<Value = InventoryFact> {
    (prop::sample::select(KEYS.to_vec()), 1..3u8, prop::option::of(time()), 0..2u8).prop_map(
        |(key, item, at, allocation)| {
            let time = at.map_or(String::new(), |at| format!(r#""timestamp": "{at}", "#));
            inventory_fact(
                key,
                &format!(
                    r#"{{"eventId": "e", {time}"payload": {{"orderId": "order-7", "orderItemId": "item-{item}",
                    "allocationId": "alloc-{allocation}", "quantity": {allocation}}}}}"#
                ),
            )
        },
    )
}

fn hear_allocations(facts: &[InventoryFact], order: &Order) -> (BTreeMap<OrderItemId, ItemState>, Reviews) {
    let (mut states, mut reviews): (BTreeMap<OrderItemId, ItemState>, _) = (BTreeMap::new(), Reviews::new());
    for fact in facts {
        let reaction = fact.reaction(order, |id| states.get(id).cloned());
        keep(&mut reviews, reaction.reviews());
        states.extend(reaction.change().cloned().unwrap_or_default());
    }
    (states, reviews)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn allocations_of_a_paid_order_end_in_one_state((first, second) in orders(allocation())) {
        let order = paid(&Order::place(order_in_parts(), &at(WHEN)).expect("placed").order, &at(WHEN)).order;
        prop_assert_eq!(hear_allocations(&first, &order), hear_allocations(&second, &order));
    }

    /// The payment may be told before the shortage or after it.
    #[test]
    fn a_shortage_is_reviewed_whenever_the_order_is_paid((facts, _) in orders(allocation()), place in 0..9usize) {
        let unpaid = Order::place(order_in_parts(), &at(WHEN)).expect("placed").order;
        let order = paid(&unpaid, &at(WHEN)).order;
        let place = place.min(facts.len());
        let (states, early) = hear_allocations(&facts[..place], &unpaid);
        prop_assert_eq!(early, Reviews::new(), "an order that is not paid needs nobody");
        let mut reviews = Reviews::new();
        keep(&mut reviews, &order_domain::inbound::inventory::reviews(&order, &states));
        let mut states = states;
        for fact in &facts[place..] {
            let reaction = fact.reaction(&order, |id| states.get(id).cloned());
            keep(&mut reviews, reaction.reviews());
            states.extend(reaction.change().cloned().unwrap_or_default());
        }
        prop_assert_eq!((states, reviews), hear_allocations(&facts, &order));
    }
}

#[test]
fn an_item_follows_its_allocation_and_a_pending_one_expires() {
    let order = paid(&Order::place(order_in_parts(), &at(WHEN)).expect("placed").order, &at(WHEN)).order;
    let told = |key: &str, time: &str| {
        inventory_fact(
            key,
            &format!(
                r#"{{"timestamp": "{time}", "eventId": "e", "payload": {{"orderId": "order-7", "orderItemId": "item-1",
                    "expiresAt": "2023-11-22T00:00:00Z"}}}}"#
            ),
        )
    };
    let mut state = ItemState::new(AllocationStatus::Optimistic);
    let now = a("2023-11-23T00:00:00Z");
    assert_eq!(state.status(now), AllocationStatus::Optimistic);
    for (key, time, status) in [
        (KEYS[0], "2023-11-21T10:00:00Z", AllocationStatus::Expired),
        (KEYS[1], "2023-11-21T11:00:00Z", AllocationStatus::Confirmed),
        (KEYS[0], "2023-11-21T10:30:00Z", AllocationStatus::Confirmed),
        (KEYS[2], "2023-11-21T12:00:00Z", AllocationStatus::Unavailable),
        (KEYS[4], "2023-11-21T13:00:00Z", AllocationStatus::Backorder),
        (KEYS[3], "2023-11-21T14:00:00Z", AllocationStatus::Fulfilled),
    ] {
        let reaction = told(key, time).reaction(&order, |_| Some(state.clone()));
        state = reaction.change().map_or(state, |change| change[0].1.clone());
        assert_eq!(state.status(now), status, "{key} {time}");
    }
    let review = state.review(&order, &a("item-1")).expect("stock was missing");
    assert_eq!(
        (review.reason, review.message.as_str()),
        (ReviewReason::Allocation, "Stock of item item-1 is BACKORDER")
    );
    let unknown = inventory_fact(KEYS[0], r#"{"id": "e", "data": {"orderId": "order-7", "orderItemId": "item-9"}}"#);
    let reaction = unknown.reaction(&order, |_| None);
    assert_eq!(reaction.outcome().as_str(), "dead");
    let stored = serde_json::to_string(&state).expect("JSON");
    assert_eq!(serde_json::from_str::<ItemState>(&stored).expect("read back"), state);
}

// ---- products

fn news() -> impl Strategy<Value = (Option<Timestamp>, ProductNews)> {
    let price = prop::option::of(prop::sample::select(vec!["5", "5.0", "5.00", "6"]));
    let status = prop::option::of(prop::sample::select(vec!["ACTIVE", "DISCONTINUED"]));
    (prop::option::of(time()), price, status, prop::option::of(any::<bool>())).prop_map(
        |(at, price, status, available)| {
            let news = ProductNews {
                product_id: a("p-1"),
                name: None,
                price: price.map(|price| Price(a(price))),
                status: status.map(ForeignText::new),
                available,
                quantity_available: None,
                details: None,
            };
            (at, news)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn news_of_a_product_end_in_one_state((first, second) in orders(news())) {
        let hear = |all: &[(Option<Timestamp>, ProductNews)]| {
            let mut state = ProductState::default();
            for (at, news) in all {
                let _: Reaction<()> = state.hear(*at, news);
            }
            serde_json::to_string(&state).expect("JSON")
        };
        prop_assert_eq!(hear(&first), hear(&second));
    }
}

// ---- payments and refunds

fn order_fact() -> impl Strategy<Value = OrderFact> {
    let payment = prop::sample::select(vec!["pay-a", "pay-b", "pay-unknown"]);
    let amount = prop_oneof![4 => Just(None), 1 => Just(Some("1629.46")), 1 => Just(Some("1.00"))];
    let refund = prop::sample::select(vec!["refund-1", "refund-2", "refund-unknown"]);
    let wrong = prop_oneof![5 => Just(None), 1 => Just(Some("1.23"))];
    prop_oneof![
        1 => payment.clone().prop_map(|id| OrderFact::PaymentInitiated { payment_id: a(id) }),
        3 => (payment.clone(), amount).prop_map(|(id, amount)| OrderFact::PaymentCompleted {
            payment_id: a(id), amount: amount.map(a), currency: None,
        }),
        3 => payment.prop_map(|id| OrderFact::PaymentFailed { payment_id: a(id), reason: ForeignText::new("declined") }),
        2 => (refund.clone(), wrong.clone()).prop_map(|(id, amount)| OrderFact::RefundInitiated {
            refund_id: a(id), amount: amount.map(a), currency: None,
        }),
        2 => (refund, wrong).prop_map(|(id, amount)| OrderFact::RefundProcessed {
            refund_id: a(id), amount: amount.map(a), currency: None,
        }),
    ]
}

/// Orders in which facts are likely to surprise.
fn starts() -> Vec<Order> {
    let context = at(WHEN);
    let placed = Order::place(order_in_parts(), &context).expect("placed").order;
    let a_runs = placed.start_payment(a("pay-a"), &context).expect("started").order;
    let a_failed = a_runs.fail_payment(a("pay-a"), "declined", &context).expect("failed").order;
    let again = a_failed.retry_payment(&context).expect("awaited").order;
    let b_runs = again.start_payment(a("pay-b"), &context).expect("started").order;
    let b_beside_a = a_runs.start_payment(a("pay-b"), &context).expect("started").order;
    let b_paid = b_runs.complete_payment(a("pay-b"), b_runs.totals().total, &context).expect("paid").order;
    let cancelled = b_runs.cancel("changed my mind", &context).expect("cancelled").order;
    let processing = b_paid.start_processing(&context).expect("processed").order;
    let shipped = processing.ship(parcel("ship-1", Vec::new()), &context).expect("shipped").order;
    let one = shipped.request_refund(money_back("refund-1", Some("299.99")), &context).expect("requested").order;
    let two = one.request_refund(money_back("refund-2", None), &context).expect("requested").order;
    vec![placed, a_runs, a_failed, again, b_runs, b_beside_a, b_paid, cancelled, shipped, one, two]
}

type End = (Status, bool, Vec<(String, PaymentState)>, Vec<(String, RefundState)>, Reviews);

fn hear_facts(facts: &[OrderFact], start: &Order) -> End {
    let (mut order, mut reviews) = (start.clone(), Reviews::new());
    for fact in facts {
        let reaction = order.hear(fact, &at(WHEN));
        assert!(!matches!(reaction, Reaction::Dead(_)), "{reaction:?}");
        keep(&mut reviews, reaction.reviews());
        if let Some(decision) = reaction.change() {
            let stored = serde_json::to_string(&decision.order).expect("JSON");
            order = serde_json::from_str(&stored).expect("a defined state");
        }
    }
    let payments = order.payments().iter().map(|p| (p.payment_id.to_string(), p.state)).collect();
    let refunds = order.refunds().iter().map(|r| (r.amount.to_string(), r.state)).collect();
    (order.status(), order.is_paid(), payments, refunds, reviews)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn facts_about_money_end_in_one_state((first, second) in orders(order_fact()), start in 0..11usize) {
        let start = &starts()[start];
        prop_assert_eq!(hear_facts(&first, start), hear_facts(&second, start));
    }
}

#[test]
fn a_result_counts_for_the_payment_that_runs() {
    let context = at(WHEN);
    let starts = starts();
    let failed = |id: &str| OrderFact::PaymentFailed { payment_id: a(id), reason: ForeignText::new("") };
    let completed = |id: &str| OrderFact::PaymentCompleted { payment_id: a(id), amount: None, currency: None };
    let b_runs = &starts[4];
    assert_eq!(b_runs.hear(&failed("pay-a"), &context), Reaction::Known, "a late failure of A does not fail B");
    assert_eq!(starts[5].hear(&failed("pay-a"), &context), Reaction::Stale);
    let reaction = b_runs.hear(&completed("pay-unknown"), &context);
    assert!(reaction.change().is_none() && reaction.reviews().len() == 1, "nobody started it: {reaction:?}");
    let reaction = b_runs.hear(&completed("pay-b"), &context);
    assert_eq!(reaction.change().map(|decision| decision.order.status()), Some(Status::Confirmed));
    assert_eq!(starts[6].hear(&completed("pay-b"), &context), Reaction::Known, "told again");
    let reaction = b_runs.hear(&failed("pay-b"), &context);
    assert_eq!(reaction.change().map(|decision| decision.order.status()), Some(Status::PaymentFailed));
    // The money was taken although the failure came first.
    let reaction = starts[2].hear(&completed("pay-a"), &context);
    assert_eq!(reaction.change().map(|decision| decision.order.status()), Some(Status::Confirmed));
}

#[test]
fn a_payment_of_a_cancelled_order_is_reviewed_and_asked_back() {
    let context = at(WHEN);
    let cancelled = &starts()[7];
    let fact = OrderFact::PaymentCompleted { payment_id: a("pay-b"), amount: None, currency: None };
    let Reaction::Review { reviews, change: Some(decision) } = cancelled.hear(&fact, &context) else {
        panic!("a review")
    };
    assert_eq!(reviews[0].reason, ReviewReason::Payment);
    let types: Vec<_> = decision.events.iter().map(|event| event.event_type().as_str()).collect();
    assert_eq!(types, ["order.refund_requested"]);
    assert_eq!((decision.order.status(), decision.order.refundable().is_zero()), (Status::Cancelled, true));
    assert_eq!(decision.order.hear(&fact, &context), Reaction::Known);
    let refund_id = decision.order.refunds()[0].refund_id.clone();
    let processed = OrderFact::RefundProcessed { refund_id, amount: None, currency: None };
    let reaction = decision.order.hear(&processed, &context);
    let refunded = reaction.change().expect("applied, though its start was not heard");
    assert_eq!(refunded.order.status(), Status::Refunded);
}

#[test]
fn deliveries_and_delays_are_recorded_while_a_refund_runs() {
    let context = at(WHEN);
    let order = paid(&Order::place(order_in_parts(), &context).expect("placed").order, &context).order;
    let processing = order.start_processing(&context).expect("processed").order;
    let half = processing.ship(parcel("ship-1", vec![part("item-1", 2)]), &context).expect("shipped in part").order;
    let late = OrderFact::Delayed { reason: ForeignText::new("snow"), estimated_delivery: None };
    assert!(half.hear(&late, &context).change().is_some_and(|decision| decision.order.is_delivery_delayed()));
    let refund = half.request_refund(money_back("refund-1", None), &context).expect("requested").order;
    assert_eq!(refund.status(), Status::RefundRequested);
    assert!(refund.hear(&late, &context).change().is_some());
    let arrived = OrderFact::Delivered(Lines::All);
    let reaction = refund.hear(&arrived, &context);
    let delivered = &reaction.change().expect("recorded").order;
    assert_eq!((delivered.status(), delivered.lines()[0].delivered), (Status::RefundRequested, 2));
    assert_eq!(delivered.hear(&arrived, &context), Reaction::Known);
    assert_eq!(delivered.hear(&late, &context), Reaction::Stale, "nothing is under way any more");
    let again = OrderFact::Delivered(Lines::Some(vec![part("item-1", 2)]));
    assert_eq!(delivered.hear(&again, &context), Reaction::Known);
    assert_eq!(order.hear(&arrived, &context), Reaction::Stale, "nothing has left");
    let unknown = OrderFact::Delivered(Lines::Some(vec![part("item-9", 1)]));
    assert_eq!(refund.hear(&unknown, &context).outcome().as_str(), "dead");
}
