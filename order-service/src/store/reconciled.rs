//! Our side of an order's stock, for the comparison with Inventory: which orders are compared, and what is written of the outcome.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use order_domain::Order;
use order_domain::inbound::inventory::{self, ItemState};
use order_domain::value::id::OrderItemId;
use tokio_postgres::types::Type;

use super::{Parameter, Store, StoreError, allocations, order, reviews};

const LIST: &str = include_str!("../../sql/list_with_stock.sql");

impl Store {
    /// Orders whose stock may still be kept, by their id, after `after`.
    pub async fn orders_with_stock(
        &self,
        transaction: &Transaction<'_>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Order>, StoreError> {
        let parameters: [Parameter<'_>; 2] = [(&after, Type::TEXT), (&limit, Type::INT8)];
        transaction.query_typed(LIST, &parameters).await?.iter().map(order).collect()
    }

    /// What is known of the lines of an order.
    pub async fn stock_of(
        &self,
        transaction: &Transaction<'_>,
        order: &Order,
    ) -> Result<BTreeMap<OrderItemId, ItemState>, StoreError> {
        allocations::of(transaction, order.id()).await
    }

    /// Writes what Inventory has answered, as a fact that may be older than what was told meanwhile. In a short transaction of its own:
    /// facts of the order wait for it.
    pub async fn adopt(&self, order: &Order, found: &[(OrderItemId, ItemState)]) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        allocations::lock(&transaction, order.id()).await?;
        let known = allocations::of(&transaction, order.id()).await?;
        let mut written = Vec::new();
        for (item, found) in found {
            let state = match known.get(item) {
                Some(known) => {
                    let mut state = known.clone();
                    state.hear(found.latest.at, found.latest.value.clone());
                    state
                }
                None => found.clone(),
            };
            if known.get(item) != Some(&state) {
                allocations::write(&transaction, order.id(), item, &state).await?;
                written.push((item, state));
            }
        }
        let raised = inventory::reviews(order, written.iter().map(|(item, state)| (*item, state)));
        reviews::raise(&transaction, order.id(), &raised).await?;
        transaction.commit().await.map_err(StoreError::at_commit)
    }
}
