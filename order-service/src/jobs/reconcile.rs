//! Compares the stock of orders with Inventory, every 15 minutes, and takes the steps that bring both sides together
//! (`order_domain::reconcile`). Where Inventory is away, the job goes on later from where it was.

use std::time::Duration;

use order_domain::Order;
use order_domain::client::inventory::{AllocationRecord, InventoryClient};
use order_domain::client::{CallError, Deadline, Scope};
use order_domain::inbound::inventory::{AllocationStatus, ItemState};
use order_domain::reconcile::{Step, allocation, steps};
use order_domain::value::id::OrderItemId;
use order_domain::value::timestamp::Timestamp;

use crate::app::App;
use crate::store::jobs::{claim, finish};
use crate::store::{Job, StoreError, Turn};

/// Orders of one turn.
const CHUNK: i64 = 20;
/// Of a turn, for all calls.
const CALLS: Duration = Duration::from_secs(15);
/// Before the next turn where there are more orders, or where Inventory was away.
const PAUSE_SECONDS: f64 = 1.0;
const AWAY_SECONDS: f64 = 30.0;

/// What a comparison has written down.
type Found = Vec<(OrderItemId, ItemState)>;

/// Compares the next orders, where it is time.
pub async fn turn(app: &App, interval_seconds: f64) -> Result<(), StoreError> {
    let Some(inventory) = &app.neighbours.inventory else { return Ok(()) };
    let mut client = app.store.connection().await?;
    let transaction = client.transaction().await?;
    let Some(after) = claim(&transaction, Job::Reconcile).await? else { return Ok(()) };
    let orders = app.store.orders_with_stock(&transaction, &after, CHUNK).await?;
    let scope = Scope::until(Deadline::after(CALLS));
    let mut done = after;
    for order in &orders {
        let ours = app.store.stock_of(&transaction, order).await?;
        let scope = scope.clone().or_correlated(order.id().as_str());
        let compared = async {
            let theirs = inventory.by_order(order.id(), &scope).await?;
            let steps = steps(Some(order), &ours, &theirs, Timestamp::now());
            take(inventory, order, &steps, &scope).await
        };
        match compared.await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => app.store.adopt(order, &found).await?,
            Err(error) => {
                tracing::warn!(order_id = order.id().as_str(), cause = %error, "the stock of an order is compared later");
                if !error.is_answer() {
                    let seconds = AWAY_SECONDS.min(interval_seconds);
                    return finish(transaction, Job::Reconcile, &Turn::on(seconds, done)).await;
                }
            }
        }
        done = order.id().as_str().to_owned();
    }
    let is_whole = orders.len() as i64 == CHUNK;
    let turn = if is_whole { Turn::on(PAUSE_SECONDS, done) } else { Turn::done(interval_seconds) };
    finish(transaction, Job::Reconcile, &turn).await
}

/// Takes the steps, and says what is to be written down. What Inventory refuses is missing stock.
async fn take(inventory: &InventoryClient, order: &Order, steps: &[Step], scope: &Scope) -> Result<Found, CallError> {
    let mut found = Found::new();
    for step in steps {
        let (order_id, name) = (order.id().as_str(), name(step));
        tracing::info!(order_id, step = name, "the stock of an order is reconciled");
        match step {
            Step::Create(new) => match inventory.create(order.id(), new, scope).await {
                Ok(record) => found.push(reserved(&record)),
                Err(CallError::Refused { .. }) => found.push(missing(&new.order_item_id)),
                Err(error) => return Err(error),
            },
            Step::Replace { old, new } => match inventory.create(order.id(), new, scope).await {
                Ok(record) => {
                    inventory.cancel(old, scope).await?;
                    found.push(reserved(&record));
                }
                Err(CallError::Refused { .. }) => found.push(missing(&new.order_item_id)),
                Err(error) => return Err(error),
            },
            Step::Cancel(id) => inventory.cancel(id, scope).await?,
            Step::Confirm(id) => inventory.confirm(id, scope).await?,
            Step::Adopt { order_item_id, state } => found.push((order_item_id.clone(), state.clone())),
        }
    }
    Ok(found)
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Create(_) => "create",
        Step::Replace { .. } => "replace",
        Step::Cancel(_) => "cancel",
        Step::Confirm(_) => "confirm",
        Step::Adopt { .. } => "adopt",
    }
}

fn reserved(record: &AllocationRecord) -> (OrderItemId, ItemState) {
    let mut state = ItemState::new(AllocationStatus::None);
    state.hear(record.updated_at, allocation(record));
    (record.order_item_id.clone(), state)
}

fn missing(order_item_id: &OrderItemId) -> (OrderItemId, ItemState) {
    let mut state = ItemState::new(AllocationStatus::None);
    let allocation = ItemState::new(AllocationStatus::Backorder).latest.value;
    state.hear(Some(Timestamp::now()), allocation);
    (order_item_id.clone(), state)
}
