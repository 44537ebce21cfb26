//! The simulated database behind the relay's seam `Store`: connections, transactions, statements that take time, errors, and a server
//! that goes on with what it was asked whether its client lives or not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outbox_relay::outbox::event::{Event, HoldId, Waited};
use outbox_relay::outbox::flow::Flow;
use outbox_relay::outbox::hold::{Hold, HoldScope, Holds};
use outbox_relay::outbox::store::{
    Batch, Cause, Claim, ClaimLimits, ConfirmedCopy, LateRoute, NewWait, ProbeClaim, ProbeResult, Settled, Settlement,
    Store, StoreError, Until, WaitsFor,
};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::defects::Defect;
use crate::events::{event, number_of};
use crate::table::{Number, Table, TxId, waited};
use crate::world::{Ms, NEVER, Process, Sim, World};

/// The relay's own deadline of a database call.
const CALL_MAX: Ms = 8_000;
/// Waits that one statement makes due, as in `link::store`.
const LIFTED_AT_ONCE: usize = 1_000;
/// `statement_timeout` of a batch.
const STATEMENT_MAX: Ms = 5_000;

/// One process's database.
#[derive(Clone)]
pub struct SimStore {
    sim: Arc<Sim>,
    process: Process,
    /// Lanes that were served in the present round.
    served: Arc<Mutex<BTreeSet<i16>>>,
}

/// An open transaction, and the lanes that it holds. Dropping it closes its connection.
pub struct SimBatch {
    store: SimStore,
    tx: TxId,
    lanes: Vec<i16>,
    has_waits: bool,
}

fn unreachable(words: &str) -> StoreError {
    StoreError::Unreachable(words.to_owned())
}

impl SimStore {
    pub fn new(sim: &Arc<Sim>, process: Process) -> Self {
        Self { sim: Arc::clone(sim), process, served: Arc::default() }
    }

    /// Ends the round once only lanes are due that were served in it.
    fn note_served(&self, lanes: &[i16]) {
        let mut served = self.served.lock().expect("nobody panics while it is held");
        if lanes.iter().all(|lane| served.contains(lane)) {
            served.clear();
        }
        served.extend(lanes);
    }

    async fn begin(&self) -> Result<SimBatch, StoreError> {
        let process = self.process;
        let tx = self.call(None, "begin", move |world, now| world.table.begin(process, now)).await?;
        Ok(SimBatch { store: self.clone(), tx, lanes: Vec::new(), has_waits: false })
    }

