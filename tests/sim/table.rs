//! The simulated database's committed state, its locks, and what a claim reads of them. `changes` is the writing half.
//!
//! Each function is one statement: it sees what is committed at the moment it runs. What `sql/queries` says is done here in the same
//! order and with the same conditions.

use std::collections::{BTreeMap, BTreeSet};

use outbox_relay::outbox::event::{FailureReason, HoldId, WaitReason, Waited};
use outbox_relay::outbox::flow::Flow;
use outbox_relay::outbox::hold::{HoldKind, HoldScope};
use outbox_relay::outbox::store::ClaimLimits;

use crate::events::Kind;
use crate::world::{Ms, NEVER, Process};

/// `idle_in_transaction_session_timeout` of a batch.
const IDLE_MAX: Ms = 10_000;

pub type TxId = u64;
pub type Number = usize;

/// A row of `events`; its number is its place.
#[derive(Debug, Clone)]
pub struct Row {
    pub seq: i64,
    pub lane: i16,
    pub key: String,
    pub kind: Kind,
    /// When it was committed, and which commit that was; never if it was rolled back.
    pub committed: Option<(Ms, u64)>,
    pub published_at: Option<Ms>,
    /// Moved to the dead letters.
    pub moved: bool,
}

impl Row {
    pub fn is_pending(&self) -> bool {
        self.committed.is_some() && self.published_at.is_none() && !self.moved
    }
}

#[derive(Debug, Clone)]
pub struct Wait {
    pub lane: i16,
    pub number: Number,
    pub seq: i64,
    pub reason: WaitReason,
    pub attempts: u32,
    pub until: Ms,
    pub hold: Option<HoldId>,
    pub routes_confirmed: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct HoldRow {
    pub scope: HoldScope,
    pub kind: HoldKind,
    pub next_probe_at: Ms,
    pub probes: u32,
}

#[derive(Debug, Clone)]
pub struct Letter {
    pub number: Number,
    pub reason: FailureReason,
    pub attempts: u32,
    pub at: Ms,
}

/// A relay's open transaction.
#[derive(Debug)]
pub struct Tx {
    pub process: Process,
    pub last_statement: Ms,
    pub is_busy: bool,
    /// When the server notices that the client has gone.
    pub gone_at: Ms,
    pub ended: bool,
}

/// Of a key so many events are taken in turn.
const TURN: usize = 4;

#[derive(Default)]
pub struct Table {
    pub rows: Vec<Row>,
    pub waits: BTreeMap<String, Wait>,
    pub holds: BTreeMap<HoldId, HoldRow>,
    /// Flows that were confirmed, and since when that is known.
    pub flows: BTreeMap<Flow, Ms>,
    pub letters: Vec<Letter>,
    pub floors: BTreeMap<i16, i64>,
    /// How far floors may move.
    pub ripe_bound: i64,
    pub txs: BTreeMap<TxId, Tx>,
    pub lane_locks: BTreeMap<i16, TxId>,
    pub hold_locks: BTreeMap<HoldId, TxId>,
    pub last_seq: i64,
    pub last_xid: u64,
    pub running_xids: BTreeSet<u64>,
    pub commits: u64,
    pub last_tx: TxId,
    pub last_hold: HoldId,
    /// Marks that were made, for the judge: number and time, in order.
    pub marks: Vec<(Number, Ms)>,
    /// Attempts that waits ever showed, the most of each event.
    pub charged: BTreeMap<Number, u32>,
    pub weather: Weather,
}

/// What is wrong with the database now.
#[derive(Debug, Default)]
pub struct Weather {
    pub is_down: bool,
    pub hangs: bool,
    /// Statements take up to so long.
    pub slow_ms: Ms,
    /// Updates of `waits` take so many rows a millisecond; 0 is any number.
    pub waits_per_ms: usize,
    /// One in so many commits has an unknown outcome; 0 is none.
    pub unknown_commits: u64,
}

impl Table {
    pub fn row(&self, number: Number) -> &Row {
        &self.rows[number]
    }

    pub fn floor(&self, lane: i16) -> i64 {
        self.floors.get(&lane).copied().unwrap_or(0)
    }

    pub fn lanes(&self) -> BTreeSet<i16> {
        self.rows.iter().map(|row| row.lane).collect()
    }

    pub fn is_alive(&self, tx: TxId, now: Ms) -> bool {
        self.txs.get(&tx).is_some_and(|tx| {
            !tx.ended && now < tx.gone_at && (tx.is_busy || now.saturating_sub(tx.last_statement) < IDLE_MAX)
        })
    }

