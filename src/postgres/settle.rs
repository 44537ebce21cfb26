//! Writes what a batch decided, in the batch's transaction: marks, dead letters, waits, holds and floors.
//!
//! A part that the database refuses is undone by its savepoint and reported; the rest is committed.

use crate::crash;
use crate::outbox::event::{HoldId, WaitReason};
use crate::outbox::flow::Flow;
use crate::outbox::hold::{Hold, HoldScope};
use crate::outbox::store::{
    Batch, Cause, NewDeadLetter, NewWait, ProbeResult, Settled, Settlement, StoreError, Until, WaitsFor,
};
use crate::postgres::batch::{PgBatch, some};
use crate::postgres::call;
use crate::postgres::call::Param;
use crate::postgres::floors;
use crate::postgres::rows;
use std::collections::HashMap;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// How long a key waits whose dead letter could not be moved, before that is tried again: no longer than between two probes.
const PARKED_FOR: Duration = Duration::from_secs(300);
/// How long it waits where another one took too long.
const POSTPONED_FOR: Duration = Duration::from_secs(1);

impl PgBatch {
    async fn put_dead_letter(&self, letter: &NewDeadLetter) -> Result<(), StoreError> {
        let attempts = i32::try_from(letter.attempts).unwrap_or(i32::MAX);
        let (reason, confirmed, failed) =
            (letter.reason.as_str(), letter.routes_confirmed.join(","), letter.routes_failed.join(","));
        let params: [Param<'_>; 6] = [
            (&letter.event_id, Type::UUID),
            (&reason, Type::TEXT),
            (&letter.error, Type::TEXT),
            (&attempts, Type::INT4),
            (&confirmed, Type::TEXT),
            (&failed, Type::TEXT),
        ];
        let sql = &self.queries.dead_letter;
        let moved = call::execute(self.client(), "moving an event to the dead letters", sql, &params).await?;
        crash::point(crash::Point::InDeadLetter);
        self.end_waits(&[letter.event_id]).await?;
        // Nothing moved: a late confirm has marked it in the meantime, and its key continues.
        if !letter.key_waits || moved == 0 {
            return Ok(());
        }
        let wait = NewWait {
            routes_confirmed: Vec::new(),
            ..wait_of(letter, WaitReason::AfterDeadLetter, Until::Lifted, letter.error.clone())
        };
        self.put_waits(&[&wait], &HashMap::new()).await
    }

    /// Moves the dead letters, each in a savepoint. What cannot be moved because of what it is has its key wait for that, and the batch goes
    /// on. Once one has taken too long, the others have their turn in a later batch, so that the marks of this one are committed soon.
    async fn settle_dead_letters(&self, letters: &[NewDeadLetter], settled: &mut Settled) -> Result<(), StoreError> {
        let mut is_slow = false;
        for letter in letters {
            if is_slow {
                let error = "another dead letter of its batch took too long".to_owned();
                let wait = wait_of(letter, WaitReason::Retry, Until::After(POSTPONED_FOR), error);
                match self.in_savepoint(self.put_waits(&[&wait], &HashMap::new())).await? {
                    Ok(()) => settled.postponed.push(letter.event_id),
                    Err(error) => settled.refused.push((letter.event_id, format!("its wait: {error}"))),
                }
                continue;
            }
            let Err(error) = self.in_savepoint(self.put_dead_letter(letter)).await? else { continue };
            let words = format!("its dead letter: {error}");
            let StoreError::Failed { cause: cause @ (Cause::Row | Cause::Slow), .. } = error else {
                settled.refused.push((letter.event_id, words));
                continue;
            };
            is_slow |= cause == Cause::Slow;
            let why =
                format!("{}: {}; cannot be moved to the dead letters: {error}", letter.reason.as_str(), letter.error);
            let wait = wait_of(letter, WaitReason::DeadLetterFailed, Until::After(PARKED_FOR), why);
            match self.in_savepoint(self.put_waits(&[&wait], &HashMap::new())).await? {
                Ok(()) => settled.parked.push((letter.event_id, words)),
                Err(error) => settled.refused.push((letter.event_id, format!("{words}; its wait: {error}"))),
            }
        }
        Ok(())
    }

