//! Moves the floors: claims start there, so that published rows whose index entries an old snapshot keeps alive are not walked again
//! and again (design section 4: 240 ms and 429,000 buffers without it, 0.2 ms with it).
//!
//! Called by `upkeep`. An observation is a bound and a transaction id taken after it; a floor moves up to the bound of an earlier
//! observation once every transaction with an older id has ended, and a grace time has passed. The SQL checks the former under the
//! lane's lock.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::Type;

use super::Upkeep;
use crate::crash;
use crate::link::call;
use crate::relay::store::StoreError;

/// A BEFORE trigger may wait between taking a seq and getting a transaction id; the sweep finds what waits longer.
const GRACE: Duration = Duration::from_secs(3);

/// What was observed, per lane.
#[derive(Debug, Default)]
pub(super) struct Floors {
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

/// What one look at a lane found.
struct Look {
    /// Where the floor could be, as far as this moment shows.
    bound: i64,
    /// Where it is now.
    floor: i64,
    /// Whether the earlier observation has served, or there was none.
    renew: bool,
}

impl Floors {
    /// One pass over the lanes, unless nothing has happened since the floors caught up.
    pub(super) async fn run(&mut self, upkeep: &Upkeep) -> Result<(), StoreError> {
        let lanes = read_lanes(upkeep).await?;
        if self.caught_up.as_ref() == Some(&lanes) {
            return Ok(());
        }
        let (mut bounds, mut caught_up) = (Vec::new(), true);
        for (lane, floor, _) in &lanes {
            match self.look(upkeep, *lane, *floor).await? {
                Some(look) => {
                    caught_up &= look.floor >= look.bound;
                    if look.renew {
                        bounds.push((*lane, look.bound));
                    }
                }
                None => caught_up = false,
            }
        }
        self.renew(upkeep, bounds).await?;
        self.caught_up = if caught_up { Some(read_lanes(upkeep).await?) } else { None };
        Ok(())
    }

    /// Moves one floor if it may, and looks where it could go. A busy lane is left for the next pass.
    async fn look(&self, upkeep: &Upkeep, lane: i16, floor: i64) -> Result<Option<Look>, StoreError> {
        let seen = self.observed.get(&lane);
        let ripe = seen.filter(|seen| seen.at.elapsed() >= GRACE);
        let (bound, next_xid) = (ripe.map(|seen| seen.bound), ripe.map(|seen| seen.next_xid.as_str()));
        let queries = upkeep.store.queries();
        let batch = upkeep.store.begin_upkeep().await?;
        let lock: [call::Param<'_>; 1] = [(&i32::from(lane), Type::INT4)];
        if let Err(error) = call::rows(batch.client(), "locking a lane", &queries.lock_lane, &lock).await {
            tracing::debug!(lane, %error, "floor");
            batch.abandon().await?;
            return Ok(None);
        }
        let params: [call::Param<'_>; 3] = [(&lane, Type::INT2), (&bound, Type::INT8), (&next_xid, Type::TEXT)];
        let row = call::one(batch.client(), "moving a floor", &queries.move_floors, &params).await?;
        let (reached, moved): (Option<bool>, Option<i64>) = (row.get(1), row.get(2));
        if moved.is_some() {
            crash::point(crash::Point::InFloorMove);
        }
        batch.commit().await?;
        // An observation that is not ripe, or whose transactions still run, is kept, or it would never ripen.
        let renew = seen.is_none() || (ripe.is_some() && reached == Some(true));
        Ok(Some(Look { bound: row.get(0), floor: moved.unwrap_or(floor), renew }))
    }

    /// Notes new bounds with a transaction id that was taken after all of them.
    async fn renew(&mut self, upkeep: &Upkeep, bounds: Vec<(i16, i64)>) -> Result<(), StoreError> {
        if bounds.is_empty() {
            return Ok(());
        }
        let batch = upkeep.store.begin_upkeep().await?;
        let row = call::one(batch.client(), "taking a transaction id", &upkeep.store.queries().next_xid, &[]).await?;
        batch.commit().await?;
        let (next_xid, at): (String, Instant) = (row.get(0), Instant::now());
        for (lane, bound) in bounds {
            self.observed.insert(lane, Observation { bound, next_xid: next_xid.clone(), at });
        }
        Ok(())
    }
}

async fn read_lanes(upkeep: &Upkeep) -> Result<Vec<(i16, i64, i64)>, StoreError> {
    let batch = upkeep.store.begin_upkeep().await?;
    let rows = call::rows(batch.client(), "reading the lanes", &upkeep.store.queries().lanes_active, &[]).await?;
    batch.commit().await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}