    /// One statement. `tx` is the transaction that it runs in; `what` is for the log.
    async fn call<T: Send + 'static>(
        &self,
        tx: Option<TxId>,
        what: &'static str,
        statement: impl FnOnce(&mut World, Ms) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = self.ask(tx, statement).await;
        if let Err(error) = &answer {
            self.sim.incident(Some(self.process), "a database call failed");
            self.sim.say(|| format!("p{} {what}: {error}", self.process));
        }
        answer
    }

    async fn ask<T: Send + 'static>(
        &self,
        tx: Option<TxId>,
        statement: impl FnOnce(&mut World, Ms) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (is_down, hangs, is_heard, there, back) = {
            let mut world = self.sim.lock();
            let weather = (world.table.weather.is_down, world.table.weather.hangs, world.table.weather.slow_ms);
            let dice = &mut world.dice;
            let most = weather.2.max(3);
            (weather.0, weather.1, dice.bool(), dice.u64(0..=most), dice.u64(0..=2))
        };
        if is_down {
            self.sim.pause(there.min(50)).await;
            return Err(unreachable("connection refused"));
        }
        let (told, answer) = oneshot::channel();
        let (unheard, answer) = if !hangs {
            tokio::spawn(serve(Arc::clone(&self.sim), tx, there, back, statement, told));
            (None, answer)
        } else {
            // The request may get through, an answer never does.
            if is_heard {
                let (nobody, _) = oneshot::channel();
                tokio::spawn(serve(Arc::clone(&self.sim), tx, there, back, statement, nobody));
            }
            (Some(told), answer)
        };
        let limit = Duration::from_millis(CALL_MAX);
        let answer = tokio::time::timeout(limit, answer).await;
        drop(unheard);
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(unreachable("the connection was closed")),
            Err(_) => Err(unreachable("the call took longer than 8s")),
        }
    }

    /// A statement that takes so long for its rows, or is cut off.
    async fn rows_take(&self, batch: &SimBatch, ms: Ms) -> Result<(), StoreError> {
        self.sim.pause(ms.min(STATEMENT_MAX)).await;
        if ms > STATEMENT_MAX {
            let tx = batch.tx;
            self.call(Some(tx), "statement timeout", move |world, _| world.table.end(tx)).await?;
            let error = "canceling statement due to statement timeout".to_owned();
            return Err(StoreError::Failed { action: "lifting waits", error, cause: Cause::Other });
        }
        Ok(())
    }

    fn connection_is_lost(&self, tx: TxId) {
        let mut world = self.sim.lock();
        let (now, after) = (self.sim.now(), world.dice.u64(0..30));
        if let Some(tx) = world.table.txs.get_mut(&tx) {
            tx.gone_at = tx.gone_at.min(now + after);
        }
    }

    /// Commits what `changes` does, all at once; the outcome may be unknown.
    async fn commit(
        &self,
        mut batch: SimBatch,
        what: &'static str,
        changes: impl FnOnce(&mut Table, Ms) + Send + 'static,
    ) -> Result<(), StoreError> {
        let (tx, sim) = (batch.tx, Arc::clone(&self.sim));
        let committed = self.call(Some(tx), what, move |world, now| {
            let one_in = world.table.weather.unknown_commits;
            let fate = if one_in > 0 && world.dice.u64(0..one_in) == 0 { world.dice.u64(1..=2) } else { 0 };
            let lies = sim.has(Defect::SettleLies) && what == "settle" && world.dice.u64(0..10) == 0;
            if fate != 1 && !lies {
                changes(&mut world.table, now);
            }
            world.table.end(tx);
            fate == 0
        });
        if committed.await? {
            batch.tx = 0;
            return Ok(());
        }
        self.sim.incident(Some(self.process), "the outcome of a commit is unknown");
        self.sim.say(|| format!("p{} {what}: the outcome is unknown", self.process));
        Err(unreachable("the connection was closed"))
    }

    fn events(world: &World, found: &[(Number, Option<Waited>)]) -> Vec<Event> {
        let read = |(number, waited): &(Number, Option<Waited>)| {
            let row = world.table.row(*number);
            event(*number, row.seq, row.lane, &row.key, row.kind, waited.clone())
        };
        found.iter().map(read).collect()
    }
}

/// The server's side of one statement: it runs whether or not the client still waits for it.
async fn serve<T>(
    sim: Arc<Sim>,
    tx: Option<TxId>,
    there: Ms,
    back: Ms,
    statement: impl FnOnce(&mut World, Ms) -> T,
    told: oneshot::Sender<Result<T, StoreError>>,
) {
    if let Some(tx) = tx {
        let mut world = sim.lock();
        let now = sim.now();
        if world.table.is_alive(tx, now)
            && let Some(tx) = world.table.txs.get_mut(&tx)
        {
            (tx.is_busy, tx.last_statement) = (true, now);
        }
    }
    sim.pause(there.min(STATEMENT_MAX)).await;
    let answer = {
        let mut world = sim.lock();
        let now = sim.now();
        let lives = tx.is_none_or(|tx| world.table.is_alive(tx, now));
        if world.table.weather.is_down || !lives {
            tx.into_iter().for_each(|tx| world.table.end(tx));
            Err(unreachable("the connection was closed"))
        } else if there > STATEMENT_MAX {
            tx.into_iter().for_each(|tx| world.table.end(tx));
            let error = "canceling statement due to statement timeout".to_owned();
            Err(StoreError::Failed { action: "a statement", error, cause: Cause::Other })
        } else {
            let answer = statement(&mut world, now);
            if let Some(tx) = tx.and_then(|tx| world.table.txs.get_mut(&tx)) {
                (tx.is_busy, tx.last_statement) = (false, now);
            }
            Ok(answer)
        }
    };
    sim.pause(back).await;
    // Nobody to tell: the client has gone.
    drop(told.send(answer));
}

