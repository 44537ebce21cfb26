//! The comparison of our stock with Inventory's: each row of its table, and that from any start both sides agree after a few comparisons,
//! which then ask for nothing more. Inventory is a model here; `order-service` tests the calls.

mod support;

use std::collections::BTreeMap;

use order_domain::client::inventory::{AllocationRecord, AllocationRequest, AllocationState};
use order_domain::inbound::inventory::{AllocationStatus, ItemState};
use order_domain::order::Status;
use order_domain::reconcile::{GRACE, Step, allocation, steps};
use order_domain::value::id::OrderItemId;
use order_domain::value::timestamp::Timestamp;
use order_domain::{Context, Order};
use proptest::prelude::*;
use support::samples::{WHEN, a, at, order_in_parts, paid, parcel};

const STATES: [AllocationState; 5] = [
    AllocationState::Pending,
    AllocationState::Confirmed,
    AllocationState::Cancelled,
    AllocationState::Expired,
    AllocationState::Fulfilled,
];

fn context() -> Context {
    at(WHEN)
}

/// A day after the order was placed.
fn now() -> Timestamp {
    a("2023-11-22T12:34:56.789Z")
}

/// An order of two lines with stock items: three pieces, and one.
fn placed() -> Order {
    let mut new = order_in_parts();
    new.items.iter_mut().for_each(|item| item.inventory_item_id = Some(a(&format!("inv-{}", item.order_item_id))));
    Order::place(new, &context()).expect("placed").order
}

/// The same in every stage that matters here.
fn stages() -> Vec<Order> {
    let (placed, context) = (placed(), context());
    let paid = paid(&placed, &context).order;
    let processing = paid.start_processing(&context).expect("processed").order;
    let shipped = processing.ship(parcel("ship-1", Vec::new()), &context).expect("shipped").order;
    let cancelled = placed.cancel("changed my mind", &context).expect("cancelled").order;
    let given_up = paid.cancel("changed my mind", &context).expect("cancelled").order;
    vec![placed, paid, processing, shipped, cancelled, given_up]
}

fn record(id: &str, item: &str, quantity: u32, status: AllocationState) -> AllocationRecord {
    AllocationRecord {
        id: a(id),
        order_id: a("order-7"),
        order_item_id: a(item),
        inventory_item_id: None,
        warehouse_id: None,
        quantity,
        status,
        expires_at: Some(a("2023-11-23T00:00:00Z")),
        updated_at: Some(a("2023-11-21T13:00:00Z")),
    }
}

type Ours = BTreeMap<OrderItemId, ItemState>;

fn of_first(order: &Order, ours: &Ours, theirs: &[AllocationRecord]) -> Vec<Step> {
    let mut theirs = theirs.to_vec();
    // The second line is as it should be.
    let status =
        if order.status() == Status::PendingPayment { AllocationState::Pending } else { AllocationState::Confirmed };
    theirs.push(record("alloc-second", "item-2", 1, status));
    let is_second =
        |step: &Step| matches!(step, Step::Adopt { order_item_id, .. } if order_item_id.as_str() == "item-2");
    steps(Some(order), ours, &theirs, now()).into_iter().filter(|step| !is_second(step)).collect()
}

fn named(steps: &[Step]) -> Vec<String> {
    let name = |step: &Step| match step {
        Step::Create(new) => format!("create {} of {}", new.quantity, new.order_item_id),
        Step::Replace { old, new } => format!("replace {old} by {}", new.quantity),
        Step::Cancel(id) => format!("cancel {id}"),
        Step::Confirm(id) => format!("confirm {id}"),
        Step::Adopt { state, .. } => format!("adopt {}", state.latest.value.status),
    };
    steps.iter().map(name).collect()
}

#[test]
fn an_open_line_without_stock_gets_some_once_inventory_had_the_time_to_hear_of_it() {
    let order = placed();
    assert_eq!(named(&of_first(&order, &Ours::new(), &[])), ["create 3 of item-1"]);
    let expired = [record("alloc-1", "item-1", 3, AllocationState::Expired)];
    assert_eq!(named(&of_first(&order, &Ours::new(), &expired)), ["create 3 of item-1", "adopt EXPIRED"]);
    let mut late = record("alloc-1", "item-1", 3, AllocationState::Pending);
    late.expires_at = Some(a("2023-11-22T12:00:00Z"));
    assert_eq!(named(&of_first(&order, &Ours::new(), &[late]))[0], "create 3 of item-1", "it has expired");
    let soon = Timestamp::new(order.created_at().time() + GRACE / 2).expect("a time");
    assert_eq!(steps(Some(&order), &Ours::new(), &[], soon), []);
}

