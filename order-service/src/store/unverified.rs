//! Orders that were placed without a check of their prices or their customer, for the job that looks again.

use deadpool_postgres::Transaction;
use order_domain::Order;
use order_domain::review::{Review, ReviewReason};
use tokio_postgres::types::Type;

use super::{Parameter, Store, StoreError, one, reviews};

const LIST: &str = include_str!("../../sql/list_unverified.sql");
const CLEAR: &str = include_str!("../../sql/clear_review.sql");

/// An order that was placed without a check.
pub struct Unverified {
    pub review_id: i64,
    pub reason: ReviewReason,
    pub order: Order,
}

impl Store {
    /// Orders with one of these reasons, by the number of their review, after `after`.
    pub async fn unverified(
        &self,
        transaction: &Transaction<'_>,
        reasons: &[ReviewReason],
        after: i64,
        limit: i64,
    ) -> Result<Vec<Unverified>, StoreError> {
        let names: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
        let parameters: [Parameter<'_>; 3] = [(&names, Type::TEXT_ARRAY), (&after, Type::INT8), (&limit, Type::INT8)];
        let rows = transaction.query_typed(LIST, &parameters).await?;
        let unverified = |row: &tokio_postgres::Row| {
            let name: String = row.try_get(1)?;
            let reason = reasons.iter().copied().find(|reason| reason.as_str() == name);
            let reason = reason.ok_or_else(|| StoreError::Broken("a reason that was not asked for".into()))?;
            let body: String = row.try_get(2)?;
            let order = serde_json::from_str(&body).map_err(|e| StoreError::Broken(e.into()))?;
            Ok(Unverified { review_id: row.try_get(0)?, reason, order })
        };
        rows.iter().map(unverified).collect()
    }

    /// Takes the review back, and raises what was found instead.
    pub async fn verified(
        &self,
        transaction: &Transaction<'_>,
        unverified: &Unverified,
        found: &[Review],
    ) -> Result<(), StoreError> {
        reviews::raise(transaction, unverified.order.id(), found).await?;
        if one(transaction, CLEAR, &[(&unverified.review_id, Type::INT8)]).await?.is_some() {
            let (order_id, reason) = (unverified.order.id().as_str(), unverified.reason.as_str());
            tracing::info!(order_id, reason, "a review is cleared");
        }
        Ok(())
    }
}
