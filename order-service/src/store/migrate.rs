//! The service's own tables. Each step can be repeated, and all of them are one transaction under one lock: instances that
//! start at once wait for each other.

use tokio_postgres::types::Type;

use super::{Store, StoreError};

const PATIENCE: &str = include_str!("../../sql/migrate_patience.sql");
const LOCK: &str = include_str!("../../sql/migrate_lock.sql");
const STEPS: [&str; 21] = [
    include_str!("../../sql/migrations/0001_schema.sql"),
    include_str!("../../sql/migrations/0002_order_numbers.sql"),
    include_str!("../../sql/migrations/0003_orders.sql"),
    include_str!("../../sql/migrations/0004_orders_by_user.sql"),
    include_str!("../../sql/migrations/0005_notifications.sql"),
    include_str!("../../sql/migrations/0006_notifications_by_order.sql"),
    include_str!("../../sql/migrations/0007_notifications_by_key.sql"),
    include_str!("../../sql/migrations/0008_dead_letters.sql"),
    include_str!("../../sql/migrations/0009_dead_letters_open.sql"),
    include_str!("../../sql/migrations/0010_notification_states.sql"),
    include_str!("../../sql/migrations/0011_notification_states_by_order.sql"),
    include_str!("../../sql/migrations/0012_allocations.sql"),
    include_str!("../../sql/migrations/0013_reviews.sql"),
    include_str!("../../sql/migrations/0014_product_ids.sql"),
    include_str!("../../sql/migrations/0015_open_orders_by_product.sql"),
    include_str!("../../sql/migrations/0016_products.sql"),
    include_str!("../../sql/migrations/0017_jobs.sql"),
    include_str!("../../sql/migrations/0018_unverified_reviews.sql"),
    include_str!("../../sql/migrations/0019_orders_with_stock.sql"),
    include_str!("../../sql/migrations/0020_replies.sql"),
    order_domain::inbox::TABLE,
];
const OUTBOX_EXISTS: &str = include_str!("../../sql/outbox_exists.sql");
const PING: &str = include_str!("../../sql/ping.sql");

impl Store {
    /// Creates what is missing.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        transaction.query_typed(PATIENCE, &[]).await?;
        transaction.query_typed(LOCK, &[]).await?;
        for step in STEPS {
            transaction.batch_execute(step).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Whether the relay's tables are there.
    pub async fn has_outbox(&self, schema: &str) -> Result<bool, StoreError> {
        let rows = self.client().await?.query_typed(OUTBOX_EXISTS, &[(&schema, Type::TEXT)]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Fails where the database does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.client().await?.query_typed(PING, &[]).await?;
        Ok(())
    }
}
