//! `outbox-relay replay`: sends published events again, through the same pipeline as new ones.
//!
//! Sends each event at most once per run, with its id and a new seq, so that it never goes before a
//! live event of its key. A chunk happens completely or not at all, and the audit record is right
//! whatever happens to this process.

pub mod audit;
mod cancel;
mod runs;

#[cfg(test)]
pub(in crate::commands) use cancel::schema as cancel_schema;
#[cfg(test)]
pub(in crate::commands) use runs::schema as runs_schema;

use std::collections::BTreeSet;

use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::dlq;
use crate::commands::many::consent::{agree, can_ask};
use crate::commands::many::preview::{LOOKED_AT_MAX, Preview, overtaken, sample};
use crate::commands::many::progress::Progress;
use crate::commands::many::selection::Matched;
use crate::commands::print::words::counted;
use crate::commands::print::{Output, say};
use crate::commands::replay::audit::{Recorded, Run, Skipped, Source};
use crate::commands::routes::names::{Known, refuse_types_without, refuse_unknown, refuse_unknown_to_relays};
use crate::commands::session::Session;
use crate::config::replay::{ReplayConfig, ReplayTask};
use crate::config::selection::{Execution, Selection};
use crate::error::AppError;
use crate::outbox::route::RouteTable;
use crate::outbox::store::StoreError;
use crate::postgres::call::Param;

const CHUNK: usize = 500;
/// How many events' types are looked up at once.
const TYPES_CHUNK: usize = 10_000;

/// Runs the command.
pub async fn run(config: ReplayConfig) -> Result<(), AppError> {
    let output = Output::new(config.common.format);
    match &config.task {
        ReplayTask::Runs => runs::list(&Session::read(&config.common).await?, output).await,
        ReplayTask::Resume(id) => {
            let session = Session::change(&config.common).await?;
            resume(&session, output, Run::find(&session, *id).await?, &config.execution).await
        }
        ReplayTask::Cancel(id) => {
            let session = Session::change(&config.common).await?;
            cancel::cancel(&session, output, *id, &config.execution.audit).await
        }
        ReplayTask::Start(selection, routes) => {
            if let (Some(routes), Some(route)) = (routes, &selection.route) {
                refuse_unknown(routes, route)?;
            }
            if !selection.is_by_id() {
                can_ask(config.execution.consent)?;
            }
            let session = Session::change(&config.common).await?;
            if let (None, Some(route)) = (routes, &selection.route) {
                match refuse_unknown_to_relays(&session, route).await? {
                    Known::Yes => {}
                    Known::Nothing => {
                        return Err(AppError::No(format!(
                            "no relay has told its routes, so nobody knows a route '{route}'; start one, or name the relays' file with --routes. Nothing was changed"
                        )));
                    }
                }
            }
            start(&session, output, (selection, routes.as_ref()), &config.execution).await
        }
    }
}

async fn start(
    session: &Session,
    output: Output,
    (selection, routes): (&Selection, Option<&RouteTable>),
    execution: &Execution,
) -> Result<(), AppError> {
    selection.check_published_ids(session).await?;
    let matched = selection.published(session, None).await?;
    if matched.rows.is_empty() {
        return Err(AppError::No("no published event matches; nothing was changed".into()));
    }
    if let (Some(routes), Some(route)) = (routes, &selection.route) {
        refuse_types_without(routes, route, types_of(session, &matched).await?)?;
    }
    if execution.consent.dry_run || !selection.is_by_id() {
        let preview = preview(session, selection, &matched).await?;
        if execution.consent.dry_run {
            output.answer(&preview, || preview.text());
            return Ok(());
        }
        agree(execution.consent, &preview.text())?;
    }
    let run = Run::open(session, Source::Published, selection, &execution.audit, &matched.looked_at).await?;
    send(session, output, run, selection.route.as_deref(), matched, execution.rate).await
}

