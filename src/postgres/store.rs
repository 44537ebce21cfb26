//! PostgreSQL as the relay's store: claims under lane locks, and the calls that need no batch.
//!
//! Every statement is unnamed, so that pgbouncer works in transaction mode. Every wait
//! has a deadline longer than the server's own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::outbox::event::{Event, HoldId};
use crate::outbox::hold::{HoldKind, HoldScope, Holds};
use crate::outbox::store::{Claim, ClaimLimits, ConfirmedCopy, LateRoute, Marking, ProbeClaim, Store, StoreError};
use crate::postgres::batch::PgBatch;
use crate::postgres::call;
use crate::postgres::claim;
use crate::postgres::claim::Reading;
use crate::postgres::floors::Floors;
use crate::postgres::glance::{Glance, Glances};
use crate::postgres::past::Past;
use crate::postgres::pool::{Database, Object};
use crate::postgres::queries::Queries;
use crate::postgres::rows;
use crate::postgres::schema::check_schema;
use crate::postgres::unreadable;

const OPENING: &str = "opening a batch";
const CLAIMING_LANES: &str = "claiming lanes";

/// Holds that nothing waits for any more, dropped in one look for a probe.
const IDLE_HOLDS_MAX: usize = 16;
/// Waits that one statement makes due: with 5 ms for each, which would be very slow, it stays within the server's limit.
const LIFTED_AT_ONCE: i64 = 1_000;

/// Searches for rows that cannot be read, in one claim.
const SEARCHES_MAX: usize = 4;

/// Why a claim failed. The lanes that it read, if the error is about a row of theirs.
struct Failed {
    error: StoreError,
    lanes: Vec<i16>,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { error, lanes: Vec::new() }
    }
}

/// What came of a look for a probe.
enum Look {
    Found(Box<ProbeClaim<PgBatch>>),
    Nothing,
    /// A hold that nothing waited for: there may be another one.
    Dropped,
}

/// The outbox in PostgreSQL.
#[derive(Clone)]
pub struct PgStore {
    pub(super) database: Database,
    pub(super) queries: Arc<Queries>,
    schema: Arc<str>,
    begin_claim: Arc<str>,
    begin_scan: Arc<str>,
    begin_settle: Arc<str>,
    floors: Floors,
    marking: Marking,
    past: Arc<Past>,
    /// Lanes that were served in the present round, as bits: every lane with work has its turn before any has the next.
    served: Arc<AtomicU64>,
    /// Whether the last claim left nothing behind, so that the next one asks before it opens a transaction.
    idle: Arc<AtomicBool>,
    /// What an idle relay's last looks saw.
    pub(super) glances: Arc<Mutex<Glances>>,
    /// Whether the schema was checked since the last error.
    schema_seen: Arc<AtomicBool>,
}

impl PgStore {
    /// The outbox in `schema`.
    pub fn new(database: Database, schema: &str) -> Self {
        let queries = Queries::new(schema);
        let begin_scan = format!("{};\n{}", queries.begin_batch, queries.plan_claim).into();
        let locks = format!("{};\n{}", queries.lock_tables, queries.lock_floors);
        let begin_settle = format!("{};\n{locks}", queries.begin_batch).into();
        let begin_claim = format!("{begin_scan};\n{locks}").into();
        let floors = Floors::new(database.connects().clone());
        Self {
            database,
            queries,
            schema: schema.into(),
            begin_claim,
            begin_scan,
            begin_settle,
            floors,
            marking: Marking::default(),
            past: Arc::default(),
            served: Arc::default(),
            idle: Arc::default(),
            glances: Arc::default(),
            schema_seen: Arc::default(),
        }
    }

    /// What becomes of the rows of confirmed events, instead of durable marks.
    #[must_use]
    pub fn marking(self, marking: Marking) -> Self {
        Self { marking, ..self }
    }

    /// The pool, for the upkeep.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The SQL, for the upkeep.
    pub fn queries(&self) -> &Arc<Queries> {
        &self.queries
    }