    pub(super) async fn put_waits(
        &self,
        waits: &[&NewWait],
        holds: &HashMap<HoldScope, HoldId>,
    ) -> Result<(), StoreError> {
        let columns = WaitColumns::new(waits, holds);
        let params: [Param<'_>; 11] = [
            (&columns.keys, Type::TEXT_ARRAY),
            (&columns.lanes, Type::INT2_ARRAY),
            (&columns.events, Type::UUID_ARRAY),
            (&columns.seqs, Type::INT8_ARRAY),
            (&columns.reasons, Type::TEXT_ARRAY),
            (&columns.attempts, Type::INT4_ARRAY),
            (&columns.for_ms, Type::INT8_ARRAY),
            (&columns.holds, Type::INT8_ARRAY),
            (&columns.errors, Type::TEXT_ARRAY),
            (&columns.routes, Type::TEXT_ARRAY),
            (&columns.no_route_types, Type::TEXT_ARRAY),
        ];
        let put = call::execute(self.client(), "letting keys wait", &self.queries.put_waits, &params).await?;
        if put > 0 {
            crash::point(crash::Point::InWaits);
        }
        Ok(())
    }

    /// Creates the new holds, locks the old ones, and drops the waits whose hold was just lifted,
    /// because they are due anyway. Routes that were confirmed in the meantime must not be lost
    /// with them.
    pub(super) async fn put_held_waits(&self, settlement: &Settlement) -> Result<(), StoreError> {
        let mut new_holds: Vec<_> = settlement.holds.iter().collect();
        new_holds.sort_by(|left, right| left.scope.columns().cmp(&right.scope.columns()));
        let existing: Vec<HoldId> = settlement
            .waits
            .iter()
            .filter_map(|wait| match wait.hold {
                Some(WaitsFor::Existing(id)) => Some(id),
                Some(WaitsFor::New(_)) | None => None,
            })
            .collect();
        let kept: Vec<HoldId> = if existing.is_empty() {
            Vec::new()
        } else {
            let params: [Param<'_>; 1] = [(&existing, Type::INT8_ARRAY)];
            let kept = call::rows(self.client(), "reading holds", &self.queries.keep_holds, &params).await?;
            kept.iter().map(|row| row.get(0)).collect()
        };
        let mut holds = HashMap::new();
        for hold in new_holds {
            let id = self.put_hold(&hold.scope, hold.kind, &hold.error, hold.probe_after).await?;
            holds.insert(hold.scope.clone(), id);
        }
        let is_held = |wait: &NewWait| match &wait.hold {
            Some(WaitsFor::Existing(id)) => kept.contains(id),
            Some(WaitsFor::New(_)) | None => true,
        };
        let (held, lifted): (Vec<&NewWait>, Vec<&NewWait>) = settlement.waits.iter().partition(|wait| is_held(wait));
        let due = |wait: &&NewWait| NewWait {
            reason: WaitReason::Retry,
            until: Until::After(Duration::ZERO),
            hold: None,
            ..NewWait::clone(wait)
        };
        let due: Vec<NewWait> = lifted.iter().filter(|wait| !wait.routes_confirmed.is_empty()).map(due).collect();
        let waits: Vec<&NewWait> = held.into_iter().chain(&due).collect();
        self.put_waits(&waits, &holds).await
    }

    pub(super) async fn settle_waits(&self, settlement: &Settlement, settled: &mut Settled) -> Result<(), StoreError> {
        if settlement.waits.is_empty() && settlement.holds.is_empty() {
            return Ok(());
        }
        let Err(error) = self.in_savepoint(self.put_held_waits(settlement)).await? else { return Ok(()) };
        tracing::debug!(%error, "the waits of a batch were refused; trying them one by one");
        // Only one of them is bad, and the others must not suffer from it. A hold that none of them
        // names comes back with the next refusal.
        for wait in &settlement.waits {
            let holds = settlement.holds.iter().filter(|hold| wait.hold == Some(WaitsFor::New(hold.scope.clone())));
            let alone =
                Settlement { waits: vec![wait.clone()], holds: holds.cloned().collect(), ..Settlement::default() };
            if let Err(error) = self.in_savepoint(self.put_held_waits(&alone)).await? {
                settled.refused.push((wait.event_id, format!("its wait: {error}")));
            }
        }
        Ok(())
    }

    /// Moves the floors of the batch's lanes that are due. Runs last, so that it sees the marks and
    /// the waits. Its failure does not fail the batch.
    pub(super) async fn move_floors(&self) -> Result<(), StoreError> {
        self.floors.settles();
        let Some(due) = self.floors.due(&self.lanes) else { return Ok(()) };
        if let Err(error) = self.in_savepoint(self.floors.move_held(self, &self.queries, &due, floors::STEP)).await? {
            tracing::debug!(%error, "cannot move the floors; they stay where they are");
            self.floors.failed();
        }
        Ok(())
    }

    /// Lifts the hold or postpones its next probe. Of a lifted hold only its row goes here, whose deletion keeps new waits from naming it:
    /// the waits that do may be many. Answers with the hold that the COMMIT lifts.
    pub(super) async fn settle_probe(&self, result: ProbeResult) -> Result<Option<Hold>, StoreError> {
        match result {
            ProbeResult::Accepted(hold) => {
                let params: [Param<'_>; 1] = [(&hold, Type::INT8)];
                let lifted = call::row(self.client(), "lifting a hold", &self.queries.lift_hold, &params).await?;
                Ok(lifted.as_ref().and_then(rows::hold))
            }
            ProbeResult::Refused(hold, pause) => {
                let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
                let params: [Param<'_>; 2] = [(&hold, Type::INT8), (&pause_ms, Type::INT8)];
                let sql = &self.queries.postpone_probe;
                call::execute(self.client(), "postponing a probe", sql, &params).await?;
                Ok(None)
            }
        }
    }
}

impl PgBatch {
    /// Notes that flows were confirmed. What goes wrong there is not the batch's concern; false if it did.
    async fn put_flows(&self, flows: &[Flow]) -> Result<bool, StoreError> {
        let mut flows: Vec<&Flow> = flows.iter().collect();
        flows.sort_unstable();
        let (exchanges, templates) = flow_columns(flows);
        let params = [(&exchanges as _, Type::TEXT_ARRAY), (&templates as _, Type::TEXT_ARRAY)];
        let put = async {
            let sql = &self.queries.put_flows;
            call::execute(self.client(), "noting confirmed flows", sql, &params).await.map(|_| ())
        };
        match self.in_savepoint(put).await? {
            Ok(()) => Ok(true),
            Err(error) => {
                tracing::debug!(%error, "confirmed flows could not be noted");
                Ok(false)
            }
        }
    }
}

/// The columns `exchange` and `template` of `outbox.flows`.
fn flow_columns<'a>(flows: impl IntoIterator<Item = &'a Flow>) -> (Vec<&'a str>, Vec<&'a str>) {
    flows.into_iter().map(|flow| (&*flow.exchange, &*flow.template)).unzip()
}

impl Batch for PgBatch {
    async fn confirmed_flows(&self, flows: &[Flow]) -> Result<Vec<Flow>, StoreError> {
        let (exchanges, templates) = flow_columns(flows);
        let params = [(&exchanges as _, Type::TEXT_ARRAY), (&templates as _, Type::TEXT_ARRAY)];
        let mut found = Vec::new();
        let ask = async {
            let sql = &self.queries.confirmed_flows;
            let rows = call::rows(self.client(), "reading confirmed flows", sql, &params).await?;
            let flow =
                |row: &Row| Flow { exchange: row.get::<_, &str>(0).into(), template: row.get::<_, &str>(1).into() };
            found.extend(rows.iter().map(flow));
            Ok(())
        };
        self.in_savepoint(ask).await??;
        Ok(found)
    }

    async fn settle(self, settlement: &Settlement) -> Result<Settled, StoreError> {
        let mut settled = Settled::default();
        self.mark(&settlement.published).await?;
        if self.has_waits || settlement.probe.is_some() {
            self.end_waits(&settlement.published).await?;
        }
        self.settle_dead_letters(&settlement.dead_letters, &mut settled).await?;
        self.settle_waits(settlement, &mut settled).await?;
        if !settlement.flows.is_empty() {
            settled.flows_refused = !self.put_flows(&settlement.flows).await?;
        }
        let mut lifted = None;
        if let Some(result) = settlement.probe {
            lifted = self.settle_probe(result).await?;
            crash::point(crash::Point::InProbeSettle);
        }
        if !(settlement.published.is_empty() && settlement.waits.is_empty() && settlement.dead_letters.is_empty()) {
            self.move_floors().await?;
        }
        if !settlement.published.is_empty() {
            crash::point(crash::Point::InSettle);
        }
        if settlement.only_marks() {
            self.commit_marks().await?;
        } else {
            self.commit().await?;
        }
        if let Some(hold) = lifted {
            log_lifted(&hold);
        }
        if !settlement.published.is_empty() {
            crash::point(crash::Point::AfterCommit);
        }
        Ok(settled)
    }
}

/// The wait of a dead letter's key.
fn wait_of(letter: &NewDeadLetter, reason: WaitReason, until: Until, error: String) -> NewWait {
    NewWait {
        key: letter.key.clone(),
        lane: letter.lane,
        event_id: letter.event_id,
        seq: letter.seq,
        reason,
        attempts: letter.attempts,
        until,
        hold: None,
        error: Some(error),
        routes_confirmed: letter.routes_confirmed.clone(),
        no_route_type: None,
    }
}

fn log_lifted(hold: &Hold) {
    let (_, exchange, routing_key, route) = hold.scope.columns();
    let (exchange, routing_key, route) = (some(exchange), some(routing_key), some(route));
    tracing::info!(hold = hold.id, exchange, routing_key, route, "off hold: the destination takes messages again");
}

/// The columns of the waits, as `put_waits.sql` takes them.
struct WaitColumns<'a> {
    keys: Vec<&'a str>,
    lanes: Vec<i16>,
    events: Vec<Uuid>,
    seqs: Vec<i64>,
    reasons: Vec<&'static str>,
    attempts: Vec<i32>,
    for_ms: Vec<Option<i64>>,
    holds: Vec<Option<HoldId>>,
    errors: Vec<Option<&'a str>>,
    routes: Vec<String>,
    no_route_types: Vec<Option<&'a str>>,
}

impl<'a> WaitColumns<'a> {
    fn new(waits: &[&'a NewWait], holds: &HashMap<HoldScope, HoldId>) -> Self {
        let hold = |wait: &NewWait| match &wait.hold {
            Some(WaitsFor::Existing(id)) => Some(*id),
            Some(WaitsFor::New(scope)) => holds.get(scope).copied(),
            None => None,
        };
        let for_ms = |wait: &NewWait| match wait.until {
            Until::After(pause) => Some(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)),
            Until::Lifted => None,
        };
        Self {
            keys: waits.iter().map(|wait| wait.key.as_str()).collect(),
            lanes: waits.iter().map(|wait| wait.lane).collect(),
            events: waits.iter().map(|wait| wait.event_id).collect(),
            seqs: waits.iter().map(|wait| wait.seq).collect(),
            reasons: waits.iter().map(|wait| wait.reason.as_str()).collect(),
            attempts: waits.iter().map(|wait| i32::try_from(wait.attempts).unwrap_or(i32::MAX)).collect(),
            for_ms: waits.iter().map(|wait| for_ms(wait)).collect(),
            holds: waits.iter().map(|wait| hold(wait)).collect(),
            errors: waits.iter().map(|wait| wait.error.as_deref()).collect(),
            routes: waits.iter().map(|wait| wait.routes_confirmed.join(",")).collect(),
            no_route_types: waits.iter().map(|wait| wait.no_route_type.as_deref()).collect(),
        }
    }
}
