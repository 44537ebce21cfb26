//! `outbox-relay replay runs`, and `replay --runs`: the audit records of the latest runs, and what has become of their events.

use std::collections::HashMap;

use serde::Serialize;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::print::words::moment;
use crate::commands::print::{Column, Output, table};
use crate::commands::session::Session;
use crate::commands::state::rows::{ReplayRow, replay};
use crate::error::AppError;
use crate::postgres::call;

/// Where counting stops.
const COUNT_MAX: i64 = 100_000;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::commands) struct Runs {
    #[serde(with = "crate::commands::print::time")]
    #[cfg_attr(test, schemars(with = "String"))]
    at: OffsetDateTime,
    /// Where counting stops.
    count_max: i64,
    /// The latest first.
    replays: Vec<RunRow>,
}

/// A run, and what has become of its events.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RunRow {
    #[serde(flatten)]
    run: ReplayRow,
    /// Taken back by `replay cancel`.
    cancelled: i64,
    /// Queued, and not confirmed yet.
    waiting: i64,
    /// Given up.
    dead_lettered: i64,
    /// The broker confirmed them, or a later run sent them again.
    confirmed: i64,
}

/// Lists the latest runs.
pub(super) async fn list(session: &Session, output: Output) -> Result<(), AppError> {
    let (client, queries) = (&session.client, &session.queries);
    let now = call::one(client, "reading the time", &queries.session_facts, &[]).await?;
    let rows = call::rows(client, "reading the runs", &queries.list_replays, &[]).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get("id")).collect();
    let params: [call::Param<'_>; 2] = [(&ids, Type::UUID_ARRAY), (&COUNT_MAX, Type::INT8)];
    let counts = call::rows(client, "counting what waits", &queries.count_runs, &params).await?;
    let counts: HashMap<Uuid, (i64, i64)> =
        counts.iter().map(|row| (row.get("id"), (row.get("waiting"), row.get("dead_lettered")))).collect();
    let run = |row: &Row| {
        let (run, cancelled) = (replay(row), row.get::<_, i64>("cancelled"));
        let (waiting, dead_lettered) = counts.get(&run.replay_id).copied().unwrap_or_default();
        let confirmed = (run.events - cancelled - waiting - dead_lettered).max(0);
        RunRow { run, cancelled, waiting, dead_lettered, confirmed }
    };
    let runs = Runs { at: now.get("now"), count_max: COUNT_MAX, replays: rows.iter().map(run).collect() };
    let names = || runs.replays.iter().map(|row| row.run.replay_id.to_string()).collect();
    output.answer_list(&runs, || text(&runs), names);
    Ok(())
}

fn text(runs: &Runs) -> String {
    if runs.replays.is_empty() {
        return "no replay has been run\n".into();
    }
    let cells = |row: &RunRow| {
        let run = &row.run;
        let started = moment(run.started_at, runs.at);
        [
            run.replay_id.to_string(),
            run.events.to_string(),
            row.confirmed.to_string(),
            started,
            if run.finished_at.is_some() { "done".into() } else { "open".into() },
            run.source.clone(),
            run.requested_by.clone(),
            run.note.clone().unwrap_or_default(),
            run.selection.to_string(),
        ]
    };
    let columns = [
        Column::Whole("RUN"),
        Column::Whole("QUEUED"),
        Column::Whole("CONFIRMED"),
        Column::Whole("STARTED"),
        Column::Whole("STATE"),
        Column::Wide("SOURCE"),
        Column::Wide("BY"),
        Column::Wide("NOTE"),
        Column::Wide("SELECTION"),
    ];
    let mut text = table(columns, runs.replays.iter().map(cells));
    for row in &runs.replays {
        let of = |count: i64, what: &str| (count > 0).then(|| format!("{count} {what}"));
        let parts: Vec<String> = [
            of(row.waiting, "still wait"),
            of(row.dead_lettered, "were given up"),
            of(row.cancelled, "were taken back"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !parts.is_empty() {
            text += &format!("{}: {}\n", row.run.replay_id, parts.join(", "));
        }
    }
    if runs.replays.iter().any(|row| row.run.finished_at.is_none()) {
        text += "an open run was interrupted, or still works; to do the rest: outbox-relay replay --resume RUN\n";
    }
    text
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Runs>()
}