    /// How far floors may move.
    pub(crate) fn floors(&self) -> &Floors {
        &self.floors
    }

    /// Opens a transaction for the upkeep, with a batch's timeouts.
    pub(crate) async fn begin_upkeep(&self) -> Result<PgBatch, StoreError> {
        self.begin_by(&self.queries.begin_batch).await
    }

    /// The same, with a claim's planner settings, for jobs that read pending or published rows in
    /// index order.
    pub(crate) async fn begin_upkeep_as_claim(&self) -> Result<PgBatch, StoreError> {
        self.begin_by(&self.begin_scan).await
    }

    /// Opens a transaction that may read before it writes: with the table locks of both.
    pub(crate) async fn begin(&self) -> Result<PgBatch, StoreError> {
        self.begin_by(&self.begin_settle).await
    }

    async fn begin_by(&self, sql: &str) -> Result<PgBatch, StoreError> {
        let batch = self.unopened().await?;
        call::batch(batch.client(), OPENING, sql).await?;
        if !self.schema_seen.load(Ordering::Relaxed) {
            check_schema(batch.client(), &self.queries, &self.schema).await?;
            self.schema_seen.store(true, Ordering::Relaxed);
        }
        Ok(batch)
    }

    /// Takes a connection for a batch, without opening a transaction.
    async fn unopened(&self) -> Result<PgBatch, StoreError> {
        let client = self.database.connection().await?;
        Ok(PgBatch::new(client, Arc::clone(&self.queries), self.floors.clone(), self.marking))
    }

    /// Opens a claim's transaction and locks lanes in it. Once the schema is known, this is a
    /// single round trip, because events wait for it.
    async fn claim_lanes(&self, limits: &ClaimLimits) -> Result<(PgBatch, Vec<Row>), StoreError> {
        let lanes_max = i64::try_from(limits.lanes).unwrap_or(i64::MAX);
        // The bits as they are: the statement looks at one after the other.
        let served = self.served.load(Ordering::Relaxed).cast_signed();
        let params = [(&lanes_max as _, Type::INT8), (&served as _, Type::INT8)];
        if !self.schema_seen.load(Ordering::Relaxed) {
            let batch = self.begin_by(&self.begin_claim).await?;
            let lanes = call::rows(batch.client(), CLAIMING_LANES, &self.queries.claim_lanes, &params).await?;
            return Ok((batch, lanes));
        }
        let batch = self.unopened().await?;
        // Sent in this order. If the first one fails, the second one takes locks that end with it,
        // and its answer is ignored.
        let ((), lanes) = tokio::try_join!(
            biased;
            call::batch(batch.client(), OPENING, &self.begin_claim),
            call::rows(batch.client(), CLAIMING_LANES, &self.queries.claim_lanes, &params)
        )?;
        Ok((batch, lanes))
    }

