//! Reading orders. Nothing here locks: what is read is what was last committed.

use order_domain::value::id::UserId;
use tokio_postgres::types::Type;

use super::{Parameter, Store, StoreError};

const LIST: &str = include_str!("../../sql/list_orders.sql");
const STATISTICS: &str = include_str!("../../sql/statistics.sql");

/// Which orders of a list are wanted.
pub struct Page {
    /// None means everybody's.
    pub user_id: Option<UserId>,
    /// Only those with a smaller number.
    pub below: i64,
    pub limit: i64,
}

/// An order in a list.
pub struct Summary {
    pub id: String,
    pub number: i64,
    pub user_id: String,
    pub status: String,
    pub version: i64,
    pub currency: String,
    /// A decimal.
    pub total: String,
    pub item_count: i32,
    pub created_at: String,
}

/// How many orders have a status, or a currency; one of the two is there.
pub struct Statistic {
    pub status: Option<String>,
    pub currency: Option<String>,
    pub orders: i64,
    /// A decimal.
    pub total: String,
}

impl Store {
    /// Orders, newest first.
    pub async fn list(&self, page: &Page) -> Result<Vec<Summary>, StoreError> {
        let user_id = page.user_id.as_ref().map(UserId::as_str);
        let parameters: [Parameter<'_>; 3] =
            [(&user_id, Type::TEXT), (&page.below, Type::INT8), (&page.limit, Type::INT8)];
        let rows = self.client().await?.query_typed(LIST, &parameters).await?;
        let summary = |row: &tokio_postgres::Row| {
            Ok(Summary {
                id: row.try_get(0)?,
                number: row.try_get(1)?,
                user_id: row.try_get(2)?,
                status: row.try_get(3)?,
                version: row.try_get(4)?,
                currency: row.try_get(5)?,
                total: row.try_get(6)?,
                item_count: row.try_get(7)?,
                created_at: row.try_get(8)?,
            })
        };
        rows.iter().map(summary).collect()
    }

    /// Counts and sums of all orders.
    pub async fn statistics(&self) -> Result<Vec<Statistic>, StoreError> {
        let rows = self.client().await?.query_typed(STATISTICS, &[]).await?;
        let statistic = |row: &tokio_postgres::Row| {
            let (status, currency) = (row.try_get(0)?, row.try_get(1)?);
            Ok(Statistic { status, currency, orders: row.try_get(2)?, total: row.try_get(3)? })
        };
        rows.iter().map(statistic).collect()
    }
}
