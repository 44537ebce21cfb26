//! Orders as earlier versions of this crate have stored them are read for ever. `golden/stored-orders-1.tsv` was written by the
//! version that knew the latest payment only, and did not say its number.

mod support;

use order_domain::Order;
use order_domain::inbound::Reaction;
use order_domain::order::{OrderFact, PaymentState, Status};
use support::samples::{WHEN, a, at, platform_order};

const FIRST: &str = include_str!("golden/stored-orders-1.tsv");

fn stored(name: &str) -> Order {
    let row = FIRST.lines().filter_map(|line| line.split_once('\t')).find(|row| row.0 == name);
    serde_json::from_str(row.unwrap_or_else(|| panic!("no {name}")).1).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn every_row_of_the_first_version_is_read_and_stored_in_this_one() {
    assert_eq!(FIRST.lines().count(), 8);
    for (name, text) in FIRST.lines().filter_map(|line| line.split_once('\t')) {
        assert!(!text.contains("recordVersion"), "{name} is of the first version");
        let order = stored(name);
        let again = serde_json::to_string(&order).expect("it is stored");
        assert!(again.starts_with(r#"{"recordVersion":2,"#), "{again}");
        assert_eq!(serde_json::from_str::<Order>(&again).expect("it is read back"), order, "{name}");
    }
}

#[test]
fn the_latest_payment_of_such_a_row_is_known_by_its_state() {
    let payments = |name: &str| stored(name).payments().iter().map(|payment| payment.state).collect::<Vec<_>>();
    assert_eq!(payments("placed"), []);
    assert_eq!(payments("payment-started"), [PaymentState::Started]);
    assert_eq!(payments("payment-failed"), [PaymentState::Failed]);
    assert_eq!(payments("paid"), [PaymentState::Completed]);
    let completed = OrderFact::PaymentCompleted { payment_id: a("pay-1"), amount: None, currency: None };
    let reaction = stored("payment-started").hear(&completed, &at(WHEN));
    assert_eq!(reaction.change().map(|decision| decision.order.status()), Some(Status::Confirmed));
    assert_eq!(stored("paid").hear(&completed, &at(WHEN)), Reaction::Known);
}

#[test]
fn what_a_later_version_has_stored_is_refused_by_its_number() {
    let order = Order::place(platform_order(), &at(WHEN)).expect("placed").order;
    let text = serde_json::to_string(&order).expect("it is stored");
    let later = text.replacen(r#""recordVersion":2"#, r#""recordVersion":3"#, 1);
    let error = serde_json::from_str::<Order>(&later).expect_err("refused");
    assert!(error.to_string().contains("later version"), "{error}");
    // A field that only adds something is passed over.
    let more = text.replacen('{', r#"{"giftMessage": "for you","#, 1);
    assert_eq!(serde_json::from_str::<Order>(&more).expect("read"), order);
}
