//! Our side of an order's stock against that of the Inventory Service: what has to be done so that both agree. A pure table; the service
//! asks Inventory, takes the steps and comes again after a while. A step that fails is found again by the next comparison.
//!
//! | a line of the order | at Inventory | step |
//! |---|---|---|
//! | is to be sent, or may be | nothing, or what has expired | [`Step::Create`], once Inventory has had the time to hear of the order |
//! | | more than one live allocation | [`Step::Cancel`] of all but the best |
//! | | another quantity | [`Step::Replace`] |
//! | is paid | `PENDING` | [`Step::Confirm`] |
//! | is optimistic, or has another state here | whatever is newer | [`Step::Adopt`] |
//! | is of a cancelled or refunded order and has not left | a live allocation | [`Step::Cancel`] |
//! | does not exist | a live allocation | [`Step::Cancel`] |
//!
//! What Inventory has told to be missing stays missing: it waits for stock by itself, and a review tells a person.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Order;
use crate::client::inventory::{AllocationRecord, AllocationRequest, AllocationState};
use crate::inbound::Heard;
use crate::inbound::inventory::{Allocation, AllocationStatus, ItemState};
use crate::order::{Line, Status};
use crate::value::id::{AllocationId, OrderItemId};
use crate::value::timestamp::Timestamp;

/// How long Inventory has to hear of an order before it is asked to reserve for it.
pub const GRACE: Duration = Duration::from_secs(10 * 60);
/// How long stock is kept that is reserved by a step and not confirmed.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What brings both sides closer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Reserve.
    Create(AllocationRequest),
    /// Reserve anew, and give back the old one once that has succeeded.
    Replace {
        /// What is given back.
        old: AllocationId,
        /// What is reserved.
        new: AllocationRequest,
    },
    /// Give back.
    Cancel(AllocationId),
    /// Reserve for good.
    Confirm(AllocationId),
    /// Write what Inventory says down.
    Adopt {
        /// The line.
        order_item_id: OrderItemId,
        /// What is known of it from now on.
        state: ItemState,
    },
}

/// What a line needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Stock that is kept until the order is paid.
    Kept,
    /// Stock that is kept for good.
    Confirmed,
    /// No stock any more.
    Nothing,
    /// It has left: nothing is done.
    Left,
}

/// The steps for an order; `None` is one that does not exist here.
pub fn steps(
    order: Option<&Order>,
    ours: &BTreeMap<OrderItemId, ItemState>,
    theirs: &[AllocationRecord],
    now: Timestamp,
) -> Vec<Step> {
    let lines = order.map(Order::lines).unwrap_or_default();
    let is_known =
        |record: &&AllocationRecord| lines.iter().any(|line| line.item.order_item_id == record.order_item_id);
    let strangers = theirs.iter().filter(|record| !is_known(record) && is_live(record, now));
    let mut steps: Vec<Step> = strangers.map(|record| Step::Cancel(record.id.clone())).collect();
    let Some(order) = order else { return steps };
    for line in lines {
        let id = &line.item.order_item_id;
        let records: Vec<&AllocationRecord> = theirs.iter().filter(|record| record.order_item_id == *id).collect();
        of_line(order, line, ours.get(id), &records, now, &mut steps);
    }
    steps
}

fn of_line(
    order: &Order,
    line: &Line,
    ours: Option<&ItemState>,
    records: &[&AllocationRecord],
    now: Timestamp,
    steps: &mut Vec<Step>,
) {
    let mut live: Vec<&AllocationRecord> = records.iter().copied().filter(|record| is_live(record, now)).collect();
    live.sort_by_key(|record| {
        let is_pending = record.status == AllocationState::Pending;
        (record.quantity != line.ordered(), is_pending, record.id.clone())
    });
    let has_left = records.iter().any(|record| record.status == AllocationState::Fulfilled);
    let cancel = |record: &&AllocationRecord| Step::Cancel(record.id.clone());
    match need(order.status(), line) {
        Need::Nothing => steps.extend(live.iter().map(cancel)),
        Need::Left => {}
        Need::Kept | Need::Confirmed if has_left => {}
        need @ (Need::Kept | Need::Confirmed) => match live.split_first() {
            None if is_given_back(records) => {}
            None => steps.extend(create(order, line, ours, now).map(Step::Create)),
            Some((best, others)) => {
                steps.extend(others.iter().map(cancel));
                if best.quantity != line.ordered() {
                    let new = request(line, now).filter(|_| !is_missing(ours, now));
                    steps.extend(new.map(|new| Step::Replace { old: best.id.clone(), new }));
                } else if need == Need::Confirmed && best.status == AllocationState::Pending {
                    steps.push(Step::Confirm(best.id.clone()));
                }
            }
        },
    }
    let newest = live.first().copied().or_else(|| records.iter().copied().max_by_key(|record| record.updated_at));
    if let Some(record) = records.iter().copied().find(|record| record.status == AllocationState::Fulfilled).or(newest)
    {
        let mut state = ours.cloned().unwrap_or_else(|| ItemState::new(AllocationStatus::None));
        if state.hear(record.updated_at, allocation(record)) == Heard::Newest {
            steps.push(Step::Adopt { order_item_id: line.item.order_item_id.clone(), state });
        }
    }
}