/// The types of what matched.
async fn types_of(session: &Session, matched: &Matched<Uuid>) -> Result<BTreeSet<String>, AppError> {
    let mut types = BTreeSet::new();
    for part in matched.rows.chunks(TYPES_CHUNK) {
        let ids: Vec<Uuid> = part.iter().map(|(id, _)| *id).collect();
        let params: [Param<'_>; 1] = [(&ids, Type::UUID_ARRAY)];
        let rows = session.select("looking at the types", &session.queries.types_of_events, &params).await?;
        types.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    }
    Ok(types)
}

async fn resume(session: &Session, output: Output, recorded: Recorded, execution: &Execution) -> Result<(), AppError> {
    let Recorded { run, mut selection, events, is_finished } = recorded;
    if is_finished {
        run.print_finished(output, events);
        return Ok(());
    }
    selection.limit = selection.limit.map(|limit| limit.saturating_sub(events));
    say(&format!("outbox-relay: run {} continues after {}\n", run.id, counted(events, "event")));
    match run.source {
        Source::Published => {
            let matched = selection.published(session, Some((run.id, &run.started_at))).await?;
            send(session, output, run, selection.route.as_deref(), matched, execution.rate).await
        }
        Source::DeadLetters => {
            let matched = selection.dead_letters(session, Some(&run.started_at)).await?;
            dlq::replay::send(session, output, run, &selection, matched, execution).await
        }
    }
}

async fn preview(session: &Session, selection: &Selection, matched: &Matched<Uuid>) -> Result<Preview, AppError> {
    let ids: Vec<Uuid> = matched.rows.iter().take(LOOKED_AT_MAX).map(|(id, _)| *id).collect();
    let params: [Param<'_>; 1] = [(&ids, Type::UUID_ARRAY)];
    let rows = session.select("reading a sample", &session.queries.sample_published, &params).await?;
    let overtaken = overtaken(&rows);
    let count = matched.rows.len();
    let mut consequences = vec![
        "consumers see the same message_id again, with the header x-outbox-replay; those that drop duplicates drop it"
            .into(),
        overtaken.words(count),
        "each goes to the end of its key, behind everything pending there now".into(),
    ];
    if let Some(route) = &selection.route {
        consequences.push(format!(
            "only the route '{route}' is sent; an event whose type lacks it waits as no_route, and its key with it"
        ));
    }
    Ok(Preview {
        action: "replay of published events",
        matched: count,
        more: false,
        overtaken: Some(overtaken),
        sample: sample(&rows),
        consequences,
    })
}

/// Makes the rows pending again, chunk by chunk.
async fn send(
    session: &Session,
    output: Output,
    run: Run,
    route: Option<&str>,
    matched: Matched<Uuid>,
    rate: Option<usize>,
) -> Result<(), AppError> {
    let (mut skipped, total) = (Vec::new(), matched.rows.len());
    let mut progress = Progress::start("queued", total, rate)?;
    for chunk in matched.rows.chunks(progress.chunk(CHUNK)) {
        if !progress.next().await {
            break;
        }
        let given_up = progress.given_up();
        let work = async {
            let done = session.step_unless(&given_up, async || send_chunk(session, &run, route, chunk).await).await?;
            let left = chunk.iter().filter(|(id, _)| !done.contains(id));
            skipped.extend(left.map(|(id, _)| Skipped {
                id: id.to_string(),
                reason: "changed in the meantime: deleted, or sent again by another run".into(),
            }));
            Ok(done.len())
        };
        progress.run(chunk.len(), work).await;
    }
    run.close(session, output, total, progress.end(), skipped).await
}

async fn send_chunk(
    session: &Session,
    run: &Run,
    route: Option<&str>,
    chunk: &[(Uuid, i16)],
) -> Result<Vec<Uuid>, StoreError> {
    let (ids, mut lanes): (Vec<Uuid>, Vec<i16>) = chunk.iter().copied().unzip();
    lanes.sort_unstable();
    lanes.dedup();
    session.lock_lanes(lanes.iter().copied()).await?;
    // A wait that a late confirm has just made obsolete would let the event leave before live ones.
    let none: [Uuid; 0] = [];
    let obsolete: [Param<'_>; 2] = [(&lanes, Type::INT2_ARRAY), (&none.as_slice(), Type::UUID_ARRAY)];
    session.rows("ending obsolete waits", &session.queries.end_waits, &obsolete).await?;
    let params: [Param<'_>; 4] =
        [(&ids, Type::UUID_ARRAY), (&run.id, Type::UUID), (&run.started_at, Type::TEXT), (&route, Type::TEXT)];
    let rows = session.rows("making events pending", &session.queries.replay_published, &params).await?;
    let done: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let revived: [Param<'_>; 1] = [(&done, Type::UUID_ARRAY)];
    session.rows("lowering the floors", &session.queries.lower_floors, &revived).await?;
    run.count(session, done.len()).await?;
    Ok(done)
}
