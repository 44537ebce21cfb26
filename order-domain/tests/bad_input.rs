//! What is refused, with which code: values, orders, commands, messages. And what is not: fields that nobody knows.

mod support;

use order_domain::notification::TemplateData;
use order_domain::order::{Item, Lines, NewOrder, Update};
use order_domain::received::{Unreadable, parse};
use order_domain::value::id::{OrderId, ProductId};
use order_domain::{Currency, Order, Payload, Quantity};
use support::samples::{WHEN, a, at, item, money_back, order_in_parts, parcel, part, platform_order};

fn refused(change: impl Fn(&mut NewOrder)) -> &'static str {
    let mut new = order_in_parts();
    change(&mut new);
    Order::place(new, &at(WHEN)).expect_err("refused").code()
}

fn with_item(change: impl Fn(&mut Item)) -> &'static str {
    refused(|new| change(&mut new.items[0]))
}

#[test]
fn oversize_and_empty_ids_are_refused_by_their_bytes() {
    assert_eq!(OrderId::new("o".repeat(255)).expect("the most").as_str().len(), 255);
    assert_eq!(OrderId::new("o".repeat(256)).expect_err("one more").code(), "VALUE_TOO_LONG");
    assert_eq!(OrderId::new("ö".repeat(128)).expect_err("256 bytes").code(), "VALUE_TOO_LONG");
    assert_eq!(OrderId::new("").expect_err("empty").code(), "EMPTY_VALUE");
    assert_eq!(ProductId::new("a\nb").expect_err("a line break").code(), "MALFORMED_VALUE");
    let details = OrderId::new("o".repeat(256)).expect_err("one more").details();
    assert_eq!(details["field"], "orderId");
    assert_eq!((details["bytes"].as_u64(), details["bytesMax"].as_u64()), (Some(256), Some(255)));
}

#[test]
fn negative_quantities_and_unknown_currencies_are_refused_also_when_read() {
    assert_eq!(Quantity::new(-1).expect_err("negative").code(), "INVALID_QUANTITY");
    assert_eq!("XYZ".parse::<Currency>().expect_err("unknown").code(), "UNKNOWN_CURRENCY");
    let text = serde_json::to_string(&item("i", "p", "Chair", 1, "1.00")).expect("text");
    let negative = text.replace("\"quantity\":1", "\"quantity\":-1");
    let error = serde_json::from_str::<Item>(&negative).expect_err("negative");
    assert!(error.to_string().contains("quantity -1 is not between 1 and 1000000"), "{error}");
    assert!(serde_json::from_str::<Item>(&text.replace("1.00", "-1.00")).is_err());
    assert!(serde_json::from_str::<Item>(&text.replace("1.00", "\"1.00\"")).is_err(), "an amount is a number");
}

#[test]
fn an_order_that_is_none_is_refused_by_name() {
    assert_eq!(refused(|new| new.items.clear()), "INVALID_LINE_COUNT");
    assert_eq!(refused(|new| new.items[1].order_item_id = new.items[0].order_item_id.clone()), "DUPLICATE_ITEM");
    assert_eq!(with_item(|item| item.unit_price = a("1.001")), "AMOUNT_TOO_PRECISE");
    assert_eq!(with_item(|item| item.unit_price = a("9999999999999.99")), "AMOUNT_TOO_LONG", "three of them");
    assert_eq!(with_item(|item| item.product_name.clear()), "EMPTY_VALUE");
    assert_eq!(with_item(|item| item.product_name = "x".repeat(1025)), "VALUE_TOO_LONG");
    assert_eq!(refused(|new| new.currency = a("JPY")), "AMOUNT_TOO_PRECISE");
    assert_eq!(refused(|new| new.shipping_address.country = "Germany".into()), "MALFORMED_VALUE");
    assert_eq!(refused(|new| new.shipping_address.city.clear()), "EMPTY_VALUE");
    let many = |new: &mut NewOrder| new.items = (0..1001).map(|n| item(&n.to_string(), "p", "C", 1, "1")).collect();
    assert_eq!(refused(many), "INVALID_LINE_COUNT");
}

#[test]
fn commands_are_refused_with_the_code_of_what_is_wrong() {
    let context = at(WHEN);
    let order = Order::place(order_in_parts(), &context).expect("placed").order;
    let code = |result: Result<order_domain::Decision, order_domain::Refusal>| result.expect_err("refused").code();
    assert_eq!(code(order.ship(parcel("s", Vec::new()), &context)), "ILLEGAL_TRANSITION");
    assert_eq!(code(order.update(Update::default(), &context)), "NOTHING_TO_CHANGE");
    assert_eq!(code(order.cancel("", &context)), "EMPTY_VALUE");
    assert_eq!(code(order.request_refund(money_back("r", None), &context)), "ILLEGAL_TRANSITION");
    let total = order.totals().total;
    assert_eq!(code(order.complete_payment(a("pay"), total, &context)), "PAYMENT_NOT_RUNNING");
    let order = order.start_payment(a("pay"), &context).expect("started").order;
    assert_eq!(code(order.start_payment(a("pay"), &context)), "DUPLICATE_PAYMENT");
    assert_eq!(code(order.complete_payment(a("pay"), a("1.00"), &context)), "PAYMENT_MISMATCH");

    let paid = order.complete_payment(a("pay"), total, &context).expect("paid").order;
    assert_eq!(code(paid.request_refund(money_back("r", Some("99999")), &context)), "REFUND_EXCEEDS_PAID");
    assert_eq!(code(paid.request_refund(money_back("r", None), &context)), "CANCEL_INSTEAD");
    assert_eq!(code(paid.initiate_refund(&a("r"), &context)), "REFUND_STATE");
    let processing = paid.start_processing(&context).expect("processed").order;
    assert_eq!(code(processing.ship(parcel("s", vec![part("item-9", 1)]), &context)), "UNKNOWN_ITEM");
    assert_eq!(code(processing.ship(parcel("s", vec![part("item-1", 4)]), &context)), "QUANTITY_EXCEEDED");
    assert_eq!(code(processing.deliver(&Lines::All, &context)), "NOTHING_LEFT");
    let twice = vec![part("item-1", 1), part("item-1", 1)];
    assert_eq!(code(processing.ship(parcel("s", twice), &context)), "DUPLICATE_ITEM");
    let half = processing.ship(parcel("s", vec![part("item-1", 1)]), &context).expect("shipped in part").order;
    assert_eq!(code(half.ship(parcel("s", Vec::new()), &context)), "DUPLICATE_SHIPMENT");
    assert_eq!(code(half.cancel("too late", &context)), "PARTLY_SHIPPED");
    assert_eq!(code(half.update(Update::default(), &context)), "ILLEGAL_TRANSITION");
}