    pub fn begin(&mut self, process: Process, now: Ms) -> TxId {
        self.last_tx += 1;
        let tx = Tx { process, last_statement: now, is_busy: false, gone_at: NEVER, ended: false };
        self.txs.insert(self.last_tx, tx);
        self.last_tx
    }

    /// Ends a transaction and frees its locks.
    pub fn end(&mut self, tx: TxId) {
        self.txs.remove(&tx);
        self.lane_locks.retain(|_, owner| *owner != tx);
        self.hold_locks.retain(|_, owner| *owner != tx);
    }

    /// Whether nobody holds a lane.
    pub fn is_free(&self, lane: i16, now: Ms) -> bool {
        !self.lane_locks.get(&lane).is_some_and(|owner| self.is_alive(*owner, now))
    }

    /// `move_floors`, for lanes that the caller holds or nobody does.
    pub fn move_floors(&mut self, lanes: &[i16]) {
        for lane in lanes {
            let head = self.rows_above_floor(*lane).map(|row| row.seq).min();
            let to = head.map_or(self.ripe_bound, |head| head.min(self.ripe_bound));
            if self.floor(*lane) < to {
                self.floors.insert(*lane, to);
            }
        }
    }

    pub fn try_lock_lane(&mut self, tx: TxId, lane: i16, now: Ms) -> bool {
        match self.lane_locks.get(&lane) {
            Some(owner) if *owner != tx && self.is_alive(*owner, now) => false,
            Some(_) | None => {
                self.lane_locks.insert(lane, tx);
                true
            }
        }
    }

    pub fn try_lock_hold(&mut self, tx: TxId, hold: HoldId, now: Ms) -> bool {
        match self.hold_locks.get(&hold) {
            Some(owner) if *owner != tx && self.is_alive(*owner, now) => false,
            Some(_) | None => {
                self.hold_locks.insert(hold, tx);
                true
            }
        }
    }

    /// `claim_lanes`: lanes with due work in turns, those that were not `served` in this round first, and whether a due wait is among the
    /// reasons.
    pub fn due_lanes(&self, served: &BTreeSet<i16>, now: Ms) -> Vec<(i16, bool)> {
        let (mut heads, mut waits) = (Vec::new(), Vec::new());
        for lane in self.lanes() {
            heads.extend(self.open_rows(lane).map(|(_, row)| row.seq).min().map(|seq| (seq, lane)));
            let due = self.waits.values().filter(|wait| wait.lane == lane && wait.until <= now);
            waits.extend(due.map(|wait| wait.until).min().map(|until| (until, lane)));
        }
        heads.sort_unstable();
        waits.sort_unstable();
        let mut places: BTreeMap<i16, usize> = BTreeMap::new();
        let by_seq = heads.iter().map(|(_, lane)| *lane).enumerate();
        for (place, lane) in by_seq.chain(waits.iter().map(|(_, lane)| *lane).enumerate()) {
            let best = places.entry(lane).or_insert(place);
            *best = (*best).min(place);
        }
        let mut due: Vec<(bool, usize, i16)> =
            places.into_iter().map(|(lane, place)| (served.contains(&lane), place, lane)).collect();
        due.sort_unstable();
        let has_waits = |lane: i16| waits.iter().any(|(_, other)| *other == lane);
        due.into_iter().map(|(_, _, lane)| (lane, has_waits(lane))).collect()
    }

    /// Pending rows of a lane from its floor on whose key does not wait.
    pub fn open_rows(&self, lane: i16) -> impl Iterator<Item = (Number, &Row)> {
        let floor = self.floor(lane);
        let rows = self.rows.iter().enumerate();
        rows.filter(move |(_, row)| {
            row.lane == lane && row.is_pending() && row.seq >= floor && !self.waits.contains_key(&row.key)
        })
    }

    /// Rows that a floor must not pass: those that could leave, and those that the end of their key's wait does not bring back.
    pub fn rows_above_floor(&self, lane: i16) -> impl Iterator<Item = &Row> {
        let floor = self.floor(lane);
        self.rows.iter().filter(move |row| {
            let is_brought_back = self.waits.get(&row.key).is_some_and(|wait| wait.seq <= row.seq);
            row.lane == lane && row.is_pending() && row.seq >= floor && !is_brought_back
        })
    }

