//! `outbox-relay replay --runs`: the audit records of the latest runs.

use serde::Serialize;

use crate::commands::print::{Output, table};
use crate::commands::session::Session;
use crate::error::AppError;
use crate::postgres::call;

#[derive(Serialize)]
struct RecordedRun {
    run: String,
    source: String,
    selection: serde_json::Value,
    requested_by: String,
    note: Option<String>,
    events: i64,
    started_at: String,
    finished_at: Option<String>,
}

/// Lists the latest runs.
pub(super) async fn list(session: &Session, output: Output) -> Result<(), AppError> {
    let rows = call::rows(&session.client, "reading the runs", &session.queries.list_replays, &[]).await?;
    let runs: Vec<RecordedRun> = rows
        .iter()
        .map(|row| RecordedRun {
            run: row.get("id"),
            source: row.get("source"),
            selection: serde_json::from_str(row.get("selection")).unwrap_or(serde_json::Value::Null),
            requested_by: row.get("requested_by"),
            note: row.get("note"),
            events: row.get("events"),
            started_at: row.get("started_at"),
            finished_at: row.get("finished_at"),
        })
        .collect();
    output.answer(&runs, || {
        if runs.is_empty() {
            return "no replay has been run\n".into();
        }
        let cells = |run: &RecordedRun| {
            [
                run.run.clone(),
                run.source.clone(),
                run.events.to_string(),
                run.started_at.clone(),
                run.finished_at.clone().unwrap_or_else(|| "open: replay --resume".into()),
                run.requested_by.clone(),
                run.note.clone().unwrap_or_default(),
                run.selection.to_string(),
            ]
        };
        table(["RUN", "SOURCE", "EVENTS", "STARTED", "FINISHED", "BY", "NOTE", "SELECTION"], runs.iter().map(cells))
    });
    Ok(())
}