#[test]
fn what_inventory_has_told_to_be_missing_stays_missing() {
    for status in [AllocationStatus::Backorder, AllocationStatus::Unavailable] {
        let ours = Ours::from([(a("item-1"), ItemState::new(status))]);
        assert_eq!(named(&of_first(&placed(), &ours, &[])), Vec::<String>::new(), "{status}");
    }
    let given_back = [record("alloc-1", "item-1", 3, AllocationState::Cancelled)];
    assert_eq!(named(&of_first(&placed(), &Ours::new(), &given_back)), ["adopt UNAVAILABLE"]);
    let ours = Ours::from([(a("item-1"), ItemState::new(AllocationStatus::Optimistic))]);
    assert_eq!(named(&of_first(&placed(), &ours, &[])), ["create 3 of item-1"], "nobody was asked for it");
}

#[test]
fn stock_that_was_reserved_unnoticed_is_taken_over_and_not_reserved_again() {
    let ours = Ours::from([(a("item-1"), ItemState::new(AllocationStatus::Optimistic))]);
    let theirs = [record("alloc-1", "item-1", 3, AllocationState::Pending)];
    assert_eq!(named(&of_first(&placed(), &ours, &theirs)), ["adopt PENDING"]);
}

#[test]
fn one_allocation_too_many_is_given_back_and_a_wrong_one_replaced() {
    let twice = [
        record("alloc-1", "item-1", 2, AllocationState::Pending),
        record("alloc-2", "item-1", 3, AllocationState::Pending),
    ];
    assert_eq!(named(&of_first(&placed(), &Ours::new(), &twice)), ["cancel alloc-1", "adopt PENDING"]);
    let wrong = [record("alloc-1", "item-1", 2, AllocationState::Pending)];
    assert_eq!(named(&of_first(&placed(), &Ours::new(), &wrong)), ["replace alloc-1 by 3", "adopt PENDING"]);
    let stranger = [record("alloc-9", "item-9", 1, AllocationState::Pending)];
    assert!(named(&of_first(&placed(), &Ours::new(), &stranger)).contains(&"cancel alloc-9".to_owned()));
}

#[test]
fn stock_of_a_paid_order_is_confirmed_and_of_a_cancelled_or_unknown_one_given_back() {
    let theirs = [record("alloc-1", "item-1", 3, AllocationState::Pending)];
    let paid = paid(&placed(), &context()).order;
    assert_eq!(named(&of_first(&paid, &Ours::new(), &theirs)), ["confirm alloc-1", "adopt PENDING"]);
    let cancelled = placed().cancel("changed my mind", &context()).expect("cancelled").order;
    let expected = ["cancel alloc-1", "adopt PENDING", "cancel alloc-second"];
    assert_eq!(named(&of_first(&cancelled, &Ours::new(), &theirs)), expected);
    assert_eq!(named(&steps(None, &Ours::new(), &theirs, now())), ["cancel alloc-1"]);
}

/// Inventory, as far as it matters here: it does what it is asked, and has stock or not.
struct Model {
    records: Vec<AllocationRecord>,
    has_stock: bool,
    clock: time::OffsetDateTime,
}

impl Model {
    fn tick(&mut self) -> Option<Timestamp> {
        self.clock += time::Duration::seconds(1);
        Some(Timestamp::new(self.clock).expect("a time"))
    }

    fn create(&mut self, new: &AllocationRequest) -> Option<AllocationRecord> {
        if !self.has_stock {
            return None;
        }
        let id = format!("made-{}", self.records.len());
        let mut record = record(&id, new.order_item_id.as_str(), new.quantity, AllocationState::Pending);
        record.updated_at = self.tick();
        self.records.push(record.clone());
        Some(record)
    }

    fn turn(&mut self, id: &str, status: AllocationState) {
        let at = self.tick();
        let record = self.records.iter_mut().find(|record| record.id.as_str() == id).expect("it is there");
        record.status = status;
        record.updated_at = at;
    }
}