    /// `claim_events` and `claim_past`, and the cut to the limits, in `seq` order: of waits no more than half where others want the room, of
    /// pending events a few of each key in turn where the oldest of a lane are of few keys.
    pub fn due_events(&self, lanes: &[i16], limits: &ClaimLimits, now: Ms) -> Vec<(Number, Option<Waited>)> {
        let per_lane = limits.events.div_ceil(lanes.len().max(1)).max(1);
        let (mut due, mut pending) = (Vec::new(), Vec::new());
        for lane in lanes {
            let mut waits: Vec<&Wait> = self
                .waits
                .values()
                .filter(|wait| wait.lane == *lane && wait.until <= now && self.row(wait.number).is_pending())
                .collect();
            waits.sort_by_key(|wait| wait.until);
            due.extend(waits.into_iter().take(per_lane).map(|wait| (wait.seq, wait.number, Some(waited(wait)))));
            pending.extend(self.open_in_turn(*lane, per_lane, limits.events_of_key));
        }
        due.sort_by_key(|(seq, ..)| *seq);
        due.truncate(limits.events.saturating_sub(pending.len()).max(limits.events / 2));
        pending.sort_unstable();
        pending.truncate(limits.events - due.len().min(limits.events));
        let mut found: Vec<(i64, Number, Option<Waited>)> = due;
        found.extend(pending.into_iter().map(|(_, seq, number)| (seq, number, None)));
        found.sort_by_key(|(seq, number, _)| (*seq, *number));
        found.into_iter().map(|(_, number, waited)| (number, waited)).collect()
    }

    /// A lane's share of a claim, each with its key's turn.
    fn open_in_turn(&self, lane: i16, rows: usize, events_of_key: usize) -> Vec<(usize, i64, Number)> {
        let mut open: Vec<(i64, Number)> = self.open_rows(lane).map(|(number, row)| (row.seq, number)).collect();
        open.sort_unstable();
        let mut of_key: BTreeMap<&str, usize> = BTreeMap::new();
        let mut in_turn: Vec<(usize, i64, Number)> = Vec::new();
        for (seq, number) in open {
            let place = of_key.entry(&self.row(number).key).or_default();
            if *place < events_of_key {
                in_turn.push((*place / TURN, seq, number));
            }
            *place += 1;
        }
        let many = rows.div_ceil(2).min(events_of_key);
        let mut of_few: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, _, number) in in_turn.iter().take(rows) {
            *of_few.entry(&self.row(*number).key).or_default() += 1;
        }
        if rows > TURN && of_few.values().any(|count| *count >= many) {
            in_turn.sort_unstable();
        }
        in_turn.truncate(rows);
        in_turn
    }

    /// `claim_probe`: the next due hold that nobody probes and one of whose waiting events has a free lane, with that event; or one that
    /// nothing waits for.
    pub fn claim_probe(&mut self, tx: TxId, now: Ms) -> Option<(HoldId, Option<Number>)> {
        let mut due: Vec<(Ms, HoldId)> = self
            .holds
            .iter()
            .filter(|(_, hold)| hold.next_probe_at <= now)
            .map(|(id, hold)| (hold.next_probe_at, *id))
            .collect();
        due.sort_unstable();
        for (_, hold) in due {
            if !self.try_lock_hold(tx, hold, now) {
                continue;
            }
            let probes = self.holds[&hold].probes;
            let head = self.probe_lane(tx, hold, probes, now);
            if head.is_some() || self.waits.values().all(|wait| wait.hold != Some(hold)) {
                return Some((hold, head));
            }
        }
        None
    }

    /// The first of the oldest waiting events, going round, whose lane is free.
    fn probe_lane(&mut self, tx: TxId, hold: HoldId, probes: u32, now: Ms) -> Option<Number> {
        let mut oldest: Vec<(i64, i16, Number)> = self
            .waits
            .values()
            .filter(|wait| wait.hold == Some(hold))
            .map(|wait| (wait.seq, wait.lane, wait.number))
            .collect();
        oldest.sort_unstable();
        oldest.truncate(16);
        let turn = probes as usize % oldest.len().max(1);
        oldest.rotate_left(turn);
        oldest.into_iter().find(|(_, lane, _)| self.try_lock_lane(tx, *lane, now)).map(|(_, _, number)| number)
    }
}

pub fn waited(wait: &Wait) -> Waited {
    Waited { reason: wait.reason, attempts: wait.attempts, routes_confirmed: wait.routes_confirmed.clone() }
}
