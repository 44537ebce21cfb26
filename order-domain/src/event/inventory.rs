//! What Inventory is told of an order's beginning and its end: what its handlers read (seed 001), and neither the customer nor
//! what anything costs. The other events that it hears, `order.confirmed` and `order.return_initiated`, are for it alone.

use serde::{Deserialize, Serialize};

use super::parts::OrderPart;
use crate::order::{Order, Status};
use crate::value::id::{OrderId, UserId};
use crate::value::timestamp::Timestamp;

/// An order was placed: Inventory allocates its items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCreatedForInventoryEvent {
    /// The order.
    pub order_id: OrderId,
    /// The customer's account.
    pub user_id: UserId,
    /// The order's status.
    pub status: Status,
    /// Whether Inventory shall allocate on this event. False where the order service has reserved by itself.
    pub requires_pre_allocation: bool,
    /// Every line.
    pub items: Vec<OrderPart>,
}

/// The order was cancelled: Inventory releases what it has allocated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelledForInventoryEvent {
    /// The order.
    pub order_id: OrderId,
    /// The customer's account.
    pub user_id: UserId,
    /// The order's status.
    pub status: Status,
    /// Every line.
    pub items: Vec<OrderPart>,
    /// When it was cancelled.
    pub cancelled_at: Timestamp,
}

impl OrderCreatedForInventoryEvent {
    pub(crate) fn new(order: &Order, requires_pre_allocation: bool) -> Self {
        Self {
            order_id: order.id().clone(),
            user_id: order.customer().id.clone(),
            status: order.status(),
            requires_pre_allocation,
            items: OrderPart::whole(order),
        }
    }
}

impl OrderCancelledForInventoryEvent {
    pub(crate) fn new(order: &Order, cancelled_at: Timestamp) -> Self {
        Self {
            order_id: order.id().clone(),
            user_id: order.customer().id.clone(),
            status: order.status(),
            items: OrderPart::whole(order),
            cancelled_at,
        }
    }
}
