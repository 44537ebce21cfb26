//! Reserving the stock of a SYNCHRONOUS order before it is placed. Three ends: it is reserved; Inventory was surely not asked, so it is told by
//! the event as for any other order; or nobody knows, so it is not asked a second time and the comparison of both sides
//! (`jobs/reconcile.rs`) finds out.

use std::time::Duration;

use axum::http::StatusCode;
use order_domain::Order;
use order_domain::client::inventory::{AllocationRecord, AllocationRequest, InventoryClient};
use order_domain::client::{CallError, Refused, Scope};
use order_domain::inbound::inventory::{AllocationStatus, ItemState};
use order_domain::order::AllocationMode;
use order_domain::reconcile;
use order_domain::review::{Review, ReviewReason};
use order_domain::value::id::OrderItemId;
use order_domain::value::timestamp::Timestamp;
use serde_json::Value;

use crate::checkout::DATABASE_RESERVE;
use crate::problem::Problem;

/// How long Inventory keeps stock for an order that is not confirmed. An order that is never committed leaves nothing behind after it.
const KEPT_FOR: Duration = Duration::from_secs(30 * 60);

/// What reserving has come to.
pub struct Reservation {
    /// How the order is told to Inventory.
    pub mode: AllocationMode,
    /// What is known of the lines from now on.
    pub states: Vec<(OrderItemId, ItemState)>,
    /// Why a person should look.
    pub reviews: Vec<Review>,
    /// What was reserved, to be given back if the order is not placed.
    pub records: Vec<AllocationRecord>,
}

/// Inventory will not reserve this.
#[derive(Debug)]
pub struct Shortage(Box<Refused>);

impl From<Shortage> for Problem {
    fn from(Shortage(refused): Shortage) -> Self {
        let message = match refused.message.as_str() {
            "" => "Inventory will not reserve this",
            message => message,
        };
        let mut details = refused.details.clone();
        details.insert("inventoryCode".to_owned(), Value::String(refused.code.to_string()));
        Self::new(StatusCode::CONFLICT, "STOCK_REFUSED", message.to_owned(), Value::Object(details))
    }
}

/// Reserves the stock of `order`, which is not placed yet.
pub async fn reserve(inventory: &InventoryClient, order: &Order, scope: &Scope) -> Result<Reservation, Shortage> {
    let expires_at = Timestamp::new(Timestamp::now().time() + KEPT_FOR).ok();
    let (mut requests, mut reviews) = (Vec::new(), Vec::new());
    for line in order.lines() {
        let item = &line.item;
        match &item.inventory_item_id {
            Some(inventory_item_id) => requests.push(AllocationRequest {
                order_item_id: item.order_item_id.clone(),
                inventory_item_id: inventory_item_id.clone(),
                quantity: item.quantity.get(),
                warehouse_id: None,
                expires_at,
            }),
            None => reviews.push(without_stock_item(&item.order_item_id)),
        }
    }
    let optimistic = || {
        let ids = requests.iter().map(|request| request.order_item_id.clone());
        ids.map(|id| (id, ItemState::new(AllocationStatus::Optimistic))).collect::<Vec<_>>()
    };
    let mode = AllocationMode::Synchronous;
    if requests.is_empty() {
        return Ok(Reservation { mode, states: Vec::new(), reviews, records: Vec::new() });
    }
    let scope = scope.by(scope.deadline.less(DATABASE_RESERVE));
    match inventory.create_all(order.id(), &requests, &scope).await {
        Ok(records) => {
            let states = states(&records);
            Ok(Reservation { mode, states, reviews, records })
        }
        Err(CallError::Refused { refused, .. }) => Err(Shortage(refused)),
        Err(error) => {
            // A 404 or a 429 reserved nothing either.
            let is_unasked = matches!(error, CallError::NotFound { .. } | CallError::TryLater { .. });
            tracing::warn!(order_id = order.id().as_str(), is_unasked, cause = %error, "stock is taken to be there");
            let mode = if is_unasked { AllocationMode::Event } else { AllocationMode::Synchronous };
            Ok(Reservation { mode, states: optimistic(), reviews, records: Vec::new() })
        }
    }
}

/// Gives back what was reserved for an order that was not placed. What fails expires.
pub async fn give_back(inventory: &InventoryClient, records: &[AllocationRecord], scope: &Scope) {
    for record in records {
        if let Err(error) = inventory.cancel(&record.id, scope).await {
            tracing::warn!(allocation_id = record.id.as_str(), cause = %error, "stock is given back when it expires");
        }
    }
}

fn states(records: &[AllocationRecord]) -> Vec<(OrderItemId, ItemState)> {
    let state = |record: &AllocationRecord| {
        let mut state = ItemState::new(AllocationStatus::None);
        state.hear(record.updated_at, reconcile::allocation(record));
        (record.order_item_id.clone(), state)
    };
    records.iter().map(state).collect()
}

fn without_stock_item(id: &OrderItemId) -> Review {
    let message = format!("Item {id} has no stock item, so nothing is reserved for it");
    Review { reason: ReviewReason::Allocation, subject: id.to_string(), message }
}