fn need(status: Status, line: &Line) -> Need {
    match status {
        Status::PendingPayment | Status::PaymentFailed => Need::Kept,
        Status::Confirmed | Status::Processing if line.shipped == 0 => Need::Confirmed,
        Status::Confirmed | Status::Processing => Need::Left,
        Status::Shipped | Status::Delivered | Status::ReturnInitiated | Status::ReturnApproved => Need::Left,
        Status::Cancelled | Status::RefundRequested | Status::RefundInitiated | Status::Refunded => {
            if line.shipped == 0 { Need::Nothing } else { Need::Left }
        }
    }
}

/// What to reserve for a line that has nothing, unless Inventory may still hear of it, or has said that there is none.
fn create(order: &Order, line: &Line, ours: Option<&ItemState>, now: Timestamp) -> Option<AllocationRequest> {
    let is_new = order.created_at().time() + GRACE > now.time();
    request(line, now).filter(|_| !is_new && !is_missing(ours, now))
}

/// Whether it is known that there is no stock to reserve, or nothing to be reserved any more.
fn is_missing(ours: Option<&ItemState>, now: Timestamp) -> bool {
    match ours.map_or(AllocationStatus::None, |state| state.status(now)) {
        AllocationStatus::Backorder | AllocationStatus::Unavailable | AllocationStatus::Fulfilled => true,
        AllocationStatus::None
        | AllocationStatus::Optimistic
        | AllocationStatus::Pending
        | AllocationStatus::Confirmed
        | AllocationStatus::Expired => false,
    }
}

/// Whether Inventory has given the stock of an open line back by itself, which is the same as having none.
fn is_given_back(records: &[&AllocationRecord]) -> bool {
    let newest = records.iter().max_by_key(|record| record.updated_at);
    newest.is_some_and(|record| record.status == AllocationState::Cancelled)
}

/// None for a line without a stock item, for which Inventory cannot reserve.
fn request(line: &Line, now: Timestamp) -> Option<AllocationRequest> {
    Some(AllocationRequest {
        order_item_id: line.item.order_item_id.clone(),
        inventory_item_id: line.item.inventory_item_id.clone()?,
        quantity: line.ordered(),
        warehouse_id: None,
        expires_at: Timestamp::new(now.time() + KEPT_FOR).ok(),
    })
}

fn is_live(record: &AllocationRecord, now: Timestamp) -> bool {
    match record.status {
        AllocationState::Pending => record.expires_at.is_none_or(|expires_at| expires_at > now),
        AllocationState::Confirmed => true,
        AllocationState::Cancelled | AllocationState::Expired | AllocationState::Fulfilled => false,
    }
}

/// What the Inventory Service answers, as it is kept here.
pub fn allocation(record: &AllocationRecord) -> Allocation {
    let status = match record.status {
        AllocationState::Pending => AllocationStatus::Pending,
        AllocationState::Confirmed => AllocationStatus::Confirmed,
        AllocationState::Cancelled => AllocationStatus::Unavailable,
        AllocationState::Expired => AllocationStatus::Expired,
        AllocationState::Fulfilled => AllocationStatus::Fulfilled,
    };
    Allocation {
        status,
        allocation_id: Some(record.id.clone()),
        warehouse_id: record.warehouse_id.clone(),
        quantity: Some(record.quantity),
        expires_at: record.expires_at,
    }
}
