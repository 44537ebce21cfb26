//! Ends the waits of events that no route named, once this relay's routes name their type. Called by `upkeep`, on every replica: each
//! knows its own routes, and during a rollout an older one may put such an event back.

use tokio_postgres::types::Type;

use super::Upkeep;
use crate::outbox::hints::Cause;
use crate::outbox::store::StoreError;
use crate::postgres::call;

/// Waits that one statement makes due.
const CHUNK: u64 = 1_000;

/// Makes them due, a chunk in each transaction. Where there are none it is one look into a small index.
pub(super) async fn lift(upkeep: &Upkeep) -> Result<(), StoreError> {
    let types: Option<Vec<&str>> = upkeep.routes.types();
    let chunk = i64::try_from(CHUNK).unwrap_or(i64::MAX);
    let mut keys = 0;
    loop {
        let _turn = upkeep.store.database().turn().await;
        let batch = upkeep.store.begin_upkeep().await?;
        let params: [call::Param<'_>; 2] = [(&types, Type::TEXT_ARRAY), (&chunk, Type::INT8)];
        let sql = &upkeep.store.queries().lift_no_route_waits;
        let lifted = call::execute(batch.client(), "lifting waits for a route", sql, &params).await?;
        batch.commit().await?;
        keys += lifted;
        if lifted < CHUNK {
            break;
        }
    }
    if keys > 0 {
        tracing::info!(keys, "these keys waited for a route; their type has one now");
        upkeep.hints.give(Cause::Poll);
    }
    Ok(())
}
