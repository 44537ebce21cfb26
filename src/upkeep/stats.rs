//! The gauges about the whole database, computed by one replica. Called by `upkeep`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_postgres::types::Type;

use super::{Upkeep, strangers};
use crate::ops::metrics::BacklogNow;
use crate::outbox::store::StoreError;
use crate::postgres::call;

/// Counts stop here, so that a gauge does not cost a scan of millions.
const COUNT_MAX: i64 = 100_000;

/// Computes and exports the gauges.
pub(super) async fn run(upkeep: &Upkeep) -> Result<(), StoreError> {
    let batch = upkeep.store.begin_upkeep_as_claim().await?;
    let params: [call::Param<'_>; 1] = [(&COUNT_MAX, Type::INT8)];
    strangers::look(upkeep, &batch).await?;
    let row = call::one(batch.client(), "counting the backlog", &upkeep.store.queries().count_backlog, &params).await?;
    batch.commit().await?;
    let age: f64 = row.get("oldest_pending_age_seconds");
    let now = BacklogNow {
        pending: row.get("pending"),
        oldest_pending_age: Duration::try_from_secs_f64(age.max(0.0)).unwrap_or(Duration::ZERO),
        blocked_keys: row.get("blocked_keys"),
        no_route_keys: row.get("no_route_keys"),
        dead_letters: row.get("dead_letters"),
    };
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    upkeep.metrics.backlog(&now, unix);
    Ok(())
}
