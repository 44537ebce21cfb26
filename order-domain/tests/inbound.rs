//! Messages of other services: the examples of the documents in every shape that a document shows, ids, and what cannot be
//! read.

mod support;

use order_domain::inbound::inventory::AllocationStatus;
use order_domain::inbound::notification::{Delivery, NotificationFact};
use order_domain::inbound::product::ProductState;
use order_domain::inbound::{
    BODY_BYTES_MAX, DeadReason, Fact, InboundEvent, Message, Properties, Reaction, Shape, read,
};
use support::exact::without_comments;
use support::samples::a;

fn by(routing_key: &str) -> Properties {
    Properties { routing_key: routing_key.to_owned(), ..Properties::default() }
}

fn message(routing_key: &str, body: &str) -> Message {
    read(&by(routing_key), body.as_bytes(), BODY_BYTES_MAX).unwrap_or_else(|e| panic!("{routing_key}: {e}"))
}

fn reason(routing_key: &str, body: &[u8]) -> DeadReason {
    read(&by(routing_key), body, BODY_BYTES_MAX).expect_err("of no use").dead.reason
}

fn example(text: &str) -> String {
    without_comments(text)
}

/// A payload in each shape, with the names that each shape has.
fn shapes(payload: &str, key: &str, class: &str) -> Vec<(Shape, String)> {
    vec![
        (
            Shape::Domain,
            format!(
                r#"{{"id": "e-1", "type": "{key}", "source": "s", "dataVersion": "1.0", "timestamp": "2023-05-23T11:30:00Z", "correlationId": "c-1", "data": {payload}}}"#
            ),
        ),
        (
            Shape::Standard,
            format!(
                r#"{{"messageId": "msg-e-1", "messageType": "{class}Event", "messageVersion": "1.3", "timestamp": "2023-05-23T11:30:00.000Z", "source": "s", "correlationId": "c-1", "partitionKey": "p", "payload": {payload}}}"#
            ),
        ),
        (
            Shape::Aggregate,
            format!(
                r#"{{"eventId": "e-1", "eventType": "{class}", "eventVersion": "1.0.0", "aggregateId": "a", "aggregateType": "A", "timestamp": "2023-05-23T11:30:00Z", "metadata": {{"correlationId": "c-1", "source": "s"}}, "payload": {payload}}}"#
            ),
        ),
        (Shape::Partial, format!(r#"{{"id": "e-1", "data": {payload}}}"#)),
    ]
}

#[test]
fn the_reports_of_the_notification_document_are_read_in_every_shape() {
    let sent = example(include_str!("golden/000-notification-sent.jsonc"));
    let failed = example(include_str!("golden/000-notification-failed.jsonc"));
    for (text, key, class) in
        [(&sent, "notification.sent", "NotificationSent"), (&failed, "notification.failed", "NotificationFailed")]
    {
        let flat = message(key, text);
        assert_eq!(flat.shape, Shape::Flat);
        assert!(flat.id.starts_with("sha256-"), "the provider's messageId is not an id of the event: {}", flat.id);
        assert_eq!(flat.occurred_at, Some(a("2023-11-21T15:27:40.789Z")));
        for (shape, body) in shapes(text, key, class) {
            let read = message(key, &body);
            assert_eq!((read.shape, read.id.as_str(), &read.fact), (shape, "e-1", &flat.fact), "{body}");
        }
    }
    let Fact::Notification(NotificationFact::Report(report)) = message("notification.sent", &sent).fact else {
        panic!("not a report");
    };
    assert_eq!(report.notification_id.as_str(), "d290f1ee-6c54-4b01-90e6-d701748f0851");
    assert_eq!(report.delivery.at, Some(a("2023-11-21T15:27:38.456Z")));
    let Delivery::Sent { message_id, delivery_status } = report.delivery.value else { panic!("not sent") };
    assert_eq!(message_id.expect("an id").as_str(), "msg_5f9c1b2a-3d7e-4b0f-8d7c-6a5d8b9e1f3a");
    assert_eq!(delivery_status.expect("a status").as_str(), "DELIVERED");
    let Fact::Notification(NotificationFact::Report(report)) = message("notification.failed", &failed).fact else {
        panic!("not a report");
    };
    let Delivery::Failed(failure) = report.delivery.value else { panic!("not failed") };
    assert!(failure.is_contact_error() && !failure.will_retry);
    assert_eq!((failure.retry_count, report.channels[0].as_str()), (2, "SMS"));
}

#[test]
fn the_allocation_of_the_inventory_document_is_read() {
    let body = example(include_str!("golden/001-allocation-created.jsonc"));
    for key in ["inventory.allocationcreated.allocation", "inventory.items_reserved"] {
        let read = message(key, &body);
        assert_eq!((read.event, read.shape), (InboundEvent::AllocationCreated, Shape::Aggregate));
        assert_eq!(read.id, "e1b2c3d4-e5f6-g7h8-i9j0-k1l2m3n4o5p6", "ids are text, and this is no UUID");
        assert_eq!(read.correlation_id.expect("one").as_str(), "ord_01OXYZ012HIJ");
        let Fact::Inventory(fact) = read.fact else { panic!("not of Inventory") };
        assert_eq!((fact.order_id.as_str(), fact.status), ("ord_01OXYZ012HIJ", AllocationStatus::Pending));
        assert_eq!(fact.at, Some(a("2023-05-23T11:30:00Z")));
        let allocation = &fact.items[0].allocation;
        assert_eq!(allocation.allocation_id, Some(a("alloc_01NXYZ901EFG")));
        assert_eq!((allocation.quantity, allocation.expires_at), (Some(2), Some(a("2023-05-24T23:59:59Z"))));
        assert_eq!(allocation.warehouse_id, Some(a("wh_01HXYZ789GHI")));
    }
}

/// The test of the Product document, section 8.1, by its name.
#[test]
fn should_update_product_cache_when_receiving_product_details() {
    let read = message("product.details_provided", &example(include_str!("golden/004-product-details-provided.jsonc")));
    assert_eq!((read.shape, read.id.as_str()), (Shape::Partial, "event-1"));
    let Fact::Product(fact) = read.fact else { panic!("not of Product") };
    assert_eq!(fact.request_id, Some(a("request-1")));
    let mut cached = ProductState::default();
    assert_eq!(cached.hear(fact.at, &fact.products[0]), Reaction::Applied(()));
    assert_eq!(cached.name.as_ref().map(|name| name.value.as_str()), Some("Updated Product Name"));
    assert_eq!(cached.price.as_ref().map(|price| price.value.0.to_string()).as_deref(), Some("24.99"));
    assert_eq!(cached.status.as_ref().map(|status| status.value.as_str()), Some("ACTIVE"));
    let details = cached.details.as_ref().expect("kept").value.as_json();
    assert!(details.contains("\"price\": 24.99"), "as they came: {details}");
    assert_eq!(cached.hear(fact.at, &fact.products[0]), Reaction::Known);
    let stored = serde_json::to_string(&cached).expect("JSON");
    assert_eq!(serde_json::from_str::<ProductState>(&stored).expect("read back"), cached);
}

#[test]
fn amounts_are_exact_and_the_most_telling_price_counts() {
    let price = |fields: &str| {
        let read = message("product.updated", &format!(r#"{{"id": "e", "data": {{"productId": "p", {fields}}}}}"#));
        let Fact::Product(fact) = read.fact else { panic!("not of Product") };
        fact.products[0].price.map(|price| price.0.to_string())
    };
    assert_eq!(price(r#""price": 50.00"#).as_deref(), Some("50.00"));
    assert_eq!(price(r#""basePrice": 0.1, "price": 0.30"#).as_deref(), Some("0.30"));
    assert_eq!(price(r#""basePrice": 249.99, "price": 1, "currentPrice": 2.10"#).as_deref(), Some("2.10"));
    assert_eq!(price(r#""name": "x""#), None);
    assert_eq!(
        reason("product.updated", br#"{"id": "e", "data": {"productId": "p", "price": 9007199254740993}}"#),
        DeadReason::SchemaInvalid
    );
}

#[test]
fn the_id_is_amqps_else_the_envelopes_else_of_key_and_body() {
    let body = r#"{"id": "msg-e-1", "data": {"orderId": "o", "paymentId": "p"}}"#;
    assert_eq!(message("payment.failed", body).id, "e-1");
    let given = Properties { message_id: Some("amqp-1".into()), ..by("payment.failed") };
    assert_eq!(read(&given, body.as_bytes(), BODY_BYTES_MAX).expect("read").id, "amqp-1");
    for useless in ["", "a\0b", &"x".repeat(256)] {
        let given = Properties { message_id: Some(useless.into()), ..by("payment.failed") };
        assert_eq!(read(&given, body.as_bytes(), BODY_BYTES_MAX).expect("read").id, "e-1", "{useless:?}");
    }
    let without = r#"{"data": {"orderId": "o", "paymentId": "p"}}"#;
    let hashed = message("payment.failed", without).id;
    assert_eq!(hashed.len(), "sha256-".len() + 64);
    assert_eq!(message("payment.failed", without).id, hashed);
    assert_ne!(message("payment.completed", without).id, hashed, "another key is another event");
    assert_eq!(read(&by("payment.failed"), b"nonsense", 9).expect_err("not JSON").id.len(), hashed.len());
}

#[test]
fn the_key_decides_and_a_type_in_the_body_agrees_by_any_of_its_names() {
    let body = |name: &str| format!(r#"{{"id": "e", "type": "{name}", "data": {{"orderId": "o", "paymentId": "p"}}}}"#);
    for name in ["payment.completed", "PaymentCompleted", "PaymentCompletedEvent"] {
        assert_eq!(message("payment.completed", &body(name)).event, InboundEvent::PaymentCompleted);
    }
    for name in ["payment.failed", "Completed", "", "paymentcompleted", "OrderPaymentCompletedEvent"] {
        assert_eq!(reason("payment.completed", body(name).as_bytes()), DeadReason::UnknownEventType, "{name}");
    }
    assert_eq!(reason("payment.nonsense", body("payment.completed").as_bytes()), DeadReason::UnknownEventType);
}

#[test]
fn unknown_fields_and_minor_versions_pass_and_higher_majors_do_not() {
    let body = |version: &str| {
        format!(
            r#"{{"messageId": "m", "messageType": "PaymentFailed", "messageVersion": {version}, "new": {{"deep": [1e999]}},
                "id": 7, "payload": {{"orderId": "o", "paymentId": "p", "more": null}}}}"#
        )
    };
    for version in ["\"1\"", "\"1.0\"", "\"1.9\"", "\"1.0.0\"", "null"] {
        assert_eq!(message("payment.failed", &body(version)).event, InboundEvent::PaymentFailed, "{version}");
    }
    for version in ["\"2.0\"", "\"10.1\"", "\"v1\"", "\"\""] {
        assert_eq!(reason("payment.failed", body(version).as_bytes()), DeadReason::UnsupportedVersion, "{version}");
    }
    assert_eq!(reason("payment.failed", body("1.0").as_bytes()), DeadReason::SchemaInvalid, "a number");
}

#[test]
fn what_is_no_message_is_told_apart() {
    let deep = format!(
        r#"{{"id": "e", "data": {{"productId": "p", "productDetails": {{"a": {}{}}}}}}}"#,
        "[".repeat(60_000),
        "]".repeat(60_000)
    );
    for body in [
        "",
        "null",
        "7",
        "[]",
        "{}",
        "\"text\"",
        "{",
        r#"{"data": 7}"#,
        r#"{"id": 7, "data": {"productId": "p"}}"#,
        r#"{"id": "e", "timestamp": "yesterday", "data": {"productId": "p"}}"#,
        r#"{"id": "e", "data": {"productId": "p"}}"#,
        r#"{"id": "e", "data": {"productId": "p", "productDetails": []}}"#,
        r#"{"id": "e", "data": {"productId": "p", "productDetails": {"id": "another"}}}"#,
        &deep,
    ] {
        assert_eq!(reason("product.details_provided", body.as_bytes()), DeadReason::SchemaInvalid, "{body:.80}");
    }
    assert_eq!(reason("notification.sent", &[b'{', 0xff, b'}']), DeadReason::SchemaInvalid);
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(reason("notification.sent", &large), DeadReason::PayloadTooLarge);
}

#[test]
fn nothing_of_a_body_is_in_an_error() {
    let secret = "jane.doe@example.com";
    for body in [
        format!(r#"{{"id": "e", "data": {{"orderId": 7, "paymentId": "{secret}"}}}}"#),
        format!(r#"{{"id": "{secret}", "data": "{secret}"}}"#),
        secret.to_owned(),
        format!(r#"{{"id": "e", "timestamp": "{secret}", "data": {{"orderId": "o"}}}}"#),
    ] {
        let error = read(&by("payment.failed"), body.as_bytes(), BODY_BYTES_MAX).expect_err("of no use");
        assert!(!error.to_string().contains("jane"), "{error}");
    }
}
