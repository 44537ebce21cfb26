//! Moving an order: the same four steps for every command.

use deadpool_postgres::Transaction;
use order_domain::order::Decision;
use order_domain::value::id::OrderId;
use order_domain::{Order, Refusal};
use tokio_postgres::types::Type;

use super::{Parameter, Store, StoreError, not_found, one, order, reviews};

const LOCK: &str = include_str!("../../sql/lock_order.sql");
const UPDATE: &str = include_str!("../../sql/update_order.sql");

impl Store {
    /// Locks the order, lets `decide` say what becomes of it, writes that, and appends its events. What is refused leaves
    /// nothing behind: the transaction is rolled back.
    pub async fn change(
        &self,
        id: &OrderId,
        decide: impl FnOnce(&Order) -> Result<Decision, Refusal>,
    ) -> Result<Decision, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let before = lock(&transaction, id).await?;
        let decision = decide(&before)?;
        write(&transaction, &decision.order).await?;
        reviews::raise_shortages(&transaction, &before, &decision.order).await?;
        self.finish(transaction, &decision.events).await?;
        Ok(decision)
    }
}

/// The order, locked until the transaction ends.
pub async fn lock(transaction: &Transaction<'_>, id: &OrderId) -> Result<Order, StoreError> {
    let locked = one(transaction, LOCK, &[(&id.as_str(), Type::TEXT)]).await?;
    order(&locked.ok_or_else(|| not_found(id))?)
}

/// Writes a locked order back.
pub async fn write(transaction: &Transaction<'_>, order: &Order) -> Result<(), StoreError> {
    let body = serde_json::to_string(order).map_err(|e| StoreError::Broken(e.into()))?;
    let version = i64::try_from(order.version()).map_err(|e| StoreError::Broken(e.into()))?;
    let (id, status) = (order.id().as_str(), order.status().as_str());
    let parameters: [Parameter<'_>; 4] =
        [(&id, Type::TEXT), (&status, Type::TEXT), (&version, Type::INT8), (&body, Type::TEXT)];
    let written = one(transaction, UPDATE, &parameters).await?;
    written.map(|_| ()).ok_or_else(|| StoreError::Broken("a locked order has changed".into()))
}
