//! What the statements of `sql/queries` that write do to the simulated tables. Called by `store` at the moment of a commit: what a
//! transaction changes becomes visible all at once, or never.

use std::time::Duration;

use outbox_relay::outbox::event::{HoldId, WaitReason};
use outbox_relay::outbox::hold::{HoldKind, HoldScope};
use outbox_relay::outbox::store::{
    LateRoute, NewDeadLetter, NewHold, NewWait, ProbeResult, Settlement, Until, WaitsFor,
};
use uuid::Uuid;

use crate::events::number_of;
use crate::table::{HoldRow, Letter, Number, Table, Wait};
use crate::world::{Ms, NEVER};

pub fn ms(duration: Duration) -> Ms {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}

impl Table {
    /// `mark_published`.
    pub fn mark(&mut self, ids: &[Uuid], now: Ms) {
        for id in ids {
            let number = number_of(*id);
            if self.rows[number].is_pending() {
                self.rows[number].published_at = Some(now);
                self.marks.push((number, now));
            }
        }
    }

    /// `end_waits`.
    pub fn end_waits(&mut self, lanes: &[i16], settled: &[Uuid], now: Ms) {
        let settled: Vec<Number> = settled.iter().map(|id| number_of(*id)).collect();
        let ends = |wait: &Wait| {
            settled.contains(&wait.number)
                || (lanes.contains(&wait.lane) && wait.until <= now && !self.rows[wait.number].is_pending())
        };
        let ended: Vec<(String, i16, i64)> = self
            .waits
            .iter()
            .filter(|(_, wait)| ends(wait))
            .map(|(key, wait)| (key.clone(), wait.lane, wait.seq))
            .collect();
        for (key, lane, seq) in ended {
            self.waits.remove(&key);
            self.lower_floor(lane, seq);
        }
    }

    pub fn lower_floor(&mut self, lane: i16, seq: i64) {
        let floor = self.floors.entry(lane).or_insert(0);
        *floor = (*floor).min(seq);
    }

    /// `dead_letter`, and what goes with it.
    pub fn dead_letter(&mut self, letter: &NewDeadLetter, now: Ms) {
        let number = number_of(letter.event_id);
        let moves = self.rows[number].is_pending();
        if moves {
            self.rows[number].moved = true;
            self.letters.push(Letter { number, reason: letter.reason, attempts: letter.attempts, at: now });
        }
        self.end_waits(&[], &[letter.event_id], now);
        if !(letter.key_waits && moves) {
            return;
        }
        let (lane, seq) = (letter.lane, letter.seq);
        let wait = Wait {
            lane,
            number,
            seq,
            reason: WaitReason::AfterDeadLetter,
            attempts: letter.attempts,
            until: NEVER,
            hold: None,
            routes_confirmed: Vec::new(),
        };
        self.waits.insert(letter.key.clone(), wait);
    }

    /// `put_hold`.
    pub fn put_hold(&mut self, scope: &HoldScope, kind: HoldKind, probe_after: Duration, now: Ms) -> HoldId {
        if let Some((id, hold)) = self.holds.iter_mut().find(|(_, hold)| hold.scope == *scope) {
            hold.kind = kind;
            return *id;
        }
        self.last_hold += 1;
        let next_probe_at = now.saturating_add(ms(probe_after));
        self.holds.insert(self.last_hold, HoldRow { scope: scope.clone(), kind, next_probe_at, probes: 0 });
        self.last_hold
    }

    /// `put_waits`, for one key.
    fn put_wait(&mut self, wait: &NewWait, hold: Option<HoldId>, now: Ms) {
        let number = number_of(wait.event_id);
        let until = match wait.until {
            Until::After(pause) => now.saturating_add(ms(pause)),
            Until::Lifted => NEVER,
        };
        let known = self.waits.get(&wait.key).filter(|known| known.number == number);
        let seq = known.map_or(wait.seq, |known| known.seq.min(wait.seq));
        let most = self.charged.entry(number).or_default();
        *most = (*most).max(wait.attempts);
        let wait_row = Wait {
            lane: wait.lane,
            number,
            seq,
            reason: wait.reason,
            attempts: wait.attempts,
            until,
            hold,
            routes_confirmed: wait.routes_confirmed.clone(),
        };
        self.waits.insert(wait.key.clone(), wait_row);
    }

    /// New holds, then waits; a wait whose hold has just been lifted is dropped, or kept due where a route has confirmed.
    fn settle_waits(&mut self, waits: &[NewWait], holds: &[NewHold], now: Ms) {
        for hold in holds {
            self.put_hold(&hold.scope, hold.kind, hold.probe_after, now);
        }
        for wait in waits {
            match &wait.hold {
                None => self.put_wait(wait, None, now),
                Some(WaitsFor::New(scope)) => {
                    let hold = self.holds.iter().find(|(_, hold)| hold.scope == *scope).map(|(id, _)| *id);
                    self.put_wait(wait, hold, now);
                }
                Some(WaitsFor::Existing(hold)) if self.holds.contains_key(hold) => {
                    self.put_wait(wait, Some(*hold), now);
                }
                Some(WaitsFor::Existing(_)) if wait.routes_confirmed.is_empty() => {}
                Some(WaitsFor::Existing(_)) => {
                    let due = NewWait {
                        reason: WaitReason::Retry,
                        until: Until::After(Duration::ZERO),
                        hold: None,
                        ..wait.clone()
                    };
                    self.put_wait(&due, None, now);
                }
            }
        }
    }

