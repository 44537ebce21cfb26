//! Up to where the floors may move: what was observed, and when it may be used.
//!
//! Claims start at their lane's floor, so that published rows whose index entries an old snapshot keeps alive are not walked again and
//! again (design section 4: 240 ms and 429,000 buffers without it, 0.2 ms with it). An observation is a bound and a transaction id taken
//! after it; a floor moves up to the bound once every transaction with an older id has ended, which `move_floors.sql` checks, and a grace
//! time has passed. The upkeep observes and moves the floors of lanes that nobody holds; a batch moves those of its own lanes as it
//! settles, because a busy lane is hardly ever free, and a statement that waits for one keeps its snapshot.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::Type;

use crate::crash;
use crate::link::batch::PgBatch;
use crate::link::call;
use crate::link::pool::Connects;
use crate::link::queries::Queries;
use crate::relay::store::StoreError;

/// A BEFORE trigger, or a COPY that buffers its rows, may wait between taking a seq and getting a transaction id; the sweep finds what
/// waits longer.
const GRACE: Duration = Duration::from_secs(3);
/// Observations that ripen; the upkeep makes one every two seconds.
const OBSERVED_MAX: usize = 4;
/// While an older transaction runs, it is asked for again this often.
const AGAIN: Duration = Duration::from_secs(1);
/// Housekeeping that failed inside a batch is left alone for this long.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// The observations of one relay, shared by its workers and its upkeep. They are of one server: after a connect they are made anew, because
/// seqs and transaction ids of another one may be behind those that were observed.
#[derive(Debug, Clone)]
pub(crate) struct Floors {
    state: Arc<Mutex<State>>,
    connects: Connects,
}

#[derive(Debug, Default)]
struct State {
    /// Connects when the first of the observations was made.
    connects: u64,
    observed: VecDeque<Arc<Bound>>,
    ripe: Option<Arc<Bound>>,
    /// The lanes that have been moved to the ripe bound, as bits.
    moved: u64,
    /// Whether every transaction older than the ripe bound has ended.
    reached: bool,
    /// The ripe bound is not tried before, because an older transaction still ran.
    not_before: Option<Instant>,
    /// Whether a batch has settled since the last observation.
    busy: bool,
}

/// How far a floor may move.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The seq that was next when it was observed.
    seq: i64,
    /// A transaction id taken after that.
    next_xid: String,
    at: Instant,
}

/// A bound, and the lanes whose floor has not been moved to it yet.
#[derive(Debug)]
pub(crate) struct Due {
    bound: Arc<Bound>,
    /// The lanes.
    pub(crate) lanes: Vec<i16>,
}

impl Floors {
    /// Nothing is observed yet.
    pub(crate) fn new(connects: Connects) -> Self {
        Self { state: Arc::default(), connects }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let connects = self.connects.count();
        if state.connects != connects {
            *state = State { connects, busy: state.busy, ..State::default() };
        }
        state
    }

    /// Whether batches were settled since the last observation, so that another one is of use.
    pub(crate) fn is_busy(&self) -> bool {
        self.state().busy
    }

    /// Notes that a batch settles.
    pub(crate) fn settles(&self) {
        self.state().busy = true;
    }

    /// Connects so far: for `observe`, taken before the observation.
    pub(crate) fn server(&self) -> u64 {
        self.state().connects
    }

    /// Notes that `seq` was next before the transaction id was taken, both on the server that was `server`.
    pub(crate) fn observe(&self, server: u64, seq: i64, next_xid: String) {
        let mut state = self.state();
        state.busy = false;
        // A full row of unripe ones is kept, or none of them would ever ripen.
        let has_room = state.observed.len() < OBSERVED_MAX && state.observed.back().is_none_or(|last| last.seq != seq);
        if has_room && state.connects == server {
            state.observed.push_back(Arc::new(Bound { seq, next_xid, at: Instant::now() }));
        }
    }

    /// The bound that the floors may move to now, if it has ripened, and those of the lanes that have not been moved to it.
    pub(crate) fn due(&self, lanes: &[i16]) -> Option<Due> {
        let now = Instant::now();
        let mut state = self.state();
        let bound = state.ripe(now)?;
        if state.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let lanes: Vec<i16> = lanes.iter().copied().filter(|lane| state.moved & bit(*lane) == 0).collect();
        (!lanes.is_empty()).then_some(Due { bound, lanes })
    }

