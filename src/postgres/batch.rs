//! An open batch in PostgreSQL: one transaction that holds lane locks.
//!
//! Dropping it, for example in a panic, closes its connection, which rolls back and frees the
//! lanes.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::outbox::event::HoldId;
use crate::outbox::hold::{HoldKind, HoldScope};
use crate::outbox::store::{Marking, StoreError};
use crate::postgres::call;
use crate::postgres::call::Param;
use crate::postgres::floors::Floors;
use crate::postgres::pool::Object;
use crate::postgres::queries::Queries;

/// The transaction of one batch.
pub struct PgBatch {
    pub(super) client: Option<Object>,
    pub(super) queries: Arc<Queries>,
    pub(super) floors: Floors,
    pub(super) lanes: Vec<i16>,
    pub(super) has_waits: bool,
    marking: Marking,
}

impl PgBatch {
    /// Takes a connection, on which the caller then opens a transaction.
    pub(crate) fn new(client: Object, queries: Arc<Queries>, floors: Floors, marking: Marking) -> Self {
        Self { client: Some(client), queries, floors, lanes: Vec::new(), has_waits: false, marking }
    }

    pub(crate) fn client(&self) -> &Object {
        self.client.as_ref().expect("the connection leaves only when the batch ends")
    }

    pub(crate) fn set_lanes(&mut self, lanes: Vec<i16>, has_waits: bool) {
        self.lanes = lanes;
        self.has_waits = has_waits;
    }

    /// Commits, and returns the connection to the pool.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        call::batch(self.client(), "committing", "COMMIT").await?;
        self.client = None;
        Ok(())
    }

    /// Commits what only marks: a server that crashes within less than a second may forget it, and its events are sent again. Their order
    /// stays, because the log forgets nothing but its end.
    pub(crate) async fn commit_marks(mut self) -> Result<(), StoreError> {
        if self.marking.is_durable {
            return self.commit().await;
        }
        call::batch(self.client(), "committing", "SET LOCAL synchronous_commit = off; COMMIT").await?;
        self.client = None;
        Ok(())
    }

    /// Ends a batch that changed nothing.
    pub(crate) async fn abandon(mut self) -> Result<(), StoreError> {
        call::batch(self.client(), "ending an empty batch", "ROLLBACK").await?;
        self.client = None;
        Ok(())
    }

    /// Ends due waits whose events are already settled, when nothing else is due.
    pub(crate) async fn end_waits_only(self) -> Result<(), StoreError> {
        if !self.has_waits {
            return self.abandon().await;
        }
        self.end_waits(&[]).await?;
        self.commit().await
    }

    /// Marks events or deletes them, and checks that none of them is pending any more.
    pub(crate) async fn mark(&self, ids: &[Uuid]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let params: [Param<'_>; 1] = [(&ids, Type::UUID_ARRAY)];
        let (action, sql) = if self.marking.deletes {
            ("deleting confirmed events", &self.queries.delete_confirmed)
        } else {
            ("marking events published", &self.queries.mark_published)
        };
        let marked = call::execute(self.client(), action, sql, &params).await?;
        if marked == ids.len() as u64 {
            return Ok(());
        }
        let sql = &self.queries.count_pending;
        match call::one(self.client(), "counting unmarked events", sql, &params).await?.get::<_, i64>(0) {
            0 => Ok(()),
            still_pending => Err(StoreError::MarksRefused { still_pending }),
        }
    }

    /// Puts a destination on hold. An existing hold gets the new error, kind and reason; an operator's keeps its kind and reason.
    pub(crate) async fn put_hold(
        &self,
        scope: &HoldScope,
        kind: HoldKind,
        error: &str,
        probe_after: Duration,
    ) -> Result<HoldId, StoreError> {
        let (scope_name, exchange, routing_key, route) = scope.columns();
        let probe_after_ms = i64::try_from(probe_after.as_millis()).unwrap_or(i64::MAX);
        let (kind_name, reason) = (kind.as_str(), kind.reason());
        let params: [Param<'_>; 8] = [
            (&scope_name, Type::TEXT),
            (&exchange, Type::TEXT),
            (&routing_key, Type::TEXT),
            (&route, Type::TEXT),
            (&kind_name, Type::TEXT),
            (&reason, Type::TEXT),
            (&error, Type::TEXT),
            (&probe_after_ms, Type::INT8),
        ];
        let row = call::one(self.client(), "putting a destination on hold", &self.queries.put_hold, &params).await?;
        if row.get(1) {
            let (hold, exchange, routing_key, route) =
                (row.get::<_, HoldId>(0), some(exchange), some(routing_key), some(route));
            tracing::warn!(hold, exchange, routing_key, route, kind = kind_name, error, "on hold: {reason}");
        }
        Ok(row.get(0))
    }

    pub(super) async fn end_waits(&self, settled: &[Uuid]) -> Result<(), StoreError> {
        let params: [Param<'_>; 2] = [(&self.lanes, Type::INT2_ARRAY), (&settled, Type::UUID_ARRAY)];
        call::execute(self.client(), "ending waits", &self.queries.end_waits, &params).await.map(|_| ())
    }

    /// Runs `work` in a savepoint, so that a failure there does not lose the marks.
    pub(super) async fn in_savepoint(
        &self,
        work: impl Future<Output = Result<(), StoreError>>,
    ) -> Result<Result<(), StoreError>, StoreError> {
        call::batch(self.client(), "opening a savepoint", "SAVEPOINT part").await?;
        let done = work.await;
        if matches!(done, Err(StoreError::Unreachable(_))) {
            return done.map(Ok);
        }
        let end = if done.is_ok() { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" };
        call::batch(self.client(), "ending a savepoint", end).await?;
        Ok(done)
    }
}

impl Drop for PgBatch {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // Takes it out of the pool: dropping the client closes the connection, and the server
            // rolls back.
            drop(Object::take(client));
        }
    }
}

/// `None` for a column that is empty in this scope, which drops the field from the log line.
pub(super) fn some(column: &str) -> Option<&str> {
    (!column.is_empty()).then_some(column)
}
