//! Marks late confirms: what was confirmed after its batch had committed. Called by the store. Takes no lane, because the event's key waits
//! meanwhile and nobody else sends it.

use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::crash;
use crate::outbox::store::{ConfirmedCopy, StoreError};
use crate::postgres::call;
use crate::postgres::store::PgStore;
use crate::postgres::unreadable;

impl PgStore {
    /// Marks confirmed copies in one transaction.
    pub(super) async fn mark_at_once(&self, confirmed: &[ConfirmedCopy]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = confirmed.iter().map(|copy| copy.event).collect();
        let replays: Vec<Option<Uuid>> = confirmed.iter().map(|copy| copy.replay_id).collect();
        let batch = self.begin().await?;
        let params = [(&ids as _, Type::UUID_ARRAY), (&replays as _, Type::UUID_ARRAY)];
        let sql = &self.queries.lock_confirmed;
        let locked = call::rows(batch.client(), "locking late confirms", sql, &params).await?;
        let locked: Vec<Uuid> = locked.iter().map(|row| row.get(0)).collect();
        batch.mark(&locked).await?;
        let params = [(&ids as _, Type::UUID_ARRAY)];
        call::execute(batch.client(), "ending waits of late confirms", &self.queries.wake_marked_waits, &params)
            .await?;
        crash::point(crash::Point::InLateMark);
        batch.commit().await?;
        crash::point(crash::Point::AfterLateMark);
        Ok(())
    }

    /// Has the key of an event wait that was confirmed and cannot be marked. It takes no lane, as the mark.
    pub(super) async fn park_unmarked(&self, event_id: Uuid, error: &StoreError) -> Result<(), StoreError> {
        let batch = self.begin().await?;
        let words = unreadable::cut(format!("it was sent and confirmed, but cannot be marked published: {error}"));
        let params: [call::Param<'_>; 2] = [(&event_id, Type::UUID), (&words, Type::TEXT)];
        call::execute(batch.client(), "parking a key", &self.queries.park_unreadable, &params).await?;
        batch.commit().await?;
        tracing::error!(%event_id, %error, "a confirmed event cannot be marked published; its key waits");
        Ok(())
    }
}
