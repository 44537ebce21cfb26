//! `outbox-relay replay cancel RUN`: takes back what a run queued and what has not left yet.
//!
//! An event that a relay has sent, or is sending, stays sent. Only runs of published events can be taken back: their events are published
//! already. A chunk happens completely or not at all, and the audit record says how many were taken back.

use serde::Serialize;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::many::consent::log_change;
use crate::commands::many::progress::Progress;
use crate::commands::print::Output;
use crate::commands::print::words::counted;
use crate::commands::replay::audit::{Run, Source};
use crate::commands::session::Session;
use crate::config::selection::Audit;
use crate::error::AppError;
use crate::outbox::store::StoreError;
use crate::postgres::call::Param;

const CHUNK: i64 = 500;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Answer {
    replay_id: Uuid,
    cancelled: usize,
    /// Events of the run that had left before.
    left_before: i64,
}

/// Takes back what has not left.
pub(super) async fn cancel(session: &Session, output: Output, id: Uuid, audit: &Audit) -> Result<(), AppError> {
    let recorded = Run::find(session, id).await?;
    match recorded.run.source {
        Source::Published => {}
        Source::DeadLetters => {
            return Err(AppError::No(format!(
                "run {id} replays dead letters; only a replay of published events can be taken back. To give an event up again: outbox-relay keys dead-letter KEY. Nothing was changed"
            )));
        }
    }
    // Closed first, so that nobody resumes it.
    let params: [Param<'_>; 2] = [(&id, Type::UUID), (&true, Type::BOOL)];
    let closed = session.step(async || session.rows("closing the run", &session.queries.finish_replay, &params).await);
    let events = closed.await?.first().map_or(0, |row| row.get::<_, i64>(0));
    let mut progress = Progress::start("taken back", usize::try_from(events).unwrap_or(0), None)?;
    let mut more = true;
    while more && progress.next().await {
        let given_up = progress.given_up();
        let work = async {
            let (found, taken) = session.step_unless(&given_up, async || chunk(session, id).await).await?;
            more = found > 0;
            Ok(taken)
        };
        progress.run(0, work).await;
    }
    let ended = progress.end();
    log_change(&format!("replay {id} cancelled, {} taken back", counted(ended.done, "event")), audit);
    let cancelled = i64::try_from(ended.done).unwrap_or(i64::MAX);
    let answer = Answer { replay_id: id, cancelled: ended.done, left_before: (events - cancelled).max(0) };
    output.answer(&answer, || {
        let taken = counted(ended.done, "event");
        format!(
            "run {id}: took back {taken}; {} had left before, or was taken back by an earlier cancel\n",
            answer.left_before
        )
    });
    ended.cut.map_or(Ok(()), |cut| Err(cut.with_fix(format!("to do the rest: outbox-relay replay cancel {id}"))))
}

/// How many were found, and how many of them taken back: a relay may have sent some before the lanes were locked.
async fn chunk(session: &Session, run: Uuid) -> Result<(usize, usize), StoreError> {
    let params: [Param<'_>; 2] = [(&run, Type::UUID), (&CHUNK, Type::INT8)];
    let rows = session.rows("looking for what has not left", &session.queries.pending_of_run, &params).await?;
    let (ids, lanes): (Vec<Uuid>, Vec<i16>) =
        rows.iter().map(|row| (row.get::<_, Uuid>("id"), row.get::<_, i16>("lane"))).unzip();
    if ids.is_empty() {
        return Ok((0, 0));
    }
    session.lock_lanes(lanes).await?;
    let params: [Param<'_>; 2] = [(&ids, Type::UUID_ARRAY), (&run, Type::UUID)];
    let taken = session.rows("taking events back", &session.queries.cancel_replay, &params).await?;
    Ok((ids.len(), taken.len()))
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Answer>()
}
