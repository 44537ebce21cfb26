//! An order's life as events: which event comes at which version, and what it says.
//!
//! Called by `writers` and `backlog`. Promises the same event for the same order and version, valid JSON of a realistic
//! size, `version` in every payload, and money with its cents written out (50.00), which must pass through unchanged.

use fastrand::Rng;

const NAMES: [(&str, &str); 6] = [
    ("Ada Jensen", "ada.jensen@example.com"),
    ("Bruno Carvalho", "bruno.carvalho@example.com"),
    ("Chidi Okafor", "chidi.okafor@example.com"),
    ("Dilnoza Karimova", "dilnoza.karimova@example.com"),
    ("Eszter Nagy", "eszter.nagy@example.com"),
    ("Zoë Müller", "zoe.mueller@example.com"),
];
const PRODUCTS: [(&str, i64); 6] = [
    ("Espresso cups, set of 4", 2_450),
    ("Walnut cutting board", 5_000),
    ("Cast iron pan, 28 cm", 8_990),
    ("Linen apron", 3_200),
    ("Burr grinder", 12_900),
    ("Tea towels, 3 pieces", 1_495),
];
const STREETS: [&str; 4] = ["Hafenstraße 12", "Rua das Flores 7", "123 Main Street", "Kossuth tér 3"];

pub struct OrderEvent {
    pub event_type: &'static str,
    pub status: &'static str,
    pub payload: String,
}

/// The order's id, which is the event's key.
pub fn order_id(order: u32) -> String {
    format!("order-{order:07}")
}

/// The event that brings `order` to `version`, out of a life of `life` events.
pub fn event(order: u32, version: i64, life: i64) -> OrderEvent {
    let (event_type, status) = milestone(version, life);
    let mut random = Rng::with_seed(u64::from(order));
    let (name, email) = NAMES[random.usize(..NAMES.len())];
    let (items, total) = items(&mut random);
    let street = STREETS[random.usize(..STREETS.len())];
    let id = order_id(order);
    let detail = detail(event_type, order, version, total);
    let (total, number, postal) = (money(total), order % 977, 10_000 + order % 80_000);
    let payload = [
        format!(r#"{{"orderId":"{id}","version":{version},"status":"{status}","#),
        format!(r#""customer":{{"id":"customer-{number:05}","name":"{name}","email":"{email}"}},"#),
        format!(r#""currency":"EUR","items":[{items}],"shipping":4.90,"total":{total},"#),
        format!(r#""shippingAddress":{{"street":"{street}","city":"Anytown","#),
        format!(r#""postalCode":"{postal}","country":"DE"}},"detail":{detail}}}"#),
    ]
    .concat();
    OrderEvent { event_type, status, payload }
}

/// Created first, delivered last; what happens to the basket fills the time between.
fn milestone(version: i64, life: i64) -> (&'static str, &'static str) {
    match (version, life - version) {
        (1, _) => ("order.created", "PENDING"),
        (_, 0) => ("order.delivered", "DELIVERED"),
        (_, 1) => ("order.shipped", "SHIPPED"),
        (_, 2) => ("order.paid", "PAID"),
        (_, 3) => ("order.confirmed", "CONFIRMED"),
        _ => match version % 3 {
            0 => ("order.item_added", "PENDING"),
            1 => ("order.item_updated", "PENDING"),
            _ => ("order.address_changed", "PENDING"),
        },
    }
}

/// Two to five items as JSON, and what they cost in cents with the shipping.
fn items(random: &mut Rng) -> (String, i64) {
    let mut total = 490;
    let mut lines = Vec::new();
    for line in 0..random.usize(2..=5) {
        let (product, price) = PRODUCTS[(random.usize(..PRODUCTS.len()) + line) % PRODUCTS.len()];
        let quantity = random.i64(1..=3);
        total += price * quantity;
        let (number, price) = (random.u32(100..1000), money(price));
        lines.push(format!(
            r#"{{"productId":"prod-{number}","name":"{product}","quantity":{quantity},"unitPrice":{price}}}"#
        ));
    }
    (lines.join(","), total)
}

fn detail(event_type: &str, order: u32, version: i64, total: i64) -> String {
    match event_type {
        "order.paid" => {
            let amount = money(total);
            format!(r#"{{"paymentId":"pay-{order:07}","method":"card","amount":{amount}}}"#)
        }
        "order.shipped" => format!(r#"{{"carrier":"DHL","trackingNumber":"JD{order:014}","parcels":1}}"#),
        "order.delivered" => r#"{"receivedBy":"neighbour","leftAt":"front door"}"#.to_owned(),
        _ => format!(r#"{{"changedBy":"customer","revision":{version}}}"#),
    }
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