    /// `lift_waits`: the next of them by seq, up to `rows`; answers how many those were.
    pub fn lift_waits(&mut self, hold: HoldId, rows: usize, now: Ms) -> usize {
        let mut waits: Vec<&mut Wait> = self.waits.values_mut().filter(|wait| wait.hold == Some(hold)).collect();
        waits.sort_by_key(|wait| wait.seq);
        let lifted = waits.len().min(rows);
        for wait in waits.into_iter().take(rows) {
            (wait.until, wait.hold) = (now, None);
        }
        lifted
    }

    /// Everything that a batch settles.
    pub fn settle(&mut self, lanes: &[i16], has_waits: bool, settlement: &Settlement, now: Ms) {
        self.mark(&settlement.published, now);
        if has_waits || settlement.probe.is_some() {
            self.end_waits(lanes, &settlement.published, now);
        }
        for letter in &settlement.dead_letters {
            self.dead_letter(letter, now);
        }
        self.settle_waits(&settlement.waits, &settlement.holds, now);
        for flow in &settlement.flows {
            self.flows.entry(flow.clone()).or_insert(now);
        }
        match settlement.probe {
            // Its waits come after the commit.
            Some(ProbeResult::Accepted(hold)) => {
                self.holds.remove(&hold);
            }
            Some(ProbeResult::Refused(hold, pause)) => {
                if let Some(hold) = self.holds.get_mut(&hold) {
                    hold.probes += 1;
                    hold.next_probe_at = now.saturating_add(ms(pause));
                }
            }
            None => {}
        }
        self.move_floors(lanes);
    }

    /// `wake_marked_waits`.
    pub fn wake_marked_waits(&mut self, ids: &[Uuid], now: Ms) {
        let numbers: Vec<Number> = ids.iter().map(|id| number_of(*id)).collect();
        for wait in self.waits.values_mut().filter(|wait| numbers.contains(&wait.number)) {
            if !self.rows[wait.number].is_pending() {
                (wait.until, wait.hold) = (now, None);
            }
        }
    }

    /// `note_routes`.
    pub fn note_routes(&mut self, routes: &[LateRoute]) {
        for late in routes {
            let number = number_of(late.event);
            if !self.rows[number].is_pending() {
                continue;
            }
            let waits = self.waits.values_mut().filter(|wait| wait.number == number);
            for wait in waits.filter(|wait| !wait.routes_confirmed.iter().any(|route| **route == *late.route)) {
                wait.routes_confirmed.push(late.route.to_string());
            }
        }
    }

    /// `wake_waits`.
    pub fn wake_waits(&mut self, ids: &[Uuid], now: Ms) {
        let numbers: Vec<Number> = ids.iter().map(|id| number_of(*id)).collect();
        let waits = self.waits.values_mut().filter(|wait| wait.reason == WaitReason::Unconfirmed);
        for wait in waits.filter(|wait| numbers.contains(&wait.number)) {
            wait.until = now;
        }
    }

    /// `hold_unconfirmed_waits`, one after the other.
    pub fn hold_unconfirmed(&mut self, stuck: &[(Uuid, HoldScope)], probe_after: Duration, now: Ms) {
        for (id, scope) in stuck {
            let hold = self.put_hold(scope, HoldKind::Unconfirmed, probe_after, now);
            let number = number_of(*id);
            let waits = self.waits.values_mut().filter(|wait| wait.reason == WaitReason::Unconfirmed);
            for wait in waits.filter(|wait| wait.number == number) {
                (wait.reason, wait.until, wait.hold) = (WaitReason::Held, NEVER, Some(hold));
            }
        }
    }

    /// `unconfirmed_holds`; answers with the holds that are gone, whose waits come after the commit.
    pub fn lift_unconfirmed(&mut self, scopes: &[HoldScope]) -> Vec<HoldId> {
        let disproved = |hold: &HoldRow| hold.kind == HoldKind::Unconfirmed && scopes.contains(&hold.scope);
        let lifted: Vec<HoldId> = self.holds.iter().filter(|(_, hold)| disproved(hold)).map(|(id, _)| *id).collect();
        for hold in &lifted {
            self.holds.remove(hold);
        }
        lifted
    }

    /// `probe_unconfirmed`.
    pub fn probe_unconfirmed(&mut self, now: Ms) {
        for hold in self.holds.values_mut().filter(|hold| hold.kind == HoldKind::Unconfirmed) {
            hold.next_probe_at = hold.next_probe_at.min(now + 1_000);
        }
    }

    /// `end_orphaned_waits`, and the lift of what waits for a hold that is gone.
    pub fn end_orphaned_waits(&mut self, now: Ms) {
        let (rows, holds) = (&self.rows, &self.holds);
        for wait in self.waits.values_mut() {
            let is_unheld = wait.reason == WaitReason::Held && wait.hold.is_none_or(|hold| !holds.contains_key(&hold));
            let is_orphan = is_unheld || !rows[wait.number].is_pending();
            if wait.until == NEVER && wait.reason != WaitReason::AfterDeadLetter && is_orphan {
                (wait.until, wait.hold) = (now, None);
            }
        }
    }
}
