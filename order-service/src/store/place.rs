//! Placing an order once, however often it is asked for by one key.

use deadpool_postgres::Transaction;
use order_domain::inbound::inventory::ItemState;
use order_domain::order::Decision;
use order_domain::review::Review;
use order_domain::value::id::{OrderItemId, OrderNumber};
use order_domain::{Order, Refusal};
use tokio_postgres::types::Type;

use super::{Parameter, Store, StoreError, allocations, one, order, reviews};

const FIND: &str = include_str!("../../sql/find_by_key.sql");
const NEXT_NUMBER: &str = include_str!("../../sql/next_number.sql");
const INSERT: &str = include_str!("../../sql/insert_order.sql");

/// A request to place an order: what the client calls it, and what it sent.
pub struct NewRequest<'a> {
    pub key: &'a str,
    pub bytes: &'a [u8],
}

/// The order, and whether it was there before.
pub struct Placed {
    pub order: Order,
    pub replayed: bool,
}

/// The number of a new order.
pub struct Numbered {
    number: i64,
    pub name: OrderNumber,
}

/// What is written beside a new order: what is known of its stock, and why a person should look at it.
#[derive(Default)]
pub struct Beside {
    pub states: Vec<(OrderItemId, ItemState)>,
    pub reviews: Vec<Review>,
}

impl Store {
    /// The order that `request` has placed before, if any.
    pub async fn placed_before(&self, request: &NewRequest<'_>) -> Result<Option<Order>, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        find(&transaction, request).await
    }

    /// A number that no other order gets. One that is not used is missing.
    pub async fn next_number(&self) -> Result<Numbered, StoreError> {
        let rows = self.client().await?.query_typed(NEXT_NUMBER, &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Broken("a sequence has no next number".into()))?;
        let number = row.try_get(0)?;
        let name = OrderNumber::new(format!("ORD-{number:08}")).map_err(Refusal::from)?;
        Ok(Numbered { number, name })
    }

    /// Places what was decided with what stands beside it, or answers with the order that `request` has placed before. The order's row
    /// is the lock: another transaction with the same key waits for it, and then finds the order.
    pub async fn place(
        &self,
        request: &NewRequest<'_>,
        numbered: &Numbered,
        decision: Decision,
        beside: &Beside,
    ) -> Result<Placed, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let Decision { order, events } = decision;
        if insert(&transaction, request, numbered.number, &order).await? {
            reviews::raise(&transaction, order.id(), &beside.reviews).await?;
            for (item, state) in &beside.states {
                allocations::write(&transaction, order.id(), item, state).await?;
            }
            self.finish(transaction, &events).await?;
            return Ok(Placed { order, replayed: false });
        }
        let order = find(&transaction, request).await?;
        let gone = || StoreError::Broken("a key that was taken has no order".into());
        Ok(Placed { order: order.ok_or_else(gone)?, replayed: true })
    }
}

async fn find(transaction: &Transaction<'_>, request: &NewRequest<'_>) -> Result<Option<Order>, StoreError> {
    let found = one(transaction, FIND, &[(&request.key, Type::TEXT), (&request.bytes, Type::BYTEA)]).await?;
    let Some(row) = found else { return Ok(None) };
    if !row.try_get::<_, bool>(1)? {
        return Err(StoreError::KeyReused(request.key.to_owned()));
    }
    Ok(Some(order(&row)?))
}

/// False where the key has an order already.
async fn insert(
    transaction: &Transaction<'_>,
    request: &NewRequest<'_>,
    number: i64,
    order: &Order,
) -> Result<bool, StoreError> {
    let body = serde_json::to_string(order).map_err(|e| StoreError::Broken(e.into()))?;
    let version = i64::try_from(order.version()).map_err(|e| StoreError::Broken(e.into()))?;
    let lines = i32::try_from(order.lines().len()).map_err(|e| StoreError::Broken(e.into()))?;
    let (total, created_at) = (order.totals().total.to_string(), order.created_at().to_string());
    let (id, user_id) = (order.id().as_str(), order.customer().id.as_str());
    let (status, currency) = (order.status().as_str(), order.currency().as_str());
    let parameters: [Parameter<'_>; 12] = [
        (&id, Type::TEXT),
        (&number, Type::INT8),
        (&request.key, Type::TEXT),
        (&request.bytes, Type::BYTEA),
        (&user_id, Type::TEXT),
        (&status, Type::TEXT),
        (&version, Type::INT8),
        (&currency, Type::TEXT),
        (&total, Type::TEXT),
        (&lines, Type::INT4),
        (&created_at, Type::TEXT),
        (&body, Type::TEXT),
    ];
    Ok(one(transaction, INSERT, &parameters).await?.is_some())
}
