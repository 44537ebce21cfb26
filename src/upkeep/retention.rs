//! Retention: deletes published events after their time, in small chunks. Dead letters are never deleted by a timer. Called by `upkeep`.

use tokio_postgres::types::Type;

use super::{Ran, Upkeep};
use crate::crash;
use crate::link::call;
use crate::relay::store::StoreError;

const CHUNK: i64 = 2_000;
/// Chunks in one run, so that the other jobs get their turn; the next run follows soon.
const CHUNKS_MAX: usize = 10;

/// Deletes what is past its time.
pub(super) async fn run(upkeep: &Upkeep) -> Result<Ran, StoreError> {
    let Some(retention) = upkeep.retention else { return Ok(Ran::Done) };
    let seconds = i64::try_from(retention.as_secs()).unwrap_or(i64::MAX);
    let mut up_to: Option<String> = None;
    for _ in 0..CHUNKS_MAX {
        let batch = upkeep.store.begin_upkeep().await?;
        let params: [call::Param<'_>; 3] = [(&seconds, Type::INT8), (&CHUNK, Type::INT8), (&up_to, Type::TEXT)];
        let sql = &upkeep.store.queries().purge_published;
        let row = call::one(batch.client(), "deleting published events", sql, &params).await?;
        let deleted: i64 = row.get("deleted");
        if deleted > 0 {
            crash::point(crash::Point::InRetention);
        }
        batch.commit().await?;
        if deleted < CHUNK {
            return Ok(Ran::Done);
        }
        up_to = row.get("up_to");
    }
    Ok(Ran::More)
}
