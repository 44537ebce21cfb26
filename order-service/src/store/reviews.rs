//! Why a person should look at an order. Raised in the transaction of what has caused it, each once for its reason and subject.

use deadpool_postgres::Transaction;
use order_domain::Order;
use order_domain::inbound::inventory;
use order_domain::review::Review;
use order_domain::value::id::OrderId;
use tokio_postgres::types::Type;

use super::{Parameter, StoreError, allocations, one};

const INSERT: &str = include_str!("../../sql/insert_review.sql");

/// Raises reviews of an order.
pub async fn raise(transaction: &Transaction<'_>, order_id: &OrderId, reviews: &[Review]) -> Result<(), StoreError> {
    for review in reviews {
        let parameters: [Parameter<'_>; 4] = [
            (&order_id.as_str(), Type::TEXT),
            (&review.reason.as_str(), Type::TEXT),
            (&review.subject, Type::TEXT),
            (&review.message, Type::TEXT),
        ];
        one(transaction, INSERT, &parameters).await?;
        let (order_id, reason) = (order_id.as_str(), review.reason.as_str());
        tracing::warn!(order_id, reason, "an order is flagged for review");
    }
    Ok(())
}

/// Raises what Inventory has told of missing stock before the order was paid. Called when `after` is written, with the order as it
/// was before.
pub async fn raise_shortages(transaction: &Transaction<'_>, before: &Order, after: &Order) -> Result<(), StoreError> {
    if before.is_paid() || !after.is_paid() {
        return Ok(());
    }
    // Inventory's facts of the order wait from here on, and then see that it is paid.
    allocations::lock(transaction, after.id()).await?;
    let states = allocations::of(transaction, after.id()).await?;
    raise(transaction, after.id(), &inventory::reviews(after, &states)).await
}
