//! How far the floors may move up: what was observed, and when it may be used.
//!
//! A floor is the seq where a lane's claims start, so that published rows whose index entries an old snapshot keeps alive are not walked
//! again and again (measured: 240 ms and 429,000 buffers without it, 0.2 ms with it). Below it no event is due but heads of waits, which
//! claims find by their wait. Batches and the upkeep move floors up; every ended wait, replays and the sweep can lower them.
//!
//! An observation is a bound, the seq that is next, and
//! the transactions that may have been given a seq below it and are not over. Once all of those have ended the bound is ripe: what is
//! below it is committed or never will be; a seq that somebody takes by hand, long before its INSERT, is left to the sweep. The upkeep
//! observes and moves the floors of lanes that nobody holds; a batch moves those of its own lanes as it settles, because a busy lane is
//! hardly ever free, and a statement that waits for one keeps its snapshot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_postgres::types::Type;

use crate::crash;
use crate::outbox::store::StoreError;
use crate::postgres::batch::PgBatch;
use crate::postgres::call;
use crate::postgres::pool::Connects;
use crate::postgres::queries::Queries;
use crate::quick::QuickMap;

/// A lane is left alone for so long after an attempt: what is published meanwhile is what its claims walk in vain.
const AGAIN: Duration = Duration::from_millis(200);
/// Housekeeping that failed inside a batch is left alone for this long.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Seqs that a busy lane's floor moves by at least, sixteen events of each lane: an old snapshot keeps the dead row of every move as well.
pub(crate) const STEP: i64 = 1_024;

/// The observations of one relay, shared by its workers and its upkeep. They are of one server: after a connect they are made anew, because
/// seqs and transactions of another one may be behind those that were observed.
#[derive(Debug, Clone)]
pub(crate) struct Floors {
    state: Arc<Mutex<State>>,
    connects: Connects,
    wanted: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    /// Connects when the observations were made.
    connects: u64,
    observed: Option<Observed>,
    /// The bound that floors may move to.
    ripe: Option<i64>,
    /// The lanes whose floor has reached it, as bits.
    done: u64,
    /// When lanes were tried last.
    tried: QuickMap<i16, Instant>,
    /// Nothing is tried before, because an attempt failed.
    not_before: Option<Instant>,
    /// Whether an observation is of use: a batch has settled since the last one, or floors are behind.
    is_wanted: bool,
    /// The seq that was next when the upkeep looked last.
    next: Option<i64>,
}

/// A bound that is not ripe.
#[derive(Debug)]
struct Observed {
    seq: i64,
    writers: Vec<String>,
}

/// A transaction that has written events, or is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Writer {
    /// The server's name for it.
    pub(crate) transaction: String,
    /// Whether it is prepared for a commit in two phases. It had another name before.
    pub(crate) is_prepared: bool,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing that was not known.
    Nothing,
    /// A bound whose writers are still there.
    Ripening,
    /// A bound that floors may move to from now on.
    Ripe,
}

/// A bound, and the lanes that may be moved to it now.
#[derive(Debug)]
pub(crate) struct Due {
    seq: i64,
    /// The lanes.
    pub(crate) lanes: Vec<i16>,
}