impl Store for SimStore {
    type Batch = SimBatch;

    async fn claim(&self, limits: &ClaimLimits, _hinted: bool) -> Result<Claim<SimBatch>, StoreError> {
        let limits = *limits;
        let mut batch = self.begin().await?;
        let tx = batch.tx;
        let served = self.served.lock().expect("nobody panics while it is held").clone();
        let due = self.call(Some(tx), "snapshot", move |world, now| world.table.due_lanes(&served, now)).await?;
        let lanes_due: Vec<i16> = due.iter().map(|(lane, _)| *lane).collect();
        let stale = self.sim.has(Defect::StaleClaim);
        let seen = stale.then(|| {
            let world = self.sim.lock();
            let found = world.table.due_events(&lanes_due, &limits, self.sim.now());
            Self::events(&world, &found)
        });
        let shared = self.sim.has(Defect::SharedLanes);
        let candidates = due.clone();
        let locked = self.call(Some(tx), "lock lanes", move |world, now| {
            let free = candidates.into_iter().filter(|(lane, _)| shared || world.table.try_lock_lane(tx, *lane, now));
            free.take(limits.lanes).collect::<Vec<_>>()
        });
        let locked = locked.await?;
        let lanes: Vec<i16> = locked.iter().map(|(lane, _)| *lane).collect();
        batch.has_waits = locked.iter().any(|(_, has_waits)| *has_waits);
        batch.lanes.clone_from(&lanes);
        self.note_served(&lanes);
        if lanes.is_empty() {
            batch.abandon().await?;
            return Ok(Claim::nothing(false));
        }
        let asked = lanes.clone();
        let found = self.call(Some(tx), "claim events", move |world, now| {
            let found = world.table.due_events(&asked, &limits, now);
            Self::events(world, &found)
        });
        let mut events = found.await?;
        if let Some(seen) = seen {
            events = seen.into_iter().filter(|event| lanes.contains(&event.lane)).collect();
        }
        let holds = self.call(Some(tx), "read holds", |world, _| holds(&world.table)).await?;
        batch.has_waits |= events.iter().any(|event| event.waited.is_some());
        let full = events.len() >= limits.events || (lanes.len() >= limits.lanes && due.len() > lanes.len());
        if events.is_empty() {
            batch.end_waits_only().await?;
            return Ok(Claim::nothing(false));
        }
        self.sim.say(|| format!("p{} t{tx} claims {}", self.process, names(events.iter().map(|event| event.id))));
        Ok(Claim { batch: Some(batch), events, holds, full, is_at_rest: false, unreadable: 0 })
    }

    async fn claim_probe(&self, _limits: &ClaimLimits) -> Result<Option<ProbeClaim<SimBatch>>, StoreError> {
        let mut batch = self.begin().await?;
        let tx = batch.tx;
        let claimed = self.call(Some(tx), "claim probe", move |world, now| {
            let (hold, number) = world.table.claim_probe(tx, now)?;
            Some((hold, world.table.holds[&hold].clone(), number))
        });
        let Some((hold, row, number)) = claimed.await? else {
            batch.abandon().await?;
            return Ok(None);
        };
        let probes = row.probes;
        let Some(number) = number else {
            let dropped = move |table: &mut Table, _| {
                if table.waits.values().all(|wait| wait.hold != Some(hold)) {
                    table.holds.remove(&hold);
                }
            };
            self.commit(batch, "drop idle hold", dropped).await?;
            return Ok(None);
        };
        let read = self.call(Some(tx), "claim probe event", move |world, _| {
            let mut waits = world.table.waits.values();
            let wait = waits.find(|wait| wait.number == number && wait.hold == Some(hold))?;
            let row = world.table.row(number);
            let event = event(number, row.seq, row.lane, &row.key, row.kind, Some(waited(wait)));
            row.is_pending().then_some(event)
        });
        let event = read.await?;
        let holds = self.call(Some(tx), "read holds", |world, _| holds(&world.table)).await?;
        let (Some(event), Some(scope)) = (event, holds.scope_of(hold)) else {
            batch.abandon().await?;
            return Ok(None);
        };
        batch.lanes = vec![event.lane];
        self.sim.probes(self.process, hold, number);
        Ok(Some(ProbeClaim { batch, event, hold, scope, probes, kind: row.kind, holds: holds.probing(hold) }))
    }