    /// Moves the floors of those lanes as far as they may, in `batch`, which holds them. Nothing is planned after it in that transaction.
    pub(crate) async fn move_held(&self, batch: &PgBatch, queries: &Queries, due: &Due) -> Result<(), StoreError> {
        let params: [call::Param<'_>; 3] =
            [(&due.lanes, Type::INT2_ARRAY), (&due.bound.seq, Type::INT8), (&due.bound.next_xid, Type::TEXT)];
        let ((), row) = tokio::try_join!(
            call::batch(batch.client(), "planning as for a claim", &queries.plan_claim),
            call::one(batch.client(), "moving floors", &queries.move_floors, &params)
        )?;
        let (reached, moved): (bool, i64) = (row.get(0), row.get(1));
        if moved > 0 {
            crash::point(crash::Point::InFloorMove);
        }
        self.state().tried(due, reached);
        Ok(())
    }

    /// Leaves the floors alone for a while.
    pub(crate) fn failed(&self) {
        self.state().not_before = Some(Instant::now() + AFTER_FAILURE);
    }
}

impl State {
    fn ripe(&mut self, now: Instant) -> Option<Arc<Bound>> {
        // One whose older transactions still run stays: where there is always a transaction of ten seconds, only an observation that is
        // kept for so long is ever reached.
        let is_used_up = self.ripe.is_none() || self.reached;
        if is_used_up && self.observed.front().is_some_and(|bound| now.duration_since(bound.at) >= GRACE) {
            self.ripe = self.observed.pop_front();
            self.reached = false;
            self.not_before = None;
            self.moved = 0;
        }
        self.ripe.clone()
    }

    /// What became of an attempt: a lane whose floor an event keeps down has been moved as far as it could.
    fn tried(&mut self, due: &Due, reached: bool) {
        if !self.ripe.as_ref().is_some_and(|ripe| Arc::ptr_eq(ripe, &due.bound)) {
            return;
        }
        if reached {
            self.reached = true;
            self.moved |= due.lanes.iter().fold(0, |bits, lane| bits | bit(*lane));
        } else {
            self.not_before = Some(Instant::now() + AGAIN);
        }
    }
}

/// A lane, 0 to 63, as a bit.
fn bit(lane: i16) -> u64 {
    1 << (lane & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: [i16; 2] = [3, 4];

    fn floors() -> Floors {
        Floors::new(Connects::default())
    }

    fn due_seq(floors: &Floors) -> Option<i64> {
        floors.due(&HELD).map(|due| due.bound.seq)
    }

    fn try_held(floors: &Floors, reached: bool) {
        let due = floors.due(&HELD).expect("a ripe bound that is due");
        floors.state().tried(&due, reached);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bound_is_of_no_use_before_its_grace_time_and_then_once_for_each_lane() {
        let floors = floors();
        floors.observe(0, 7, "100".into());
        assert_eq!(due_seq(&floors), None);
        tokio::time::advance(GRACE).await;
        assert_eq!(due_seq(&floors), Some(7));
        try_held(&floors, true);
        assert_eq!(due_seq(&floors), None);
        assert!(floors.due(&[3, 5]).is_some_and(|due| due.lanes == [5]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_bound_that_an_older_transaction_keeps_back_is_neither_replaced_nor_tried_all_the_time() {
        let floors = floors();
        floors.observe(0, 7, "100".into());
        tokio::time::advance(GRACE).await;
        floors.observe(0, 8, "200".into());
        tokio::time::advance(GRACE).await;
        try_held(&floors, false);
        assert_eq!(due_seq(&floors), None);
        tokio::time::advance(AGAIN).await;
        try_held(&floors, true);
        assert_eq!(due_seq(&floors), Some(8), "the next one follows once the first was reached");
    }

    #[tokio::test(start_paused = true)]
    async fn observations_that_nobody_uses_are_bounded_and_the_oldest_stay() {
        let floors = floors();
        for seq in 0..100 {
            floors.observe(0, seq, "100".into());
        }
        tokio::time::advance(GRACE).await;
        assert_eq!(floors.state().observed.len(), OBSERVED_MAX);
        assert_eq!(due_seq(&floors), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_connect_nothing_that_was_observed_before_is_used() {
        let floors = floors();
        floors.observe(0, 7, "100".into());
        tokio::time::advance(GRACE).await;
        assert_eq!(due_seq(&floors), Some(7));
        floors.connects.connected();
        assert_eq!(due_seq(&floors), None, "it may be another server");
        floors.observe(0, 8, "200".into());
        floors.observe(1, 5, "90".into());
        tokio::time::advance(GRACE).await;
        assert_eq!(due_seq(&floors), Some(5), "an observation of the server before is not taken");
    }

    #[test]
    fn a_relay_is_busy_from_a_settle_to_the_next_observation() {
        let floors = floors();
        assert!(!floors.is_busy());
        floors.settles();
        assert!(floors.is_busy());
        floors.observe(0, 7, "100".into());
        assert!(!floors.is_busy());
    }
}
