//! What has arrived so far.
//!
//! Filled by `consumer`, read by `watch`, `verdict` and `report`. Promises arrival order. Refuses to judge: duplicates,
//! strangers and messages that cannot be read are all kept for `verdict`.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use uuid::Uuid;

use crate::ledger::Change;

pub struct Arrival {
    pub id: Uuid,
    pub change: Change,
    pub at: Instant,
    /// From the row's `created_at` to the arrival here; the commit lies between.
    pub lag_ms: i64,
}

#[derive(Default)]
pub struct Feed(Mutex<Arrivals>);

#[derive(Default)]
pub struct Arrivals {
    pub all: Vec<Arrival>,
    /// Why a message could not be read.
    pub unreadable: Vec<String>,
    distinct: HashSet<Uuid>,
    worst_lag_ms: i64,
}

impl Feed {
    pub fn record(&self, read: impl IntoIterator<Item = Result<Arrival, String>>) {
        let mut arrivals = self.arrivals();
        for message in read {
            match message {
                Ok(arrival) => {
                    arrivals.distinct.insert(arrival.id);
                    arrivals.worst_lag_ms = arrivals.worst_lag_ms.max(arrival.lag_ms);
                    arrivals.all.push(arrival);
                }
                Err(why) => arrivals.unreadable.push(why),
            }
        }
    }

    /// Different events that have arrived.
    pub fn distinct(&self) -> usize {
        self.arrivals().distinct.len()
    }

    /// The worst lag since this was last asked.
    pub fn take_worst_lag(&self) -> i64 {
        std::mem::take(&mut self.arrivals().worst_lag_ms)
    }

    pub fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.0.lock().expect("no holder of the feed panics")
    }
}
