//! The orders of the seed documents, and one life of an order that tells every event once.

use std::collections::BTreeMap;

use order_domain::event::RefundRequester;
use order_domain::notification::{Channel, CustomNotification, NotificationType, Priority, TemplateData};
use order_domain::order::{
    Address, AllocationMode, ConfirmationTrigger, Customer, Item, LineQuantity, Lines, NewOrder, RefundRequest,
    ReturnRequest, Shipment, Update,
};
use order_domain::value::text::{Email, PersonName, Phone};
use order_domain::{Amount, Context, Decision, Event, EventType, Order, Quantity, product};

/// The time of the samples in seed 003.
pub const WHEN: &str = "2023-11-21T12:34:56.789Z";

/// Reads any of the values that have a text form.
pub fn a<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e:?}"))
}

pub fn at(time: &str) -> Context {
    Context::fixed(a(time))
}

pub fn quantity(pieces: i64) -> Quantity {
    Quantity::new(pieces).expect("a quantity")
}

pub fn item(id: &str, product: &str, name: &str, pieces: i64, price: &str) -> Item {
    Item {
        order_item_id: a(id),
        product_id: a(product),
        variant_id: None,
        inventory_item_id: None,
        product_name: name.into(),
        quantity: quantity(pieces),
        unit_price: a(price),
    }
}

pub fn part(id: &str, pieces: i64) -> LineQuantity {
    LineQuantity { order_item_id: a(id), quantity: quantity(pieces) }
}

/// The order of seed 003: two lines, no tax, no shipping, a customer without a phone.
pub fn platform_order() -> NewOrder {
    let customer = Customer::new(
        a("user-xyz-789"),
        PersonName::new("John Doe").expect("a name"),
        Email::new("john.doe@example.com").expect("an address"),
    );
    let mut first = item("item_01PXYZ123KLM", "prod-456", "Widget", 1, "99.99");
    first.variant_id = Some(a("variant-1"));
    first.inventory_item_id = Some(a("inv_01GXYZ234DEF"));
    NewOrder {
        id: a("order-abc-123"),
        order_number: a("ORD-10000001"),
        customer,
        shipping_address: Address {
            line1: "123 Main St".into(),
            line2: None,
            city: "Anytown".into(),
            state: None,
            postal_code: "12345".into(),
            country: "US".into(),
        },
        currency: a("USD"),
        items: vec![first, item("item_02PXYZ123KLM", "prod-789", "Gadget", 1, "50.00")],
        tax: Amount::ZERO,
        shipping: Amount::ZERO,
        allocation: AllocationMode::Event,
        confirmation: ConfirmationTrigger::Placed,
    }
}

/// The order of seed 000 section 3.1.
pub fn notification_order() -> NewOrder {
    let mut customer = Customer::new(
        a("3fa85f64-5717-4562-b3fc-2c963f66afa6"),
        PersonName::new("Jane Doe").expect("a name"),
        Email::new("customer@example.com").expect("an address"),
    );
    customer.phone = Some(Phone::new("+15551234567").expect("a number"));
    NewOrder {
        id: a("f47ac10b-58cc-4372-a567-0e02b2c3d479"),
        order_number: a("ORD-12345678"),
        customer,
        shipping_address: Address {
            line1: "123 Main Street".into(),
            line2: None,
            city: "Boston".into(),
            state: Some("MA".into()),
            postal_code: "02108".into(),
            country: "US".into(),
        },
        currency: a("USD"),
        items: vec![
            item("item-1", "product-1", "Ergonomic Desk Chair", 1, "299.99"),
            item("item-2", "product-2", "Adjustable Standing Desk", 1, "649.99"),
        ],
        tax: a("79.5"),
        shipping: a("0"),
        allocation: AllocationMode::Event,
        confirmation: ConfirmationTrigger::Placed,
    }
}

/// An order with a line of three pieces, so that it can move in parts.
pub fn order_in_parts() -> NewOrder {
    let mut new = notification_order();
    new.id = a("order-7");
    new.order_number = a("ORD-00000007");
    new.items = vec![
        item("item-1", "product-1", "Ergonomic Desk Chair", 3, "299.99"),
        item("item-2", "product-2", "Adjustable Standing Desk", 1, "649.99"),
    ];
    new
}

