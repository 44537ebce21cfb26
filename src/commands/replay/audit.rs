//! The audit record of a replay: one row of `outbox.replays` per run, opened before the first
//! chunk, updated within each, and closed at the end.
//!
//! Used by `replay` and `dlq replay`. An interrupted run stays open and can be resumed.

use serde::Serialize;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::many::consent::log_change;
use crate::commands::many::progress::Ended;
use crate::commands::print::Output;
use crate::commands::print::words::counted;
use crate::commands::session::Session;
use crate::config::selection::{Audit, Selection};
use crate::error::AppError;
use crate::outbox::store::StoreError;
use crate::postgres::call::Param;

/// The most skipped rows that an answer names.
const SKIPPED_NAMED_MAX: usize = 100;

/// What a run replays (`outbox.replays.source`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Published events.
    Published,
    /// Dead letters.
    DeadLetters,
}

impl Source {
    const ALL: [Self; 2] = [Self::Published, Self::DeadLetters];

    fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::DeadLetters => "dead_letters",
        }
    }
}

/// A run with an open audit record.
#[derive(Debug)]
pub struct Run {
    /// Its id, also in the header x-outbox-replay.
    pub id: Uuid,
    /// What it replays.
    pub source: Source,
    /// When its rows were selected, by the database's clock.
    pub started_at: String,
}

/// A run, from its audit record.
#[derive(Debug)]
pub struct Recorded {
    /// The run.
    pub run: Run,
    /// Which rows it replays.
    pub selection: Selection,
    /// Events sent again so far.
    pub events: usize,
    /// Whether it is finished.
    pub is_finished: bool,
}

/// A row that was skipped.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Skipped {
    /// The event's or dead letter's id.
    pub id: String,
    /// Why.
    pub reason: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Answer {
    replay_id: Uuid,
    source: Source,
    matched: usize,
    replayed: usize,
    replayed_by_run: i64,
    skipped_count: usize,
    skipped: Vec<Skipped>,
    finished: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
}

impl Run {
    /// Opens the audit record.
    pub async fn open(
        session: &Session,
        source: Source,
        selection: &Selection,
        audit: &Audit,
        looked_at: &str,
    ) -> Result<Self, AppError> {
        let selection = serde_json::to_string(selection).expect("a selection has only string keys");
        let name = source.as_str();
        let params: [Param<'_>; 5] = [
            (&name, Type::TEXT),
            (&selection, Type::TEXT),
            (&audit.by, Type::TEXT),
            (&audit.note, Type::TEXT),
            (&looked_at, Type::TEXT),
        ];
        let opened =
            session.step(async || session.rows("recording the run", &session.queries.start_replay, &params).await);
        let opened = opened.await?;
        let row = opened.first().ok_or_else(|| AppError::Bug("an INSERT without a row".into()))?;
        let run = Self { id: row.get("id"), source, started_at: row.get("started_at") };
        log_change(&format!("replay {} of {} started", run.id, name.replace('_', " ")), audit);
        Ok(run)
    }

    /// Reads the audit record of a run.
    pub async fn find(session: &Session, id: Uuid) -> Result<Recorded, AppError> {
        let params: [Param<'_>; 1] = [(&id, Type::UUID)];
        let rows = session.select("looking for the run", &session.queries.find_replay, &params).await?;
        let unknown = || {
            AppError::No(format!(
                "there is no run {id}; to list the runs: outbox-relay replay runs. Nothing was changed"
            ))
        };
        let row = rows.first().ok_or_else(unknown)?;
        let (source, selection): (String, String) = (row.get("source"), row.get("selection"));
        let source = Source::ALL.into_iter().find(|known| known.as_str() == source).ok_or_else(unknown)?;
        let selection = serde_json::from_str(&selection)
            .map_err(|error| AppError::No(format!("cannot read the selection of run {id}: {error}")))?;
        let run = Self { id, source, started_at: row.get("started_at") };
        let events = usize::try_from(row.get::<_, i64>("events")).unwrap_or(0);
        Ok(Recorded { run, selection, events, is_finished: row.get("is_finished") })
    }

    /// Answers for a run that was finished before: nothing is left to do.
    pub fn print_finished(&self, output: Output, events: usize) {
        let answer = Answer {
            replay_id: self.id,
            source: self.source,
            matched: 0,
            replayed: 0,
            replayed_by_run: i64::try_from(events).unwrap_or(i64::MAX),
            skipped_count: 0,
            skipped: Vec::new(),
            finished: true,
            resume: None,
        };
        let text =
            || format!("run {} is finished: queued {}; nothing is left to do\n", self.id, counted(events, "event"));
        output.answer(&answer, text);
    }

    /// Counts a chunk, within the chunk's transaction.
    pub async fn count(&self, session: &Session, events: usize) -> Result<(), StoreError> {
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        let params: [Param<'_>; 2] = [(&self.id, Type::UUID), (&events, Type::INT8)];
        session.rows("counting in the audit", &session.queries.count_replayed, &params).await.map(|_| ())
    }

    /// Closes the audit record if everything is done, and prints the answer. Otherwise says how to
    /// continue.
    pub async fn close(
        self,
        session: &Session,
        output: Output,
        matched: usize,
        ended: Ended,
        skipped: Vec<Skipped>,
    ) -> Result<(), AppError> {
        let finished = ended.cut.is_none();
        let fix = format!("outbox-relay replay --resume {}", self.id);
        let params: [Param<'_>; 2] = [(&self.id, Type::UUID), (&finished, Type::BOOL)];
        let closed = session
            .step(async || session.rows("closing the audit", &session.queries.finish_replay, &params).await)
            .await;
        let recorded = closed.as_ref().ok().and_then(|rows| rows.first()).map(|row| row.get::<_, i64>(0));
        let answer = Answer {
            replay_id: self.id,
            source: self.source,
            matched,
            replayed: ended.done,
            // If the audit record cannot be read, at least what this process knows.
            replayed_by_run: recorded.unwrap_or_else(|| i64::try_from(ended.done).unwrap_or(i64::MAX)),
            skipped_count: skipped.len(),
            skipped: skipped.iter().take(SKIPPED_NAMED_MAX).cloned().collect(),
            finished,
            resume: (!finished).then(|| fix.clone()),
        };
        output.answer(&answer, || answer.text());
        if let Some(cut) = ended.cut {
            return Err(cut.with_fix(format!("nothing is half done; to do the rest: {fix}")));
        }
        closed.map_err(|error| {
            error.with_fix(format!("every chunk is done, but the audit record is still open; to close it: {fix}"))
        })?;
        if skipped.is_empty() {
            return Ok(());
        }
        Err(AppError::No(format!("{} of {matched} were skipped, see above", skipped.len())))
    }
}

impl Answer {
    fn text(&self) -> String {
        let state = if self.finished { "finished" } else { "not finished" };
        let mut text = format!(
            "run {}: queued {} of {} to be sent again ({} in total by this run); {state}\n",
            self.replay_id, self.replayed, self.matched, self.replayed_by_run
        );
        text += "the relays send them now; to see how many are confirmed: outbox-relay replay runs\n";
        for Skipped { id, reason } in &self.skipped {
            text += &format!("skipped {id}: {reason}\n");
        }
        if self.skipped_count > self.skipped.len() {
            text += &format!("skipped {} more\n", self.skipped_count - self.skipped.len());
        }
        text
    }
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Answer>()
}
