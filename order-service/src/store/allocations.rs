//! What Inventory has done for the lines of an order: a table beside the order. Facts of one order come one after the other by a
//! lock of their own, so that they neither lock nor rewrite the order.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use order_domain::inbound::inventory::{InventoryFact, ItemState};
use order_domain::inbound::{Dead, DeadReason, Outcome};
use order_domain::value::id::{OrderId, OrderItemId};
use tokio_postgres::types::Type;

use super::{Parameter, StoreError, json, one, order, parsed, reviews};

const LOCK: &str = include_str!("../../sql/lock_facts.sql");
const READ_ORDER: &str = include_str!("../../sql/read_order.sql");
const LIST: &str = include_str!("../../sql/list_allocations.sql");
const WRITE: &str = include_str!("../../sql/write_allocation.sql");

/// Has facts of the order wait until the transaction ends.
pub async fn lock(transaction: &Transaction<'_>, order_id: &OrderId) -> Result<(), StoreError> {
    transaction.query_typed(LOCK, &[(&order_id.as_str(), Type::TEXT)]).await?;
    Ok(())
}

/// What is known of the lines of an order.
pub async fn of(
    transaction: &Transaction<'_>,
    order_id: &OrderId,
) -> Result<BTreeMap<OrderItemId, ItemState>, StoreError> {
    let rows = transaction.query_typed(LIST, &[(&order_id.as_str(), Type::TEXT)]).await?;
    let state = |row: &tokio_postgres::Row| {
        let id: String = row.try_get(0)?;
        Ok((OrderItemId::new(id).map_err(|e| StoreError::Broken(e.into()))?, parsed(row, 1)?))
    };
    rows.iter().map(state).collect()
}

/// Writes what Inventory tells.
pub async fn hear(transaction: &Transaction<'_>, fact: &InventoryFact) -> Result<Outcome, StoreError> {
    lock(transaction, &fact.order_id).await?;
    let Some(row) = one(transaction, READ_ORDER, &[(&fact.order_id.as_str(), Type::TEXT)]).await? else {
        return Ok(Outcome::Dead(Dead::new(DeadReason::OrderUnknown, "there is no such order")));
    };
    let order = order(&row)?;
    let known = of(transaction, &fact.order_id).await?;
    let reaction = fact.reaction(&order, |item| known.get(item).cloned());
    for (item, state) in reaction.change().into_iter().flatten() {
        write(transaction, &fact.order_id, item, state).await?;
    }
    reviews::raise(transaction, &fact.order_id, reaction.reviews()).await?;
    Ok(reaction.outcome())
}

/// Writes what is known of a line.
pub async fn write(
    transaction: &Transaction<'_>,
    order_id: &OrderId,
    item: &OrderItemId,
    state: &ItemState,
) -> Result<(), StoreError> {
    let body = json(state)?;
    let parameters: [Parameter<'_>; 4] = [
        (&order_id.as_str(), Type::TEXT),
        (&item.as_str(), Type::TEXT),
        (&state.latest.value.status.as_str(), Type::TEXT),
        (&body, Type::TEXT),
    ];
    one(transaction, WRITE, &parameters).await?;
    Ok(())
}
