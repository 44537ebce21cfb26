//! What the Product Service tells: kept for the checks of prices and stock, and open orders with a product that is not sold any more
//! are flagged by one statement, which locks no order.

use deadpool_postgres::Transaction;
use order_domain::inbound::Outcome;
use order_domain::inbound::product::{ProductFact, ProductNews, ProductState, discontinued_review};
use order_domain::value::id::ProductId;
use order_domain::value::timestamp::Timestamp;
use tokio_postgres::types::Type;

use super::{Parameter, StoreError, json, one, parsed, replies};

const LOCK: &str = include_str!("../../sql/lock_facts.sql");
const READ: &str = include_str!("../../sql/read_product.sql");
const WRITE: &str = include_str!("../../sql/write_product.sql");
const FLAG: &str = include_str!("../../sql/flag_discontinued.sql");

/// Writes what the Product Service tells. The products come in the order of their ids: two facts of several products cannot wait
/// for each other.
pub async fn hear(transaction: &Transaction<'_>, fact: &ProductFact) -> Result<Outcome, StoreError> {
    let mut news: Vec<&ProductNews> = fact.products.iter().collect();
    news.sort_by(|left, right| left.product_id.as_str().cmp(right.product_id.as_str()));
    let mut outcome = Outcome::Known;
    for news in news {
        let heard = keep(transaction, fact.at, news).await?;
        outcome = match (outcome, heard) {
            (Outcome::Applied, _) | (_, Outcome::Applied) => Outcome::Applied,
            (Outcome::Stale, _) | (_, Outcome::Stale) => Outcome::Stale,
            (other, _) => other,
        };
    }
    if let Some(request_id) = &fact.request_id {
        replies::answered(transaction, request_id).await?;
    }
    for product_id in fact.discontinued() {
        if flag(transaction, product_id).await? > 0 {
            outcome = Outcome::Applied;
        }
    }
    Ok(outcome)
}

async fn keep(transaction: &Transaction<'_>, at: Option<Timestamp>, news: &ProductNews) -> Result<Outcome, StoreError> {
    let id = news.product_id.as_str();
    transaction.query_typed(LOCK, &[(&id, Type::TEXT)]).await?;
    let row = one(transaction, READ, &[(&id, Type::TEXT)]).await?;
    let mut state: ProductState = row.as_ref().map(|row| parsed(row, 0)).transpose()?.unwrap_or_default();
    let reaction = state.hear(at, news);
    if reaction.change().is_some() {
        let body = json(&state)?;
        one(transaction, WRITE, &[(&id, Type::TEXT), (&body, Type::TEXT)]).await?;
    }
    Ok(reaction.outcome())
}

/// How many orders were flagged that were not before.
async fn flag(transaction: &Transaction<'_>, product_id: &ProductId) -> Result<i64, StoreError> {
    let review = discontinued_review(product_id);
    let parameters: [Parameter<'_>; 4] = [
        (&product_id.as_str(), Type::TEXT),
        (&review.reason.as_str(), Type::TEXT),
        (&review.subject, Type::TEXT),
        (&review.message, Type::TEXT),
    ];
    let row = one(transaction, FLAG, &parameters).await?;
    let flagged = row.ok_or_else(|| StoreError::Broken("a count has no row".into()))?.try_get(0)?;
    tracing::info!(
        product_id = product_id.as_str(),
        orders = flagged,
        "orders with a discontinued product are flagged"
    );
    Ok(flagged)
}
