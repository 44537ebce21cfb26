//! Requests for notifications: mapping, defaults, keys, and the other channel.

mod support;

use order_domain::event::{Event, NotificationSendRequestedEvent, Payload};
use order_domain::notification::{
    CancellationTemplate, Channel, NotificationType, Priority, ShippedTemplate, TemplateData, custom, fallback,
    order_confirmation,
};
use order_domain::order::{ConfirmationTrigger, NewOrder};
use order_domain::{EventType, Order};
use support::samples::{
    WHEN, a, at, custom_notification, notification_order, order_in_parts, paid, parcel, part, platform_order,
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
    let confirmation = &decision.events[3];
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
        let paid = paid(&decision.order, &at(WHEN));
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

    let paid = paid(&order, &at(WHEN)).order;
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

#[test]
fn the_channel_that_was_not_asked_for_is_the_one_that_is_left() {
    let order = placed(order_in_parts());
    let both = request(&order_confirmation(&order, order.customer(), &at(WHEN)));
    assert_eq!(fallback(&both, &at(WHEN)), None, "e-mail was asked for already");
    let sms = NotificationSendRequestedEvent { channels: vec![Channel::SMS], ..both.clone() };
    let again = request(&fallback(&sms, &at(WHEN)).expect("another channel"));
    assert_eq!(again.channels, [Channel::EMAIL]);
    assert_eq!(again.idempotency_key, "ord_order-7_confirmation_by_EMAIL");
    assert_eq!(again.template_data, both.template_data);
    assert_ne!(again.notification_id, sms.notification_id);
    let twice = request(&fallback(&sms, &at(WHEN)).expect("another channel"));
    assert_eq!(twice.notification_id, again.notification_id, "asking twice is asking once");

    let mut without_phone = both;
    without_phone.recipient.phone = None;
    without_phone.channels = vec![Channel::EMAIL];
    assert_eq!(fallback(&without_phone, &at(WHEN)), None, "nothing is left");
}

/// The unit tests of the Notification document, section 10.1, by their names.
mod notification_publisher {
    mod request_order_confirmation_notification {
        use super::super::*;

        #[test]
        fn should_publish_a_notification_send_requested_event() {
            let order = placed(notification_order());
            let event = order_confirmation(&order, order.customer(), &at(WHEN));
            let names: Vec<_> = event.event_type().routes().into_iter().map(|route| route.wire_type).collect();
            assert_eq!(names[0], "notification.send_requested");
            assert_eq!(request(&event).event_type, "notification.send_requested");
        }

        // "should handle publish errors by adding to retry queue" needs a database, which is the retry queue: tests/writer.
    }
}
