//! Moves the floors: claims start there, so that published rows whose index entries an old snapshot keeps alive are not walked again
//! and again (design section 4: 240 ms and 429,000 buffers without it, 0.2 ms with it).
//!
//! Called by `upkeep`. An observation is a bound and the next transaction id at that moment; a floor moves up to the bound of an earlier
//! observation once every transaction that was running then has ended, and a grace time has passed. The SQL checks the former under the
//! lane's lock.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::Type;

use super::Upkeep;
use crate::link::call;
use crate::relay::store::StoreError;

/// A BEFORE trigger may wait between taking a seq and getting a transaction id; the sweep finds what waits longer.
const GRACE: Duration = Duration::from_secs(3);

/// What was observed, per lane.
#[derive(Debug, Default)]
pub struct Floors {
    observed: HashMap<i16, Observation>,
    /// The lanes as they were when every floor had caught up.
    caught_up: Option<Vec<(i16, i64, i64)>>,
}

#[derive(Debug)]
struct Observation {
    bound: i64,
    next_xid: String,
    at: Instant,
}

impl Floors {
    /// One pass over the lanes, unless nothing has happened since the floors caught up.
    pub async fn run(&mut self, upkeep: &Upkeep) -> Result<(), StoreError> {
        let lanes = read_lanes(upkeep).await?;
        if self.caught_up.as_ref() == Some(&lanes) {
            return Ok(());
        }
        let mut caught_up = true;
        for (lane, floor, _) in &lanes {
            caught_up &= self.move_floor(upkeep, *lane, *floor).await?;
        }
        self.caught_up = if caught_up { Some(read_lanes(upkeep).await?) } else { None };
        Ok(())
    }

    /// Moves one floor if it may, and observes again. Says whether the floor is where it can be.
    async fn move_floor(&mut self, upkeep: &Upkeep, lane: i16, floor: i64) -> Result<bool, StoreError> {
        let ripe = self.observed.get(&lane).filter(|seen| seen.at.elapsed() >= GRACE);
        let (bound, next_xid) = (ripe.map(|seen| seen.bound), ripe.map(|seen| seen.next_xid.clone()));
        let queries = upkeep.store.queries();
        let batch = upkeep.store.begin_upkeep().await?;
        let lock: [call::Param<'_>; 1] = [(&i32::from(lane), Type::INT4)];
        if let Err(error) = call::rows(batch.client(), "locking a lane", &queries.lock_lane, &lock).await {
            // A busy lane; the next pass comes soon.
            tracing::debug!(lane, %error, "floor");
            batch.abandon().await?;
            return Ok(false);
        }
        let params: [call::Param<'_>; 3] = [(&lane, Type::INT2), (&bound, Type::INT8), (&next_xid, Type::TEXT)];
        let row = call::one(batch.client(), "moving a floor", &queries.move_floors, &params).await?;
        batch.commit().await?;
        let (bound_now, xid_now): (i64, String) = (row.get(0), row.get(1));
        let (reached, moved): (Option<bool>, Option<i64>) = (row.get(2), row.get(3));
        let floor = moved.unwrap_or(floor);
        // An observation that is not ripe, or whose transactions still run, is kept, or it would never ripen.
        let keep = self.observed.contains_key(&lane) && (next_xid.is_none() || reached == Some(false));
        if !keep {
            self.observed.insert(lane, Observation { bound: bound_now, next_xid: xid_now, at: Instant::now() });
        }
        Ok(floor >= bound_now)
    }
}

async fn read_lanes(upkeep: &Upkeep) -> Result<Vec<(i16, i64, i64)>, StoreError> {
    let batch = upkeep.store.begin_upkeep().await?;
    let rows = call::rows(batch.client(), "reading the lanes", &upkeep.store.queries().lanes_active, &[]).await?;
    batch.commit().await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}
