//! Retention: deletes old published events in small chunks. No timer deletes dead letters. Called
//! by `upkeep`.

use tokio_postgres::types::Type;

use super::{Ran, Upkeep};
use crate::crash;
use crate::outbox::store::StoreError;
use crate::postgres::call;

const CHUNK: i64 = 2_000;
/// The most chunks in one turn, so that the other jobs get theirs. The next turn follows soon.
const CHUNKS_MAX: usize = 10;

/// Deletes events past retention. `after` is where the last turn stopped with more to do: until
/// vacuum has removed the deleted rows, starting from the oldest would read all of them again.
pub(super) async fn run(upkeep: &Upkeep, mut after: Option<String>) -> Result<Ran, StoreError> {
    let Some(retention) = upkeep.retention else { return Ok(Ran::Done) };
    let seconds = i64::try_from(retention.as_secs()).unwrap_or(i64::MAX);
    for _ in 0..CHUNKS_MAX {
        let batch = upkeep.store.begin_upkeep_as_claim().await?;
        let params: [call::Param<'_>; 3] = [(&seconds, Type::INT8), (&CHUNK, Type::INT8), (&after, Type::TEXT)];
        let sql = &upkeep.store.queries().purge_published;
        let row = call::one(batch.client(), "deleting published events", sql, &params).await?;
        let (found, deleted): (i64, i64) = (row.get("found"), row.get("deleted"));
        if deleted > 0 {
            crash::point(crash::Point::InRetention);
        }
        batch.commit().await?;
        if found < CHUNK {
            return Ok(Ran::Done);
        }
        after = row.get("up_to");
    }
    Ok(Ran::More { after })
}
