//! Retention: deletes published events after their time, in small chunks. Dead letters are never deleted by a timer. Called by `upkeep`.

use tokio_postgres::types::Type;

use super::Upkeep;
use crate::crash;
use crate::link::call;
use crate::relay::store::StoreError;

const CHUNK: i64 = 2_000;
/// Chunks in one run; the next run goes on.
const CHUNKS_MAX: usize = 50;

/// Deletes what is past its time.
pub(super) async fn run(upkeep: &Upkeep) -> Result<(), StoreError> {
    let Some(retention) = upkeep.retention else { return Ok(()) };
    let seconds = i64::try_from(retention.as_secs()).unwrap_or(i64::MAX);
    for _ in 0..CHUNKS_MAX {
        let batch = upkeep.store.begin_upkeep().await?;
        let params: [call::Param<'_>; 2] = [(&seconds, Type::INT8), (&CHUNK, Type::INT8)];
        let sql = &upkeep.store.queries().purge_published;
        let deleted = call::execute(batch.client(), "deleting published events", sql, &params).await?;
        if deleted > 0 {
            crash::point(crash::Point::InRetention);
        }
        batch.commit().await?;
        if deleted < u64::try_from(CHUNK).unwrap_or(0) {
            return Ok(());
        }
    }
    Ok(())
}
