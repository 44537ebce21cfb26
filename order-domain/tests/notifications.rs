//! Requests for notifications: mapping, defaults, keys; and what a reported failure asks for.

mod support;

use order_domain::event::{Event, NotificationSendRequestedEvent, Payload};
use order_domain::notification::{
    CancellationTemplate, Channel, NotificationFailed, NotificationType, Priority, ReviewReason, ShippedTemplate,
    TemplateData, custom, fallback, order_confirmation,
};
use order_domain::order::{ConfirmationTrigger, NewOrder};
use order_domain::{EventType, Order};
use support::samples::{
    WHEN, a, at, custom_notification, notification_order, order_in_parts, parcel, part, platform_order,
};

fn placed(new: NewOrder) -> Order {
    Order::place(new, &at(WHEN)).expect("placed").order
}

fn request(event: &Event) -> NotificationSendRequestedEvent {
    match event.payload() {
        Payload::NotificationSendRequested(request) | Payload::OrderConfirmationNotificationRequested(request) => {
            request.clone()
        }
        other => panic!("not a request: {}", other.event_type()),
    }
}

fn requests(events: &[Event]) -> Vec<NotificationSendRequestedEvent> {
    let types = [EventType::NotificationSendRequested, EventType::OrderConfirmationNotificationRequested];
    events.iter().filter(|event| types.contains(&event.event_type())).map(request).collect()
}

#[test]
fn defaults_hold_where_the_customer_prefers_nothing() {
    let order = placed(notification_order());
    let request = request(&order_confirmation(&order, order.customer(), &at(WHEN)));
    assert_eq!(request.recipient.preferred_language, "en");
    assert_eq!(request.recipient.preferred_channel, Channel::EMAIL);
    assert_eq!((request.channels, request.priority), (vec![Channel::EMAIL, Channel::SMS], Priority::High));

    let mut customer = order.customer().clone();
    customer.preferred_language = Some("de".into());
    customer.preferred_channel = Some(Channel::SMS);
    let event = order_confirmation(&order, &customer, &at(WHEN));
    assert_eq!(self::request(&event).recipient.preferred_language, "de");
    assert_eq!(self::request(&event).recipient.preferred_channel, Channel::SMS);
}

#[test]
fn a_customer_without_a_phone_gets_no_text_message() {
    let order = placed(platform_order());
    assert_eq!(request(&order_confirmation(&order, order.customer(), &at(WHEN))).channels, [Channel::EMAIL]);
    let wanted =
        order_domain::notification::CustomNotification { channels: vec![Channel::SMS], ..custom_notification() };
    let event = custom(&order, order.customer(), wanted, &at(WHEN)).expect("requested");
    assert_eq!(request(&event).channels, [Channel::EMAIL], "the channel that is there");
}

#[test]
fn one_key_for_the_confirmation_whoever_asks_for_it() {
    let decision = Order::place(notification_order(), &at(WHEN)).expect("placed");
    let key = "ord_f47ac10b-58cc-4372-a567-0e02b2c3d479_confirmation";
    let confirmation = &decision.events[2];
    assert_eq!((confirmation.idempotency_key(), request(confirmation).idempotency_key.as_str()), (key, key));
    let Payload::OrderCreated(created) = decision.events[0].payload() else { panic!("order.created comes first") };
    assert_eq!(created.idempotency_key, key);
    assert_ne!(decision.events[0].idempotency_key(), key, "the fact that it was placed is another fact");
    assert_eq!(request(confirmation).event_type, "notification.send_requested");
}

#[test]
fn the_confirmation_comes_once_at_the_time_that_was_chosen() {
    for (trigger, at_placing, at_paying) in [(ConfirmationTrigger::Placed, 1, 0), (ConfirmationTrigger::Paid, 0, 1)] {
        let new = NewOrder { confirmation: trigger, ..notification_order() };
        let decision = Order::place(new, &at(WHEN)).expect("placed");
        assert_eq!(requests(&decision.events).len(), at_placing);
        let total = decision.order.totals().total;
        let paid = decision.order.complete_payment(a("pay-1"), total, &at(WHEN)).expect("paid");
        assert_eq!(requests(&paid.events).len(), at_paying);
    }
}