    /// After any error, forgets that the schema was fine and that nothing was due.
    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_err() {
            self.schema_seen.store(false, Ordering::Relaxed);
            self.idle.store(false, Ordering::Relaxed);
        }
        result
    }

    async fn try_claim(&self, limits: &ClaimLimits) -> Result<Claim<PgBatch>, Failed> {
        let (mut batch, claimed) = self.claim_lanes(limits).await?;
        let mut has_waits = false;
        let lanes: Vec<i16> = claimed
            .iter()
            .map(|row| {
                has_waits |= row.get::<_, bool>(1);
                row.get(0)
            })
            .collect();
        if lanes.is_empty() {
            batch.abandon().await?;
            return Ok(Claim::nothing(false));
        }
        self.note_served(&lanes);
        let due: i64 = claimed.first().map_or(0, |row| row.get(2));
        let Reading { events, holds, cut_short } =
            match claim::read(&batch, &self.queries, &self.past, &lanes, limits).await {
                Ok(reading) => reading,
                Err(error) if error.is_about_row() => {
                    batch.abandon().await?;
                    return Err(Failed { error, lanes });
                }
                Err(error) => return Err(error.into()),
            };
        let bytes: usize = events.iter().map(Event::payload_bytes).sum();
        // A claim leaves work behind if it took fewer lanes than are due and free, or nearly filled
        // its limits.
        let full = cut_short
            || bytes.saturating_mul(4) >= limits.bytes.saturating_mul(3)
            || (lanes.len() >= limits.lanes && due > i64::try_from(lanes.len()).unwrap_or(i64::MAX));
        has_waits |= events.iter().any(|event| event.waited.is_some());
        batch.set_lanes(lanes, has_waits);
        if events.is_empty() {
            batch.end_waits_only().await?;
            return Ok(Claim::nothing(false));
        }
        Ok(Claim { batch: Some(batch), events, holds, full, is_at_rest: false, unreadable: 0 })
    }

    /// Claims, and parks on the way what the database cannot deliver. An error about a row for which no row is to blame stays one.
    async fn claim_readable(&self, limits: &ClaimLimits) -> Result<Claim<PgBatch>, StoreError> {
        let mut unreadable = 0;
        for _ in 0..SEARCHES_MAX {
            let Failed { error, lanes } = match self.try_claim(limits).await {
                Ok(claim) => return Ok(Claim { unreadable, ..claim }),
                Err(failed) => failed,
            };
            if lanes.is_empty() {
                return Err(error);
            }
            match self.park_unreadable(&lanes, None, limits).await? {
                0 => return Err(error),
                parked => unreadable += parked,
            }
        }
        Ok(Claim { full: true, unreadable, ..Claim::nothing(false) })
    }

    /// Has the keys wait whose events cannot be read: of what a claim of these lanes reads, or this one. Answers how many.
    async fn park_unreadable(
        &self,
        lanes: &[i16],
        event: Option<Uuid>,
        limits: &ClaimLimits,
    ) -> Result<usize, StoreError> {
        let batch = self.begin_by(&self.begin_claim).await?;
        let params: [call::Param<'_>; 1] = [(&lanes, Type::INT2_ARRAY)];
        let locked = call::rows(batch.client(), "locking lanes", &self.queries.try_lock_lanes, &params).await?;
        let locked: Vec<i16> = locked.iter().map(|row| row.get(0)).collect();
        let parked = match event {
            _ if locked.is_empty() => 0,
            Some(event) => unreadable::park_event(&batch, event, limits).await?,
            None => unreadable::park_of_lanes(&batch, &locked, limits).await?,
        };
        batch.commit().await?;
        Ok(parked)
    }

    /// Ends the round once only lanes are due that were served in it.
    fn note_served(&self, lanes: &[i16]) {
        let claimed = lanes.iter().fold(0_u64, |bits, lane| bits | 1 << (lane & 63));
        let served = self.served.load(Ordering::Relaxed);
        let is_over = claimed & !served == 0;
        self.served.store(if is_over { claimed } else { served | claimed }, Ordering::Relaxed);
    }

    async fn try_claim_probe(&self, limits: &ClaimLimits) -> Result<Option<ProbeClaim<PgBatch>>, StoreError> {
        let _turn = self.database.turn().await;
        if self.schema_seen.load(Ordering::Relaxed) && !self.has_due_probe().await {
            return Ok(None);
        }
        for _ in 0..IDLE_HOLDS_MAX {
            match self.look_for_probe(limits).await? {
                Look::Found(claim) => return Ok(Some(*claim)),
                Look::Nothing => return Ok(None),
                Look::Dropped => {}
            }
        }
        Ok(None)
    }

    /// Whether looking for a probe is worth a transaction. What is wrong with the database is left to that transaction to report.
    async fn has_due_probe(&self) -> bool {
        let Ok(client) = self.database.connection().await else { return true };
        match call::one(&client, "looking for due probes", &self.queries.has_due_probe, &[]).await {
            Ok(row) => row.get(0),
            Err(_) => {
                // Takes it out of the pool: the query may still be running there.
                drop(Object::take(client));
                true
            }
        }
    }

    async fn look_for_probe(&self, limits: &ClaimLimits) -> Result<Look, StoreError> {
        let mut batch = self.begin().await?;
        let due = call::row(batch.client(), "looking for a due probe", &self.queries.claim_probe, &[]).await?;
        let Some(due) = due else {
            batch.abandon().await?;
            return Ok(Look::Nothing);
        };
        let (hold, probes): (i64, i32) = (due.get(0), due.get(1));
        // An unknown kind, from a newer relay, is probed like a refusal.
        let kind = HoldKind::parse(due.get(2)).unwrap_or(HoldKind::Refused);
        let hold_param = [(&hold as _, Type::INT8)];
        let (Some(lane), Some(event_id)) = (due.get::<_, Option<i16>>(3), due.get::<_, Option<Uuid>>(4)) else {
            call::execute(batch.client(), "dropping an idle hold", &self.queries.drop_idle_hold, &hold_param).await?;
            batch.commit().await?;
            return Ok(Look::Dropped);
        };
        let payload_max = i32::try_from(limits.payload_bytes).unwrap_or(i32::MAX);
        let params: [call::Param<'_>; 3] = [(&event_id, Type::UUID), (&hold, Type::INT8), (&payload_max, Type::INT4)];
        let client = batch.client();
        let read = tokio::try_join!(
            call::row(client, "reading the probe's event", &self.queries.claim_probe_event, &params),
            call::rows(client, "reading the holds", &self.queries.list_holds, &[])
        );
        let (event, holds) = match read.and_then(|(row, holds)| Ok((row.as_ref().map(rows::event).transpose()?, holds)))
        {
            Ok(read) => read,
            Err(error) if error.is_about_row() => {
                batch.abandon().await?;
                let parked = self.park_unreadable(&[lane], Some(event_id), limits).await?;
                return if parked > 0 { Ok(Look::Dropped) } else { Err(error) };
            }
            Err(error) => return Err(error),
        };
        batch.set_lanes(vec![lane], false);
        let holds = Holds::new(holds.iter().filter_map(rows::hold).collect());
        let (Some(event), Some(scope)) = (event, holds.scope_of(hold)) else {
            batch.abandon().await?;
            return Ok(Look::Nothing);
        };
        let holds = holds.probing(hold);
        let probes = u32::try_from(probes).unwrap_or(0);
        Ok(Look::Found(Box::new(ProbeClaim { batch, event, hold, scope, probes, kind, holds })))
    }
}

impl Store for PgStore {
    type Batch = PgBatch;

    async fn claim(&self, limits: &ClaimLimits, hinted: bool) -> Result<Claim<PgBatch>, StoreError> {
        if !hinted && self.idle.load(Ordering::Relaxed) {
            let glance = self.has_work().await;
            let Glance { has_work, is_at_rest, .. } = self.noted(glance)?;
            if !has_work {
                return Ok(Claim::nothing(is_at_rest));
            }
        }
        let claimed = self.claim_readable(limits).await;
        if let Ok(claim) = &claimed {
            self.idle.store(!claim.full, Ordering::Relaxed);
        }
        self.noted(claimed)
    }

    async fn claim_probe(&self, limits: &ClaimLimits) -> Result<Option<ProbeClaim<PgBatch>>, StoreError> {
        let claimed = self.try_claim_probe(limits).await;
        self.noted(claimed)
    }

    async fn mark_late(&self, confirmed: &[ConfirmedCopy]) -> Result<(), StoreError> {
        let mut parts = vec![confirmed];
        while let Some(part) = parts.pop() {
            match (self.mark_at_once(part).await, part) {
                (Ok(()), _) => {}
                // A trigger that chokes on one row, for example: the others' marks must not wait for it.
                (Err(error), [copy]) if error.is_about_row() => self.park_unmarked(copy.event, &error).await?,
                (Err(error), part) if error.is_about_row() => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(())
    }

    async fn note_routes(&self, routes: &[LateRoute]) -> Result<(), StoreError> {
        let events: Vec<Uuid> = routes.iter().map(|late| late.event).collect();
        let replays: Vec<Option<Uuid>> = routes.iter().map(|late| late.replay_id).collect();
        let names: Vec<&str> = routes.iter().map(|late| &*late.route).collect();
        let batch = self.begin().await?;
        let params: [call::Param<'_>; 3] =
            [(&events, Type::UUID_ARRAY), (&replays, Type::UUID_ARRAY), (&names, Type::TEXT_ARRAY)];
        let sql = &self.queries.note_routes;
        call::execute(batch.client(), "noting routes of late confirms", sql, &params).await?;
        batch.commit().await
    }

    async fn recheck(&self, events: &[Uuid]) -> Result<(), StoreError> {
        let batch = self.begin().await?;
        let params = [(&events as _, Type::UUID_ARRAY)];
        call::execute(batch.client(), "making unconfirmed events due", &self.queries.wake_waits, &params).await?;
        batch.commit().await
    }

    async fn hold_unconfirmed(&self, stuck: &[(Uuid, HoldScope)], probe_after: Duration) -> Result<(), StoreError> {
        let batch = self.begin().await?;
        let mut scopes: Vec<&HoldScope> = stuck.iter().map(|(_, scope)| scope).collect();
        scopes.sort_by_key(|scope| scope.columns());
        scopes.dedup();
        for scope in scopes {
            let hold =
                batch.put_hold(scope, HoldKind::Unconfirmed, "no confirm within the timeout", probe_after).await?;
            let ids: Vec<Uuid> = stuck.iter().filter(|(_, other)| other == scope).map(|(id, _)| *id).collect();
            let params = [(&ids as _, Type::UUID_ARRAY), (&hold as _, Type::INT8)];
            let sql = &self.queries.hold_unconfirmed_waits;
            call::execute(batch.client(), "holding unconfirmed events", sql, &params).await?;
        }
        batch.commit().await
    }

    async fn lift_unconfirmed(&self, scopes: &[HoldScope]) -> Result<(), StoreError> {
        let batch = self.begin().await?;
        let columns = scopes.iter().map(HoldScope::columns);
        let (mut names, mut exchanges, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for (name, exchange, routing_key, _) in columns {
            names.push(name);
            exchanges.push(exchange);
            keys.push(routing_key);
        }
        let params: [call::Param<'_>; 3] =
            [(&names, Type::TEXT_ARRAY), (&exchanges, Type::TEXT_ARRAY), (&keys, Type::TEXT_ARRAY)];
        let sql = &self.queries.unconfirmed_holds;
        let lifted = call::rows(batch.client(), "lifting holds of late confirms", sql, &params).await?;
        batch.commit().await?;
        for hold in lifted.iter().map(|row| row.get(0)) {
            self.lift_waits(hold).await?;
        }
        Ok(())
    }

    async fn lift_waits(&self, hold: HoldId) -> Result<(), StoreError> {
        let mut after = 0_i64;
        loop {
            let batch = self.begin().await?;
            let params: [call::Param<'_>; 3] =
                [(&hold, Type::INT8), (&after, Type::INT8), (&LIFTED_AT_ONCE, Type::INT8)];
            let row = call::one(batch.client(), "lifting waits", &self.queries.lift_waits, &params).await?;
            batch.commit().await?;
            let (lifted, seq): (i64, Option<i64>) = (row.get(0), row.get(1));
            match seq {
                Some(seq) if lifted >= LIFTED_AT_ONCE => after = seq,
                Some(_) | None => return Ok(()),
            }
        }
    }

    async fn probe_unconfirmed(&self) -> Result<(), StoreError> {
        let batch = self.begin().await?;
        let sql = &self.queries.probe_unconfirmed;
        call::execute(batch.client(), "having holds probed soon", sql, &[]).await?;
        batch.commit().await
    }
}