    async fn mark_late(&self, confirmed: &[ConfirmedCopy]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = confirmed.iter().map(|copy| copy.event).collect();
        self.sim.say(|| format!("p{} marks late {}", self.process, names(ids.iter().copied())));
        let batch = self.begin().await?;
        if self.sim.has(Defect::LateMarkDropped) {
            return Ok(());
        }
        let changes = move |table: &mut Table, now| {
            table.mark(&ids, now);
            table.wake_marked_waits(&ids, now);
        };
        self.commit(batch, "mark late", changes).await
    }

    async fn note_routes(&self, routes: &[LateRoute]) -> Result<(), StoreError> {
        let batch = self.begin().await?;
        let routes = routes.to_vec();
        self.commit(batch, "note routes", move |table, _| table.note_routes(&routes)).await
    }

    async fn recheck(&self, events: &[Uuid]) -> Result<(), StoreError> {
        let batch = self.begin().await?;
        let ids = events.to_vec();
        self.commit(batch, "recheck", move |table, now| table.wake_waits(&ids, now)).await
    }

    async fn hold_unconfirmed(&self, stuck: &[(Uuid, HoldScope)], probe_after: Duration) -> Result<(), StoreError> {
        self.sim.say(|| format!("p{} holds unconfirmed {}", self.process, names(stuck.iter().map(|(id, _)| *id))));
        let batch = self.begin().await?;
        let stuck = stuck.to_vec();
        let changes = move |table: &mut Table, now| table.hold_unconfirmed(&stuck, probe_after, now);
        self.commit(batch, "hold unconfirmed", changes).await
    }

    async fn lift_unconfirmed(&self, scopes: &[HoldScope]) -> Result<(), StoreError> {
        let batch = self.begin().await?;
        let (scopes, lifted) = (scopes.to_vec(), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::clone(&lifted);
        let changes = move |table: &mut Table, _| {
            *told.lock().expect("nobody panics while it is held") = table.lift_unconfirmed(&scopes);
        };
        self.commit(batch, "lift unconfirmed", changes).await?;
        let lifted = lifted.lock().expect("nobody panics while it is held").clone();
        for hold in lifted {
            self.lift_waits(hold).await?;
        }
        Ok(())
    }

    async fn probe_unconfirmed(&self) -> Result<(), StoreError> {
        let batch = self.begin().await?;
        self.commit(batch, "probe unconfirmed", |table, now| table.probe_unconfirmed(now)).await
    }

    async fn lift_waits(&self, hold: HoldId) -> Result<(), StoreError> {
        loop {
            let batch = self.begin().await?;
            let waiting = {
                let world = self.sim.lock();
                let waiting = world.table.waits.values().filter(|wait| wait.hold == Some(hold)).count();
                let slow = world.table.weather.waits_per_ms;
                (waiting.min(LIFTED_AT_ONCE), slow)
            };
            if let (rows, slow @ 1..) = waiting {
                self.rows_take(&batch, Ms::try_from(rows / slow).unwrap_or(NEVER)).await?;
            }
            let lifted = Arc::new(AtomicUsize::new(0));
            let told = Arc::clone(&lifted);
            let changes = move |table: &mut Table, now| {
                told.store(table.lift_waits(hold, LIFTED_AT_ONCE, now), Ordering::Relaxed);
            };
            self.commit(batch, "lift waits", changes).await?;
            if lifted.load(Ordering::Relaxed) < LIFTED_AT_ONCE {
                return Ok(());
            }
        }
    }
}

fn holds(table: &Table) -> Holds {
    Holds::new(table.holds.iter().map(|(id, hold)| Hold { id: *id, scope: hold.scope.clone() }).collect())
}

pub fn names(ids: impl Iterator<Item = Uuid>) -> String {
    ids.map(|id| format!("e{}", number_of(id))).collect::<Vec<_>>().join(" ")
}

impl SimBatch {
    async fn abandon(mut self) -> Result<(), StoreError> {
        let tx = self.tx;
        self.store.clone().call(Some(tx), "rollback", move |world, _| world.table.end(tx)).await?;
        self.tx = 0;
        Ok(())
    }

