//! What the Inventory Service tells, and what becomes of it: a state for each item of an order, kept beside the order and not
//! in it, because most of these facts do not move the order.

use serde::{Deserialize, Serialize};

use super::InboundEvent;
use super::latest::{Heard, Latest};
use super::message::{invalid, payload};
use super::reaction::{Dead, DeadReason, Reaction};
use crate::order::{LINES_MAX, Line, Order, Status};
use crate::review::{Review, ReviewReason};
use crate::value::id::{AllocationId, InventoryItemId, OrderId, OrderItemId, WarehouseId};
use crate::value::timestamp::Timestamp;

/// How far the stock of an item has come, as it is shown with the order's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AllocationStatus {
    /// Nothing was heard of it.
    None,
    /// Inventory was not asked, or its answer is unknown; it is taken to have stock.
    Optimistic,
    /// There is not enough stock; Inventory waits for more.
    Backorder,
    /// Reserved until the order is paid, or the reservation expires.
    Pending,
    /// Reserved for good.
    Confirmed,
    /// A reservation that was not confirmed in time.
    Expired,
    /// The reservation was cancelled.
    Unavailable,
    /// Picked, packed and shipped.
    Fulfilled,
}

impl AllocationStatus {
    /// Every status; its place is its rank among facts of one time.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Optimistic,
        Self::Backorder,
        Self::Pending,
        Self::Confirmed,
        Self::Expired,
        Self::Unavailable,
        Self::Fulfilled,
    ];

    /// The name on the wire, such as `BACKORDER`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Optimistic => "OPTIMISTIC",
            Self::Backorder => "BACKORDER",
            Self::Pending => "PENDING",
            Self::Confirmed => "CONFIRMED",
            Self::Expired => "EXPIRED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Fulfilled => "FULFILLED",
        }
    }

    fn rank(self) -> u8 {
        self as u8
    }

    fn is_shortage(self) -> bool {
        match self {
            Self::Backorder | Self::Unavailable => true,
            Self::None | Self::Optimistic | Self::Pending | Self::Confirmed | Self::Expired | Self::Fulfilled => false,
        }
    }
}

impl std::fmt::Display for AllocationStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What Inventory tells of some items of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct InventoryFact {
    /// The order.
    pub order_id: OrderId,
    /// Which items, and what of them; at least one.
    pub items: Vec<ItemFact>,
    /// What became of them.
    pub status: AllocationStatus,
    /// When.
    pub at: Option<Timestamp>,
}

/// What Inventory tells of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemFact {
    /// The item, where the fact names it.
    pub order_item_id: Option<OrderItemId>,
    /// Its stock item; names the item where the fact does not.
    pub inventory_item_id: Option<InventoryItemId>,
    /// What is kept of it.
    pub allocation: Allocation,
}

/// What is known of the stock of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allocation {
    /// How far it has come.
    pub status: AllocationStatus,
    /// The allocation, where there is one.
    pub allocation_id: Option<AllocationId>,
    /// Where the pieces are.
    pub warehouse_id: Option<WarehouseId>,
    /// How many pieces.
    pub quantity: Option<u32>,
    /// Until when a pending one is kept.
    pub expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    order_id: OrderId,
    items: Option<Vec<ItemWire>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemWire {
    order_item_id: Option<OrderItemId>,
    inventory_item_id: Option<InventoryItemId>,
    allocation_id: Option<AllocationId>,
    warehouse_id: Option<WarehouseId>,
    quantity: Option<u32>,
    expires_at: Option<Timestamp>,
}

impl InventoryFact {
    pub(super) fn read(
        event: InboundEvent,
        status: AllocationStatus,
        text: &str,
        at: Option<Timestamp>,
    ) -> Result<Self, Dead> {
        let wire: Wire = payload(event, text)?;
        // One item is told in the payload itself, as every document shows it; several in a list.
        let items: Vec<ItemWire> = match wire.items {
            Some(items) => items,
            None => vec![payload(event, text)?],
        };
        if items.is_empty() || items.len() > LINES_MAX {
            return Err(invalid(format!("the payload of {event} has no items, or more than {LINES_MAX}")));
        }
        if items.iter().any(|item| item.order_item_id.is_none() && item.inventory_item_id.is_none()) {
            return Err(invalid(format!("the payload of {event} names no item")));
        }
        let items = items.into_iter().map(|item| item.fact(status)).collect();
        Ok(Self { order_id: wire.order_id, items, status, at })
    }
}

impl ItemWire {
    fn fact(self, status: AllocationStatus) -> ItemFact {
        ItemFact {
            order_item_id: self.order_item_id,
            inventory_item_id: self.inventory_item_id,
            allocation: Allocation {
                status,
                allocation_id: self.allocation_id,
                warehouse_id: self.warehouse_id,
                quantity: self.quantity,
                expires_at: self.expires_at,
            },
        }
    }
}

