//! Looks past crowded keys, those that have had their share: how deep into which lanes.
//!
//! A claim reads the oldest pending events of its lanes. Where most of those are of a few keys, the others' events may lie behind thousands
//! that have to wait for their turn anyway. The claim then looks deeper into that lane (`claim_past.sql`), eight times as deep as before
//! while too few keys are found. Called by `claim`; one per process, shared by its workers. What it remembers costs time when it is lost,
//! never correctness: every look begins at the floor.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::quick::QuickMap;

/// Pending events of a lane that are looked at: at first, and at the most. The most takes PostgreSQL 60 ms (measured).
const DEPTH_MIN: usize = 256;
pub(super) const DEPTH_MAX: usize = 32_768;
const DEEPER: usize = 8;
/// Pending events that one claim looks at, in all its lanes.
const ROWS_MAX: usize = 65_536;
/// A lane is left alone for so many times as long as the look took, so that it takes no more than a quarter of the time.
const REST: u32 = 3;
/// Of a key so many events are taken in turn, as `claim_past.sql` does.
pub(super) const TURN: usize = 4;

/// How deep each lane is looked into.
#[derive(Debug, Default)]
pub(crate) struct Past(Mutex<QuickMap<i16, Lane>>);

#[derive(Debug, Clone, Copy)]
struct Lane {
    depth: usize,
    looked: Instant,
    not_before: Instant,
}

/// What a look found in a lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Events that it looked at.
    pub(super) visited: usize,
    /// Different keys among those that it took.
    pub(super) keys: usize,
}

impl Past {
    /// Which of the lanes that need it are looked into now, and how deep; the others have their turn in a later claim. Forgets lanes of this
    /// claim that need it no more.
    pub(super) fn due(&self, claimed: &[i16], needed: &[i16]) -> Vec<(i16, usize)> {
        let (mut lanes, now) = (self.lanes(), Instant::now());
        lanes.retain(|lane, _| !claimed.contains(lane) || needed.contains(lane));
        let fresh = Lane { depth: DEPTH_MIN, looked: now, not_before: now };
        let mut due: Vec<(i16, Lane)> =
            needed.iter().map(|lane| (*lane, *lanes.entry(*lane).or_insert(fresh))).collect();
        due.retain(|(_, lane)| lane.not_before <= now);
        due.sort_by_key(|(_, lane)| lane.looked);
        let mut rows = 0;
        let fits = |(_, lane): &(i16, Lane)| {
            rows += lane.depth;
            rows <= ROWS_MAX
        };
        due.into_iter().take_while(fits).map(|(number, lane)| (number, lane.depth)).collect()
    }

    /// Notes what was found in the lanes that were looked into, `per_lane` events at the most in each, and how long it took.
    pub(super) fn looked(&self, looks: &[(i16, usize)], found: &QuickMap<i16, Found>, per_lane: usize, took: Duration) {
        let (mut lanes, now) = (self.lanes(), Instant::now());
        for (number, depth) in looks {
            let found = found.get(number).copied().unwrap_or_default();
            let depth = next_depth(*depth, found, per_lane);
            lanes.insert(*number, Lane { depth, looked: now, not_before: now + took * REST });
        }
    }

    fn lanes(&self) -> MutexGuard<'_, QuickMap<i16, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deeper, while the look ended at its depth and took so few keys that another one's events would have found a place.
fn next_depth(depth: usize, found: Found, per_lane: usize) -> usize {
    let has_room = found.keys.saturating_mul(TURN) < per_lane;
    if found.visited >= depth && has_room {
        (depth * DEEPER).min(DEPTH_MAX)
    } else if found.visited < depth {
        found.visited.saturating_mul(2).clamp(DEPTH_MIN, depth)
    } else {
        depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(visited: usize, keys: usize) -> Found {
        Found { visited, keys }
    }

    #[test]
    fn a_look_goes_deeper_while_it_ends_among_too_few_keys() {
        assert_eq!(next_depth(256, found(256, 1), 32), 2_048);
        assert_eq!(next_depth(32_768, found(32_768, 1), 32), 32_768, "never deeper than the most");
        assert_eq!(next_depth(256, found(256, 8), 32), 256, "eight keys fill the lane's share of the batch");
        assert_eq!(next_depth(16_384, found(10_000, 2), 32), 16_384, "it has seen all there is");
        assert_eq!(next_depth(16_384, found(1_000, 2), 32), 2_000);
        assert_eq!(next_depth(2_048, found(10, 2), 32), 256);
    }

    #[tokio::test(start_paused = true)]
    async fn looking_takes_a_quarter_of_the_time_and_every_lane_has_its_turn() {
        let past = Past::default();
        let lanes: Vec<i16> = (0..3).collect();
        assert_eq!(past.due(&lanes, &lanes).len(), 3);
        let deep: Vec<(i16, usize)> = lanes.iter().map(|lane| (*lane, DEPTH_MAX)).collect();
        let all = lanes.iter().map(|lane| (*lane, found(DEPTH_MAX, 1))).collect();
        past.looked(&deep, &all, 32, Duration::from_millis(10));
        assert!(past.due(&lanes, &lanes).is_empty(), "it has just looked");
        tokio::time::advance(Duration::from_millis(30)).await;
        let first = past.due(&lanes, &lanes);
        assert_eq!(first, [(0, DEPTH_MAX), (1, DEPTH_MAX)], "two such lanes are all that one claim looks at");
        past.looked(&first, &all, 32, Duration::from_millis(1));
        tokio::time::advance(Duration::from_millis(3)).await;
        assert_eq!(past.due(&lanes, &lanes)[0], (2, DEPTH_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_needs_it_no_more_is_forgotten() {
        let past = Past::default();
        past.looked(&[(5, 2_048)], &QuickMap::default(), 32, Duration::ZERO);
        assert_eq!(past.due(&[6], &[]), []);
        assert_eq!(past.due(&[5], &[5]), [(5, DEPTH_MIN)], "nothing was found, so little is enough");
        assert_eq!(past.due(&[5], &[]), []);
        assert!(past.lanes().is_empty());
    }
}