impl Floors {
    /// Nothing is observed yet.
    pub(crate) fn new(connects: Connects) -> Self {
        Self { state: Arc::default(), connects, wanted: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let connects = self.connects.count();
        if state.connects != connects {
            *state = State { connects, is_wanted: state.is_wanted, ..State::default() };
        }
        state
    }

    /// Whether another look is of use.
    pub(crate) fn is_wanted(&self) -> bool {
        let state = self.state();
        state.is_wanted || state.observed.is_some()
    }

    /// Notes that a batch settles.
    pub(crate) fn settles(&self) {
        if !std::mem::replace(&mut self.state().is_wanted, true) {
            self.wanted.notify_one();
        }
    }

    /// Waits for the first batch that settles after an observation.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Notes that floors are behind `next`, and says by how many seqs at least they are to be moved: by any once no new ones are given out.
    pub(crate) fn are_behind(&self, next: i64) -> i64 {
        let mut state = self.state();
        state.is_wanted |= state.ripe != Some(next);
        let was = state.next.replace(next);
        if was == Some(next) { 1 } else { STEP }
    }

    /// Connects so far: for `observe`, taken before what it is told was read.
    pub(crate) fn server(&self) -> u64 {
        self.state().connects
    }

    /// Notes that `seq` was next before these `writers` were seen, on the server that was `server`; or, while an earlier bound is not ripe,
    /// only whether its writers are still there. A prepared transaction may be one of them under another name.
    pub(crate) fn observe(&self, server: u64, seq: i64, writers: &[Writer]) -> Seen {
        let mut state = self.state();
        if state.connects != server {
            return Seen::Nothing;
        }
        if state.observed.is_none() {
            state.is_wanted = false;
            if state.ripe == Some(seq) {
                return Seen::Nothing;
            }
            let names = writers.iter().map(|writer| writer.transaction.clone()).collect();
            state.observed = Some(Observed { seq, writers: names });
        }
        if state.ripen(writers) { Seen::Ripe } else { Seen::Ripening }
    }

    /// The bound that the floors may move to now, if there is a ripe one, and those of the lanes that are to be moved to it.
    pub(crate) fn due(&self, lanes: &[i16]) -> Option<Due> {
        let now = Instant::now();
        let state = self.state();
        let seq = state.ripe?;
        if state.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let lanes: Vec<i16> = lanes.iter().copied().filter(|lane| state.is_due(*lane, now)).collect();
        (!lanes.is_empty()).then_some(Due { seq, lanes })
    }

    /// Moves the floors of those lanes as far as they may, in `batch`, which holds them. Nothing is planned after it in that transaction.
    /// By `step` seqs at least, or not.
    pub(crate) async fn move_held(
        &self,
        batch: &PgBatch,
        queries: &Queries,
        due: &Due,
        step: i64,
    ) -> Result<(), StoreError> {
        let params: [call::Param<'_>; 3] =
            [(&due.lanes, Type::INT2_ARRAY), (&due.seq, Type::INT8), (&step, Type::INT8)];
        let ((), row) = tokio::try_join!(
            call::batch(batch.client(), "setting a claim's planner settings", &queries.plan_claim),
            call::one(batch.client(), "moving floors", &queries.move_floors, &params)
        )?;
        let (moved, done): (i64, Vec<i16>) = (row.get(0), row.get(1));
        if moved > 0 {
            crash::point(crash::Point::InFloorMove);
        }
        self.state().tried(due, &done);
        Ok(())
    }

    /// Leaves the floors alone for a while.
    pub(crate) fn failed(&self) {
        self.state().not_before = Some(Instant::now() + AFTER_FAILURE);
    }
}

impl State {
    fn ripen(&mut self, now: &[Writer]) -> bool {
        let still_writes = |observed: &Observed| {
            let is_observed = |writer: &Writer| writer.is_prepared || observed.writers.contains(&writer.transaction);
            now.iter().any(is_observed)
        };
        let Some(observed) = self.observed.take_if(|observed| !still_writes(observed)) else { return false };
        self.ripe = Some(observed.seq);
        self.done = 0;
        true
    }

    fn is_due(&self, lane: i16, now: Instant) -> bool {
        self.done & bit(lane) == 0 && self.tried.get(&lane).is_none_or(|at| now.duration_since(*at) >= AGAIN)
    }

    /// What became of an attempt: the lanes that are `done` have reached the bound.
    fn tried(&mut self, due: &Due, done: &[i16]) {
        let now = Instant::now();
        self.tried.extend(due.lanes.iter().map(|lane| (*lane, now)));
        if self.ripe == Some(due.seq) {
            self.done |= done.iter().fold(0, |bits, lane| bits | bit(*lane));
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

    fn writer(transaction: &str) -> Writer {
        Writer { transaction: transaction.into(), is_prepared: false }
    }

    fn due_seq(floors: &Floors) -> Option<i64> {
        floors.due(&HELD).map(|due| due.seq)
    }

    fn try_held(floors: &Floors, done: &[i16]) {
        let due = floors.due(&HELD).expect("a ripe bound that is due");
        floors.state().tried(&due, done);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bound_is_of_use_at_once_where_nobody_writes_and_then_once_for_each_lane() {
        let floors = floors();
        floors.observe(0, 7, &[]);
        assert_eq!(due_seq(&floors), Some(7));
        try_held(&floors, &HELD);
        tokio::time::advance(AGAIN).await;
        assert_eq!(due_seq(&floors), None);
        assert!(floors.due(&[3, 5]).is_some_and(|due| due.lanes == [5]));
    }

    #[test]
    fn a_bound_ripens_when_the_last_of_its_writers_has_ended_whoever_writes_then() {
        let floors = floors();
        floors.observe(0, 7, &[writer("3/10"), writer("4/20")]);
        assert_eq!(due_seq(&floors), None);
        floors.observe(0, 8, &[writer("4/20"), writer("3/11")]);
        assert_eq!(due_seq(&floors), None);
        floors.observe(0, 9, &[writer("4/21"), writer("3/11")]);
        assert_eq!(due_seq(&floors), Some(7));
    }

    #[test]
    fn a_writer_that_is_prepared_meanwhile_and_has_another_name_keeps_the_bound() {
        let floors = floors();
        floors.observe(0, 7, &[writer("3/10")]);
        floors.observe(0, 8, &[Writer { transaction: "-1/900".into(), is_prepared: true }]);
        assert_eq!(due_seq(&floors), None);
        floors.observe(0, 9, &[]);
        assert_eq!(due_seq(&floors), Some(7));
    }

    #[test]
    fn the_last_ripe_bound_stays_of_use_while_a_writer_keeps_the_next_one() {
        let floors = floors();
        floors.observe(0, 7, &[]);
        floors.observe(0, 8, &[writer("3/10")]);
        assert_eq!(due_seq(&floors), Some(7));
        floors.observe(0, 9, &[]);
        assert_eq!(due_seq(&floors), Some(8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_floor_that_a_pending_event_keeps_down_follows_it_until_it_is_at_the_bound() {
        let floors = floors();
        floors.observe(0, 7, &[]);
        try_held(&floors, &[4]);
        assert_eq!(due_seq(&floors), None, "not at every batch");
        tokio::time::advance(AGAIN).await;
        assert!(floors.due(&HELD).is_some_and(|due| due.lanes == [3]));
        try_held(&floors, &[3]);
        tokio::time::advance(AGAIN).await;
        assert_eq!(due_seq(&floors), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_tried_with_one_bound_says_nothing_about_the_next() {
        let floors = floors();
        floors.observe(0, 7, &[]);
        let due = floors.due(&HELD).expect("a ripe bound");
        floors.observe(0, 8, &[]);
        floors.state().tried(&due, &HELD);
        tokio::time::advance(AGAIN).await;
        assert_eq!(due_seq(&floors), Some(8));
    }

    #[test]
    fn after_a_connect_nothing_that_was_observed_before_is_used() {
        let floors = floors();
        floors.observe(0, 7, &[]);
        assert_eq!(due_seq(&floors), Some(7));
        floors.connects.connected();
        assert_eq!(due_seq(&floors), None, "it may be another server");
        floors.observe(0, 8, &[]);
        assert_eq!(due_seq(&floors), None, "an observation of the server before is not taken");
        floors.observe(1, 5, &[writer("3/10")]);
        floors.observe(0, 9, &[]);
        assert_eq!(due_seq(&floors), None, "nor is a look at the writers of the server before");
        floors.observe(1, 5, &[]);
        assert_eq!(due_seq(&floors), Some(5));
    }

    #[test]
    fn an_observation_is_wanted_after_a_settle_and_while_floors_are_behind_a_seq_that_is_not_ripe() {
        let floors = floors();
        assert!(!floors.is_wanted());
        floors.settles();
        assert!(floors.is_wanted());
        floors.observe(0, 7, &[]);
        assert!(!floors.is_wanted());
        floors.are_behind(7);
        assert!(!floors.is_wanted());
        floors.are_behind(8);
        assert!(floors.is_wanted());
    }

    #[test]
    fn floors_take_small_steps_only_once_no_new_seqs_are_given_out() {
        let floors = floors();
        assert_eq!((floors.are_behind(7), floors.are_behind(9), floors.are_behind(9)), (STEP, STEP, 1));
    }
}