/// What is known of the stock of one item. The service keeps one for each item of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemState {
    /// The newest.
    pub latest: Latest<Allocation>,
    /// The newest time that stock was missing, also where something newer is known: whether there is a review depends on it,
    /// and so not on the order in which facts come.
    pub shortage: Option<Latest<AllocationStatus>>,
}

impl ItemState {
    /// Of an item of a new order. `Optimistic` where Inventory should have been asked and was not.
    pub fn new(status: AllocationStatus) -> Self {
        let allocation =
            Allocation { status, allocation_id: None, warehouse_id: None, quantity: None, expires_at: None };
        Self { latest: Latest::new(None, status.rank(), allocation), shortage: None }
    }

    /// Keeps the newer of what is known and what is told.
    pub fn hear(&mut self, at: Option<Timestamp>, allocation: Allocation) -> Heard {
        let status = allocation.status;
        if status.is_shortage() {
            Latest::hear_first(&mut self.shortage, Latest::new(at, status.rank(), status));
        }
        self.latest.hear(Latest::new(at, status.rank(), allocation))
    }

    /// The status now: a pending allocation that was not confirmed in time has expired, and no event says so.
    pub fn status(&self, now: Timestamp) -> AllocationStatus {
        let Allocation { status, expires_at, .. } = &self.latest.value;
        let is_over = expires_at.is_some_and(|expires_at| expires_at < now);
        if *status == AllocationStatus::Pending && is_over { AllocationStatus::Expired } else { *status }
    }

    /// The review that it asks for: where stock was missing of an order that is paid and still to be sent.
    pub fn review(&self, order: &Order, order_item_id: &OrderItemId) -> Option<Review> {
        let shortage = self.shortage.as_ref().filter(|_| is_to_be_sent(order))?;
        let message = format!("Stock of item {order_item_id} is {}", shortage.value);
        Some(Review { reason: ReviewReason::Allocation, subject: order_item_id.to_string(), message })
    }
}

/// Paid, or nothing to pay, and not all of it has left, nor is it cancelled or refunded.
fn is_to_be_sent(order: &Order) -> bool {
    match order.status() {
        Status::Confirmed | Status::Processing => true,
        Status::PendingPayment
        | Status::PaymentFailed
        | Status::Shipped
        | Status::Delivered
        | Status::ReturnInitiated
        | Status::ReturnApproved
        | Status::Cancelled
        | Status::RefundRequested
        | Status::RefundInitiated
        | Status::Refunded => false,
    }
}

/// The states to write, by item.
pub type ItemChanges = Vec<(OrderItemId, ItemState)>;

impl InventoryFact {
    /// The items of `order` that it is about.
    ///
    /// # Errors
    /// `ITEM_UNKNOWN` where one of them is none of the order.
    pub fn items_of(&self, order: &Order) -> Result<Vec<(OrderItemId, &Allocation)>, Dead> {
        let mut found = Vec::new();
        for fact in &self.items {
            let is_meant = |line: &&Line| match (&fact.order_item_id, &line.item.inventory_item_id) {
                (Some(id), _) => line.item.order_item_id == *id,
                (None, stock) => stock.is_some() && *stock == fact.inventory_item_id,
            };
            let before = found.len();
            let lines = order.lines().iter().filter(is_meant);
            found.extend(lines.map(|line| (line.item.order_item_id.clone(), &fact.allocation)));
            if found.len() == before {
                return Err(Dead::new(DeadReason::ItemUnknown, "the order has no such item"));
            }
        }
        Ok(found)
    }

    /// What to do with it. `known` gives the state of an item, where the service has one. The order is only looked at: it need
    /// not be locked for this.
    pub fn reaction(&self, order: &Order, known: impl Fn(&OrderItemId) -> Option<ItemState>) -> Reaction<ItemChanges> {
        let items = match self.items_of(order) {
            Ok(items) => items,
            Err(dead) => return Reaction::Dead(dead),
        };
        let mut changes = ItemChanges::new();
        let mut is_known = true;
        for (id, allocation) in items {
            let before = known(&id);
            let mut state = before.clone().unwrap_or_else(|| ItemState::new(AllocationStatus::None));
            is_known &= state.hear(self.at, allocation.clone()) == Heard::Again;
            if before.as_ref() != Some(&state) {
                changes.push((id, state));
            }
        }
        if changes.is_empty() {
            return if is_known { Reaction::Known } else { Reaction::Stale };
        }
        let reviews: Vec<_> = changes.iter().filter_map(|(id, state)| state.review(order, id)).collect();
        if reviews.is_empty() {
            Reaction::Applied(changes)
        } else {
            Reaction::Review { reviews, change: Some(changes) }
        }
    }
}

/// The reviews that an order's items ask for. Raise them too when an order is paid: what was missing may have been told
/// before.
pub fn reviews<'a>(order: &Order, items: impl IntoIterator<Item = (&'a OrderItemId, &'a ItemState)>) -> Vec<Review> {
    items.into_iter().filter_map(|(id, state)| state.review(order, id)).collect()
}