/// Takes the steps as the service does.
fn take(model: &mut Model, ours: &mut Ours, steps: &[Step]) {
    let missing = |ours: &mut Ours, id: &OrderItemId| {
        let state = ours.entry(id.clone()).or_insert_with(|| ItemState::new(AllocationStatus::None));
        state.hear(Some(now()), ItemState::new(AllocationStatus::Backorder).latest.value);
    };
    let hear = |ours: &mut Ours, record: &AllocationRecord| {
        let id = record.order_item_id.clone();
        let state = ours.entry(id).or_insert_with(|| ItemState::new(AllocationStatus::None));
        state.hear(record.updated_at, allocation(record));
    };
    for step in steps {
        match step {
            Step::Create(new) => match model.create(new) {
                Some(record) => hear(ours, &record),
                None => missing(ours, &new.order_item_id),
            },
            Step::Replace { old, new } => match model.create(new) {
                Some(record) => {
                    model.turn(old.as_str(), AllocationState::Cancelled);
                    hear(ours, &record);
                }
                None => missing(ours, &new.order_item_id),
            },
            Step::Cancel(id) => model.turn(id.as_str(), AllocationState::Cancelled),
            Step::Confirm(id) => model.turn(id.as_str(), AllocationState::Confirmed),
            Step::Adopt { order_item_id, state } => {
                let known = ours.entry(order_item_id.clone()).or_insert_with(|| ItemState::new(AllocationStatus::None));
                known.hear(state.latest.at, state.latest.value.clone());
            }
        }
    }
}

fn live<'a>(model: &'a Model, line: &'a OrderItemId) -> Vec<&'a AllocationRecord> {
    let is_live = |record: &&AllocationRecord| {
        record.order_item_id == *line && matches!(record.status, AllocationState::Pending | AllocationState::Confirmed)
    };
    model.records.iter().filter(is_live).collect()
}

fn agrees(order: &Order, model: &Model) -> Result<(), TestCaseError> {
    prop_assert!(live(model, &a("item-9")).is_empty(), "nothing is kept for a line that does not exist");
    for line in order.lines() {
        let id = &line.item.order_item_id;
        let live = live(model, id);
        let has_left =
            |record: &AllocationRecord| record.status == AllocationState::Fulfilled && record.order_item_id == *id;
        match order.status() {
            Status::Cancelled | Status::RefundRequested | Status::RefundInitiated | Status::Refunded => {
                prop_assert!(live.is_empty(), "a cancelled order keeps nothing");
            }
            Status::PendingPayment | Status::Confirmed | Status::Processing => {
                if model.records.iter().any(has_left) {
                    continue;
                }
                prop_assert_eq!(live.len(), 1);
                prop_assert_eq!(live[0].quantity, line.ordered());
                if order.is_paid() {
                    prop_assert_eq!(live[0].status, AllocationState::Confirmed);
                }
            }
            Status::PaymentFailed
            | Status::Shipped
            | Status::Delivered
            | Status::ReturnInitiated
            | Status::ReturnApproved => {}
        }
    }
    Ok(())
}

fn records() -> impl Strategy<Value = Vec<AllocationRecord>> {
    let item = prop_oneof![4 => Just("item-1"), 3 => Just("item-2"), 1 => Just("item-9")];
    let one = (item, 1..4_u32, 0..5_usize, any::<bool>());
    proptest::collection::vec(one, 0..6).prop_map(|all| {
        let made = all.into_iter().enumerate().map(|(n, (item, quantity, state, is_dated))| {
            let mut record = record(&format!("alloc-{n}"), item, quantity, STATES[state]);
            record.updated_at = record.updated_at.filter(|_| is_dated);
            record
        });
        made.collect()
    })
}

fn ours() -> impl Strategy<Value = Ours> {
    let status = (0..AllocationStatus::ALL.len()).prop_map(|n| AllocationStatus::ALL[n]);
    let states = proptest::option::of(status);
    (states.clone(), states).prop_map(|(first, second)| {
        let state = |id: &str, status: Option<AllocationStatus>| status.map(|status| (a(id), ItemState::new(status)));
        state("item-1", first).into_iter().chain(state("item-2", second)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_agree_after_a_few_comparisons_and_then_nothing_is_done(
        stage in 0..6_usize,
        records in records(),
        mut ours in ours(),
        has_stock in any::<bool>(),
    ) {
        let order = stages().swap_remove(stage);
        let is_told_missing = ours.values().any(|state| matches!(
            state.latest.value.status,
            AllocationStatus::Backorder | AllocationStatus::Unavailable | AllocationStatus::Fulfilled
        ));
        let is_cancelled_there = records.iter().any(|record| record.status == AllocationState::Cancelled);
        let mut model = Model { records, has_stock, clock: now().time() };
        let mut rounds = 0;
        loop {
            let steps = steps(Some(&order), &ours, &model.records, now());
            if steps.is_empty() {
                break;
            }
            rounds += 1;
            prop_assert!(rounds <= 5, "it does not end: {steps:?}");
            take(&mut model, &mut ours, &steps);
        }
        // Where stock is missing, or Inventory has given it up itself, a person is told.
        if has_stock && !is_told_missing && !is_cancelled_there {
            agrees(&order, &model)?;
        }
    }
}
