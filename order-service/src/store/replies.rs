//! Requests to the Product Service whose answer somebody waits for. The answer comes to any replica, which says so in the transaction that
//! writes it; who waits looks for that, and nothing is left afterwards.

use deadpool_postgres::Transaction;
use order_domain::Event;
use order_domain::client::product::{Product, ProductSource};
use order_domain::value::id::{ProductId, RequestId};
use tokio_postgres::types::Type;

use super::{Parameter, Store, StoreError, one, parsed};

const ADD: &str = include_str!("../../sql/add_reply.sql");
const ANSWER: &str = include_str!("../../sql/answer_reply.sql");
const IS_ANSWERED: &str = include_str!("../../sql/is_answered.sql");
const REMOVE: &str = include_str!("../../sql/remove_reply.sql");
const PRODUCT: &str = include_str!("../../sql/read_product.sql");

impl Store {
    /// Puts a request into the outbox, and remembers for `seconds` that somebody waits for its answer.
    pub async fn request(&self, request_id: &RequestId, event: &Event, seconds: f64) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let parameters: [Parameter<'_>; 2] = [(&request_id.as_str(), Type::TEXT), (&seconds, Type::FLOAT8)];
        one(&transaction, ADD, &parameters).await?;
        self.append(transaction, std::slice::from_ref(event)).await
    }

    /// Whether the request was answered.
    pub async fn is_answered(&self, request_id: &RequestId) -> Result<bool, StoreError> {
        let rows = self.client().await?.query_typed(IS_ANSWERED, &[(&request_id.as_str(), Type::TEXT)]).await?;
        rows.first().map_or(Ok(false), |row| row.try_get(0).map_err(StoreError::from))
    }

    /// Nobody waits any more.
    pub async fn forget_request(&self, request_id: &RequestId) -> Result<(), StoreError> {
        self.client().await?.query_typed(REMOVE, &[(&request_id.as_str(), Type::TEXT)]).await?;
        Ok(())
    }

    /// What the Product Service has told of a product, if anything.
    pub async fn product(&self, id: &ProductId) -> Result<Option<Product>, StoreError> {
        let rows = self.client().await?.query_typed(PRODUCT, &[(&id.as_str(), Type::TEXT)]).await?;
        let state = rows.first().map(|row| parsed(row, 0)).transpose()?;
        Ok(state.map(|state| Product::known(id, &state, ProductSource::Service)))
    }
}

/// Says that a request was answered.
pub async fn answered(transaction: &Transaction<'_>, request_id: &RequestId) -> Result<(), StoreError> {
    one(transaction, ANSWER, &[(&request_id.as_str(), Type::TEXT)]).await?;
    Ok(())
}