/// A custom notification with everything set.
pub fn custom_notification() -> CustomNotification {
    CustomNotification {
        notification_type: NotificationType::CUSTOM,
        channels: vec![Channel::EMAIL],
        priority: Priority::Normal,
        template_data: TemplateData::from_json(r#"{"text": "Your invoice is ready.", "amount": 79.50}"#).expect("JSON"),
        idempotency_key: Some("invoice-7".into()),
    }
}

/// A life of an order, step by step, in which every event is told. The first event of each type is the sample of it.
pub fn life() -> Vec<Event> {
    let mut events = Vec::new();
    let mut order: Option<Order> = None;
    let mut step = |next: &dyn Fn(Option<&Order>) -> Decision| {
        let decision = next(order.as_ref());
        events.extend(decision.events);
        order = Some(decision.order);
    };
    let here = |order: Option<&Order>| order.expect("the order is placed first").clone();
    let context = at(WHEN);
    let late = Some(a("2023-11-28T12:00:00.000Z"));
    step(&|_| Order::place(order_in_parts(), &context).expect("placed"));
    step(&|o| here(o).start_payment(a("pay-1"), &context).expect("started"));
    step(&|o| here(o).fail_payment(a("pay-1"), "card declined", &context).expect("failed"));
    step(&|o| here(o).retry_payment(&context).expect("awaited again"));
    step(&|o| here(o).start_payment(a("pay-2"), &context).expect("started again"));
    step(&|o| here(o).complete_payment(a("pay-2"), here(o).totals().total, &context).expect("paid"));
    let address = Address { line2: Some("Floor 3".into()), ..order_in_parts().shipping_address };
    step(&|o| {
        let update = Update { shipping_address: Some(address.clone()), customer: None };
        here(o).update(update, &context).expect("updated")
    });
    step(&|o| here(o).start_processing(&context).expect("processed"));
    step(&|o| here(o).ship(parcel("ship-1", vec![part("item-1", 2)]), &context).expect("shipped in part"));
    step(&|o| here(o).deliver(&Lines::All, &context).expect("delivered in part"));
    step(&|o| here(o).ship(parcel("ship-2", Vec::new()), &context).expect("shipped"));
    step(&|o| here(o).report_delay("snow", late, &context).expect("delayed"));
    step(&|o| here(o).deliver(&Lines::All, &context).expect("delivered"));
    step(&|o| here(o).initiate_return(back(), &context).expect("asked for"));
    step(&|o| here(o).approve_return(&context).expect("approved"));
    step(&|o| here(o).request_refund(money_back("refund-1", Some("299.99")), &context).expect("requested in part"));
    step(&|o| here(o).initiate_refund(&a("refund-1"), &context).expect("initiated"));
    step(&|o| here(o).complete_refund(&a("refund-1"), &context).expect("completed"));
    step(&|o| here(o).notify(custom_notification(), &context).expect("requested"));
    let mut doomed = order_in_parts();
    doomed.id = a("order-8");
    let doomed = Order::place(doomed, &context).expect("placed").order;
    events.extend(doomed.cancel("changed my mind", &context).expect("cancelled").events);
    events.push(product::details_requested(a("product-1"), a("request-1"), &context));
    let products = vec![a("product-1"), a("product-2")];
    events.push(product::batch_details_requested(products, a("request-2"), &context).expect("two products"));
    events
}

/// The first event of each type in [`life`].
pub fn one_of_each() -> BTreeMap<EventType, Event> {
    let mut found = BTreeMap::new();
    for event in life() {
        found.entry(event.event_type()).or_insert(event);
    }
    found
}

/// Paid by the payment `pay-1`.
pub fn paid(order: &Order, context: &Context) -> Decision {
    let started = order.start_payment(a("pay-1"), context).expect("started").order;
    started.complete_payment(a("pay-1"), started.totals().total, context).expect("paid")
}

pub fn parcel(id: &str, lines: Vec<LineQuantity>) -> Shipment {
    Shipment {
        lines,
        tracking_number: Some("1Z999AA10123456784".into()),
        estimated_delivery: Some(a("2023-11-24T12:00:00.000Z")),
        ..Shipment::of_the_rest(a(id), "UPS")
    }
}

pub fn back() -> ReturnRequest {
    let lines = Lines::Some(vec![part("item-1", 1)]);
    ReturnRequest { return_id: a("return-1"), lines, reason: "too small".into() }
}

pub fn money_back(id: &str, amount: Option<&str>) -> RefundRequest {
    RefundRequest {
        refund_id: a(id),
        amount: amount.map(a),
        lines: Vec::new(),
        reason: "sent back".into(),
        requested_by: RefundRequester::User,
    }
}
