//! The JSON examples of the seed documents against what this crate writes and reads. Compared by value, numbers exactly,
//! comments left out. Where a document shows a part ("other relevant order details"), ours has to say all of it.

mod support;

use order_domain::event::{Envelope, Event, Payload};
use order_domain::{EventType, Order, notification, product, received};
use support::exact::Exact;
use support::samples::{WHEN, a, at, notification_order, platform_order};

fn payload(event: &Event) -> Exact {
    Exact::parse(&event.payload().to_json())
}

/// The body as the relay renders it, for envelopes with `data`.
fn domain_body(event: &Event) -> Exact {
    let correlation_id = event.correlation_id().map_or(event.aggregate().id(), |id| id.as_str());
    Exact::parse(&format!(
        r#"{{"id": "{}", "type": "{}", "source": "order-service", "dataVersion": "{}", "timestamp": "{}",
            "correlationId": "{correlation_id}", "data": {}}}"#,
        event.id(),
        event.event_type(),
        event.version(),
        event.occurred_at(),
        event.payload().to_json(),
    ))
}

fn placed(new: order_domain::order::NewOrder, time: &str) -> Vec<Event> {
    Order::place(new, &at(time)).expect("placed").events
}

#[test]
fn the_platform_finds_its_example_in_order_created() {
    let example = Exact::parse(include_str!("golden/003-order-created.jsonc"));
    let created = payload(&placed(platform_order(), WHEN)[0]);
    assert_eq!(created.lacks(example.at("payload")), [""; 0]);
}

#[test]
fn amounts_keep_the_digits_of_the_example() {
    let text = placed(platform_order(), WHEN)[0].payload().to_json();
    for amount in [r#""unitPrice":99.99"#, r#""unitPrice":50.00"#, r#""totalAmount":149.99"#] {
        assert!(text.contains(amount), "{amount} in {text}");
    }
}

#[test]
fn the_item_count_counts_lines_and_not_pieces() {
    let mut new = platform_order();
    new.items.truncate(1);
    new.items[0].quantity = support::samples::quantity(3);
    let one = Exact::parse(r#"{"itemCount": 1}"#);
    let events = placed(new, WHEN);
    let counted = [EventType::OrderCreated, EventType::OrderPlacedForAnalytics];
    for event in events.iter().filter(|event| counted.contains(&event.event_type())) {
        assert_eq!(payload(event).lacks(&one), [""; 0], "{}", event.event_type());
    }
}

#[test]
fn product_finds_its_example_in_order_created() {
    let example = Exact::parse(include_str!("golden/004-order-created.jsonc"));
    assert_eq!(domain_body(&placed(platform_order(), WHEN)[0]).lacks(&example), [""; 0]);
}

#[test]
fn inventory_finds_all_that_its_handlers_read_and_nothing_of_the_customer() {
    let example = Exact::parse(include_str!("golden/001-order-created.jsonc"));
    let event = &placed(platform_order(), WHEN)[1];
    assert_eq!(payload(event).lacks(example.at("payload")), [""; 0]);
    let order = Order::place(platform_order(), &at(WHEN)).expect("placed").order;
    let cancelled = order.cancel("changed my mind", &at(WHEN)).expect("cancelled").events;
    let told = [event, &cancelled[2]];
    assert_eq!(told.map(|event| event.event_type().routes().len()), [1, 1]);
    for text in told.map(|event| event.payload().to_json()) {
        for kept_back in ["John", "john.doe", "Main St", "99.99", "totalAmount", "customerDetails", "unitPrice"] {
            assert!(!text.contains(kept_back), "{kept_back} in {text}");
        }
    }
    assert_eq!((event.aggregate().kind(), event.aggregate().id()), ("Order", "order-abc-123"));
    let route = event.event_type().routes().into_iter().find(|route| route.envelope == Envelope::Aggregate);
    assert_eq!(route.expect("a route for Inventory").wire_type, "OrderCreated");
}

#[test]
fn the_request_for_a_confirmation_is_the_example_of_the_notification_document() {
    let example = Exact::parse(include_str!("golden/000-notification-send-requested.jsonc"));
    let order = Order::place(notification_order(), &at("2023-11-21T15:27:30.123Z")).expect("placed").order;
    let event = notification::order_confirmation(&order, order.customer(), &at("2023-11-21T15:27:35.123Z"));
    let Payload::OrderConfirmationNotificationRequested(mut request) = event.payload().clone() else {
        panic!("not a confirmation: {event:?}");
    };
    request.notification_id = "d290f1ee-6c54-4b01-90e6-d701748f0851".parse().expect("a UUID");
    let text = Payload::OrderConfirmationNotificationRequested(request).to_json();
    assert_eq!(Exact::parse(&text), example);
    for amount in [r#""subtotal":949.98"#, r#""tax":79.5,"#, r#""shipping":0,"#, r#""total":1029.48"#] {
        assert!(text.contains(amount), "{amount} in {text}");
    }
}

#[test]
fn requests_to_the_product_service_are_its_examples() {
    let requested = product::details_requested(
        a("e8acc97f-c204-4c53-9c33-5d91a1061618"),
        a("7f0c2f86-3d53-4a5c-8a3b-0f6d3a1b5c11"),
        &at(WHEN),
    );
    let example = Exact::parse(include_str!("golden/004-product-details-requested.jsonc"));
    assert_eq!(domain_body(&requested), example);

    let products = vec![a("product-1"), a("product-2")];
    let batch = product::batch_details_requested(products.clone(), a("request-1"), &at(WHEN)).expect("two products");
    assert_eq!(domain_body(&batch), Exact::parse(include_str!("golden/004-product-batch-details-requested.jsonc")));

    let refresh = product::refresh(&products, &at(WHEN));
    assert_eq!(domain_body(&refresh[0]), Exact::parse(include_str!("golden/004-product-refresh.jsonc")));
}

/// The documents' own examples lack fields that ours have, so what is read back here is ours, in their envelopes.
#[test]
fn every_event_is_read_back_from_every_envelope_it_travels_in() {
    for event in support::samples::life() {
        for route in event.event_type().routes() {
            let (id, name, text) = (event.id(), route.wire_type, event.payload().to_json());
            let body = match route.envelope {
                Envelope::Standard => format!(
                    r#"{{"messageId":"msg-{id}","messageType":"{name}","messageVersion":"1.7","timestamp":"{WHEN}","source":"OrderService","partitionKey":"x","payload":{text}}}"#
                ),
                Envelope::Domain => format!(
                    r#"{{"id":"{id}","type":"{name}","source":"order-service","dataVersion":"1.0","timestamp":"{WHEN}","correlationId":"x","data":{text}}}"#
                ),
                Envelope::Aggregate => format!(
                    r#"{{"eventId":"{id}","eventType":"{name}","eventVersion":"1.0.0","aggregateId":"x","aggregateType":"Order","timestamp":"{WHEN}","metadata":{{"correlationId":"x","source":"order-service"}},"payload":{text}}}"#
                ),
            };
            let read = received::parse(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!((read.envelope, read.id), (route.envelope, Some(id.to_string())), "{name}");
            assert_eq!(read.payload.to_json(), text, "{name}");
            let is_confirmation = event.event_type() == EventType::OrderConfirmationNotificationRequested;
            if !(is_confirmation && route.envelope == Envelope::Domain) {
                assert_eq!(read.payload, *event.payload(), "{name}");
            }
        }
    }
}