    async fn end_waits_only(self) -> Result<(), StoreError> {
        if !self.has_waits {
            return self.abandon().await;
        }
        let (store, lanes) = (self.store.clone(), self.lanes.clone());
        store.commit(self, "end waits", move |table, now| table.end_waits(&lanes, &[], now)).await
    }
}

impl Batch for SimBatch {
    async fn confirmed_flows(&self, flows: &[Flow]) -> Result<Vec<Flow>, StoreError> {
        let flows = flows.to_vec();
        let known = self.store.call(Some(self.tx), "confirmed flows", move |world, _| {
            flows.into_iter().filter(|flow| world.table.flows.contains_key(flow)).collect()
        });
        known.await
    }

    async fn settle(self, settlement: &Settlement) -> Result<Settled, StoreError> {
        let (store, lanes, has_waits) = (self.store.clone(), self.lanes.clone(), self.has_waits);
        let mut settlement = settlement.clone();
        spoil(&store.sim, &mut settlement);
        store.sim.say(|| format!("p{} t{} settles {}", store.process, self.tx, told(&settlement)));
        // The statements before the commit: time in which the transaction may be lost.
        store.call(Some(self.tx), "settle", |_, _| ()).await?;
        let changes = move |table: &mut Table, now| table.settle(&lanes, has_waits, &settlement, now);
        store.commit(self, "settle", changes).await?;
        Ok(Settled::default())
    }
}

impl Drop for SimBatch {
    fn drop(&mut self) {
        if self.tx != 0 {
            self.store.connection_is_lost(self.tx);
        }
    }
}

/// Planted defects of a settlement.
fn spoil(sim: &Sim, settlement: &mut Settlement) {
    if sim.has(Defect::NackCharges) {
        for wait in settlement.waits.iter_mut().filter(|wait| wait.until == Until::Lifted) {
            *wait = NewWait { attempts: wait.attempts + 1, ..wait.clone() };
        }
    }
    if sim.has(Defect::DeadLetterVanishes) {
        settlement.published.extend(settlement.dead_letters.drain(..).map(|letter| letter.event_id));
    }
    if sim.has(Defect::HoldsTooMuch) {
        let widen = |scope: &mut HoldScope| {
            if let HoldScope::Key(there) = scope {
                *scope = HoldScope::Exchange(there.exchange.clone());
            }
        };
        settlement.holds.iter_mut().for_each(|hold| widen(&mut hold.scope));
        for wait in &mut settlement.waits {
            if let Some(WaitsFor::New(scope)) = &mut wait.hold {
                widen(scope);
            }
        }
    }
    if sim.has(Defect::WaitDropped) {
        settlement.waits.retain(|wait| matches!(wait.until, Until::Lifted));
    }
    if sim.has(Defect::HoldNeverLifted) {
        settlement.probe = settlement.probe.map(|result| match result {
            ProbeResult::Accepted(hold) | ProbeResult::Refused(hold, _) => {
                ProbeResult::Refused(hold, Duration::from_secs(10))
            }
        });
    }
}

fn told(settlement: &Settlement) -> String {
    let waits = settlement.waits.iter().map(|wait| {
        format!("e{} {}:{} {:?}", number_of(wait.event_id), wait.reason.as_str(), wait.attempts, wait.until)
    });
    let letters = settlement.dead_letters.iter();
    let letters = letters.map(|letter| format!("e{} {}", number_of(letter.event_id), letter.reason.as_str()));
    let holds = settlement.holds.iter().map(|hold| format!("{} {}", hold.scope, hold.kind.as_str()));
    format!(
        "published [{}] waits {:?} letters {:?} holds {:?} probe {:?}",
        names(settlement.published.iter().copied()),
        waits.collect::<Vec<_>>(),
        letters.collect::<Vec<_>>(),
        holds.collect::<Vec<_>>(),
        settlement.probe
    )
}