#[test]
fn cancellations_and_shipments_are_told_with_what_their_templates_need() {
    let order = placed(order_in_parts());
    let cancelled = order.cancel("out of stock", &at(WHEN)).expect("cancelled");
    let told = requests(&cancelled.events).remove(0);
    assert_eq!(
        (told.notification_type, told.idempotency_key),
        (NotificationType::ORDER_CANCELLATION, "ord_order-7_cancellation".into())
    );
    let data: CancellationTemplate = told.template_data.parse().expect("its template");
    assert_eq!((data.cancellation_reason.as_str(), data.total), ("out of stock", a("1629.46")));

    let paid = order.complete_payment(a("pay-1"), order.totals().total, &at(WHEN)).expect("paid").order;
    let processing = paid.start_processing(&at(WHEN)).expect("processed").order;
    let shipped = processing.ship(parcel("ship-1", vec![part("item-1", 2)]), &at(WHEN)).expect("shipped in part");
    let told = requests(&shipped.events).remove(0);
    assert_eq!(
        (told.notification_type, told.idempotency_key),
        (NotificationType::ORDER_SHIPPED, "ord_order-7_shipped_ship-1".into())
    );
    let data: ShippedTemplate = told.template_data.parse().expect("its template");
    assert_eq!((data.shipped_items.len(), data.shipped_items[0].quantity.get()), (1, 2));
}

#[test]
fn a_custom_request_keeps_its_data_and_may_have_its_own_key() {
    let order = placed(notification_order());
    let event = custom(&order, order.customer(), custom_notification(), &at(WHEN)).expect("requested");
    let told = request(&event);
    assert_eq!(told.template_data.as_json(), r#"{"text": "Your invoice is ready.", "amount": 79.50}"#);
    assert_eq!((told.priority, told.idempotency_key.as_str()), (Priority::Normal, "invoice-7"));
    let unnamed = order_domain::notification::CustomNotification { idempotency_key: None, ..custom_notification() };
    let context = at(WHEN);
    let first = custom(&order, order.customer(), unnamed.clone(), &context).expect("requested");
    let second = custom(&order, order.customer(), unnamed, &context).expect("requested");
    assert_ne!(first.idempotency_key(), second.idempotency_key());
    assert_eq!(TemplateData::from_json("[1]").expect_err("no object").code(), "MALFORMED_VALUE");
    let huge = format!(r#"{{"a":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(TemplateData::from_json(&huge).expect_err("huge").code(), "TOO_LARGE");
}

fn failed(kind: &NotificationType, channel: Channel, code: &str, will_retry: bool) -> NotificationFailed {
    NotificationFailed {
        notification_id: "d290f1ee-6c54-4b01-90e6-d701748f0851".parse().expect("a UUID"),
        order_id: a("order-7"),
        notification_type: kind.clone(),
        channels: vec![channel],
        failed_at: a(WHEN),
        error_code: code.into(),
        error_message: "Phone number is not valid or unreachable".into(),
        retry_count: 2,
        will_retry,
    }
}

#[test]
fn only_final_failures_of_critical_types_and_wrong_contacts_need_a_person() {
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
        let review = failed(kind, Channel::SMS, code, will_retry).review();
        assert_eq!(review.map(|review| review.reason), reason, "{kind} {code} {will_retry}");
    }
    let review = failed(&confirmation, Channel::SMS, "INVALID_PHONE_NUMBER", false).review().expect("critical");
    let text = "Failed to send ORDER_CONFIRMATION notification: Phone number is not valid or unreachable";
    assert_eq!(review.message, text);
}

#[test]
fn what_failed_by_one_channel_is_asked_for_by_the_other() {
    let order = placed(order_in_parts());
    let first = request(&order_confirmation(&order, order.customer(), &at(WHEN)));
    let kind = NotificationType::ORDER_CONFIRMATION;
    let sms = failed(&kind, Channel::SMS, "INVALID_PHONE_NUMBER", false);
    let again = request(&fallback(&first, &sms, &[], &at(WHEN)).expect("another channel"));
    assert_eq!(again.channels, [Channel::EMAIL]);
    assert_eq!(again.idempotency_key, "ord_order-7_confirmation_by_EMAIL");
    assert_eq!(again.template_data, first.template_data);

    assert_eq!(fallback(&first, &sms, &[Channel::EMAIL], &at(WHEN)), None, "it got through by e-mail");
    let retried = failed(&kind, Channel::SMS, "INVALID_PHONE_NUMBER", true);
    assert_eq!(fallback(&first, &retried, &[], &at(WHEN)), None, "the service is still trying");
    let mut without_phone = first.clone();
    without_phone.recipient.phone = None;
    let email = failed(&kind, Channel::EMAIL, "MAILBOX_FULL", false);
    assert_eq!(fallback(&without_phone, &email, &[], &at(WHEN)), None, "nothing is left");
}