#[test]
fn template_data_that_a_consumer_could_not_read_are_refused() {
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for text in ["[]", "1", "{", r#"{"a": "\ud800"}"#, r#"{"a": 1e999}"#, nested.as_str()] {
        assert_eq!(TemplateData::from_json(text).expect_err(text).code(), "MALFORMED_VALUE");
    }
    let kept = r#"{"a": 50.00, "b": "\ud83d\ude00"}"#;
    assert_eq!(TemplateData::from_json(kept).expect("an object").as_json(), kept, "as it was given");
}

#[test]
fn a_refusal_says_what_a_client_needs_in_parts() {
    let order = Order::place(order_in_parts(), &at(WHEN)).expect("placed").order;
    let refusal = order.start_processing(&at(WHEN)).expect_err("not paid");
    assert_eq!(refusal.to_string(), "an order that is PENDING_PAYMENT cannot be processed");
    assert_eq!(refusal.details()["status"], "PENDING_PAYMENT");
    assert!(!refusal.is_invalid_input());
}

#[test]
fn a_stored_order_that_no_command_could_have_made_is_refused() {
    let order = Order::place(order_in_parts(), &at(WHEN)).expect("placed").order;
    let text = serde_json::to_string(&order).expect("text");
    for (from, to) in [
        ("\"status\":\"PENDING_PAYMENT\"", "\"status\":\"SHIPPED\""),
        ("\"status\":\"PENDING_PAYMENT\"", "\"status\":\"LOST\""),
        ("\"shipped\":0", "\"shipped\":9"),
        ("\"total\":1629.46", "\"total\":1629.47"),
        ("\"paid\":false", "\"paid\":true"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(serde_json::from_str::<Order>(&text.replacen(from, to, 1)).is_err(), "{from} to {to}");
    }
}

fn message(version: &str, extra: &str) -> String {
    let payload = Order::place(platform_order(), &at(WHEN)).expect("placed").events[0].payload().to_json();
    let payload = payload.replacen('{', &format!("{{{extra}"), 1);
    format!(
        r#"{{"messageId":"msg-1","messageType":"OrderCreatedEvent","messageVersion":"{version}","payload":{payload},"new":1}}"#
    )
}

#[test]
fn unknown_fields_are_passed_over_and_a_higher_major_is_refused_by_name() {
    let read = parse(&message("1.9", r#""giftWrap":{"colour":"red"},"#)).expect("a later minor version");
    assert!(matches!(read.payload, Payload::OrderCreated(_)));
    for version in ["2.0", "2", "10.1", "0.9", "", "one"] {
        let error = parse(&message(version, "")).expect_err("refused");
        assert_eq!(error.code(), "UNSUPPORTED_VERSION", "{version}");
        assert!(error.to_string().contains("order.created") && error.to_string().contains(version), "{error}");
    }
}

#[test]
fn what_is_no_message_of_ours_is_told_apart() {
    let code = |body: &str| parse(body).expect_err("refused").code();
    for body in ["", "{", "[]", "null", "{}", r#"{"messageType":"OrderCreatedEvent"}"#, r#"{"id":"1","data":{}}"#] {
        assert_eq!(code(body), "NO_ENVELOPE", "{body}");
    }
    assert_eq!(code(r#"{"messageType":"OrderLostEvent","payload":{}}"#), "UNKNOWN_EVENT_TYPE");
    assert_eq!(code(r#"{"type":"order.created","data":{"orderId":"x"}}"#), "SCHEMA_INVALID");
    assert_eq!(code(&message("1.0", "").replace("99.99", "-99.99")), "SCHEMA_INVALID");
    assert_eq!(code(&" ".repeat(16 * 1024 * 1024 + 1)), "PAYLOAD_TOO_LARGE");
}

#[test]
fn an_error_about_a_message_shows_nothing_of_it() {
    let body = message("1.0", "").replace("\"quantity\":1", "\"quantity\":\"jane@example.com\"");
    let error = parse(&body).expect_err("a quantity that is none");
    assert!(matches!(error, Unreadable::InvalidPayload { .. }));
    assert!(!format!("{error} {error:?}").contains("jane"), "{error:?}");
}
