//! `outbox-relay replay --runs`: the audit records of the latest runs.

use serde::Serialize;

use crate::commands::print::{Column, Output, table};
use crate::commands::session::Session;
use crate::commands::state::rows::{ReplayRow, replay};
use crate::error::AppError;
use crate::outbox::time::timestamp;
use crate::postgres::call;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct Runs {
    /// The latest first.
    replays: Vec<ReplayRow>,
}

/// Lists the latest runs.
pub(super) async fn list(session: &Session, output: Output) -> Result<(), AppError> {
    let rows = call::rows(&session.client, "reading the runs", &session.queries.list_replays, &[]).await?;
    let runs = Runs { replays: rows.iter().map(replay).collect() };
    let names = || runs.replays.iter().map(|run| run.replay_id.to_string()).collect();
    let text = || {
        if runs.replays.is_empty() {
            return "no replay has been run\n".into();
        }
        let cells = |run: &ReplayRow| {
            [
                run.replay_id.to_string(),
                run.source.clone(),
                run.events.to_string(),
                timestamp(run.started_at),
                run.finished_at.map_or_else(|| "open: replay --resume".into(), timestamp),
                run.requested_by.clone(),
                run.note.clone().unwrap_or_default(),
                run.selection.to_string(),
            ]
        };
        table(
            [
                Column::Whole("RUN"),
                Column::Whole("SOURCE"),
                Column::Whole("EVENTS"),
                Column::Whole("STARTED"),
                Column::Whole("FINISHED"),
                Column::Whole("BY"),
                Column::Cut("NOTE"),
                Column::Cut("SELECTION"),
            ],
            runs.replays.iter().map(cells),
        )
    };
    output.answer_list(&runs, text, names);
    Ok(())
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Runs>()
}
