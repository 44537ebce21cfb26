//! `outbox-relay dlq replay`: makes dead letters pending events again.
//!
//! They keep their id, seq and texts, go ahead of waiting successors, and are sent only on the
//! routes that failed. A chunk happens completely or not at all. An id that is already among the
//! events is skipped.

use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::many::consent::{agree, can_ask};
use crate::commands::many::preview::{LOOKED_AT_MAX, Preview, overtaken, sample};
use crate::commands::many::progress::Progress;
use crate::commands::many::selection::Matched;
use crate::commands::print::{Output, say};
use crate::commands::replay::audit::{Run, Skipped, Source};
use crate::commands::session::Session;
use crate::config::dlq::DlqChangeConfig;
use crate::config::selection::{Execution, Selection};
use crate::error::AppError;
use crate::outbox::event::FailureReason;
use crate::outbox::store::StoreError;
use crate::postgres::call::Param;

const CHUNK: usize = 500;

/// Runs the command.
pub(super) async fn run(config: DlqChangeConfig) -> Result<(), AppError> {
    let (selection, execution, output) = (&config.selection, &config.execution, Output::new(config.common.format));
    if !selection.is_by_id() {
        can_ask(execution.consent)?;
    }
    let session = &Session::change(&config.common).await?;
    selection.check_dead_letter_ids(session).await?;
    let matched = selection.dead_letters(session, None).await?;
    if matched.rows.is_empty() {
        return Err(AppError::No("no unresolved dead letter matches; nothing was changed".into()));
    }
    let (preview, warning) = preview(session, selection, &matched).await?;
    if execution.consent.dry_run {
        output.answer(&preview, || preview.text());
        return Ok(());
    }
    if !selection.is_by_id() {
        agree(execution.consent, &preview.text())?;
    } else if let Some(warning) = warning {
        say(&format!("outbox-relay: {warning}\n"));
    }
    let run = Run::open(session, Source::DeadLetters, selection, &execution.audit, &matched.looked_at).await?;
    send(session, output, run, selection, matched, execution).await
}

/// The consequences, and warnings that are shown even if nobody is asked.
async fn preview(
    session: &Session,
    selection: &Selection,
    matched: &Matched<i64>,
) -> Result<(Preview, Option<String>), AppError> {
    let ids: Vec<i64> = matched.rows.iter().take(LOOKED_AT_MAX).map(|(id, _)| *id).collect();
    let params: [Param<'_>; 1] = [(&ids, Type::INT8_ARRAY)];
    let rows = session.select("reading a sample", &session.queries.sample_dead_letters, &params).await?;
    let overtaken = overtaken(&rows);
    let routes = if selection.all_routes {
        "all routes are sent: consumers of routes that already have it see the same message_id again"
    } else {
        "routes that confirmed are not sent again; if none had confirmed, all are sent"
    };
    let mut consequences = vec![
        routes.to_owned(),
        overtaken.words(matched.rows.len()),
        "each takes its old place in its key, ahead of later events that still wait".into(),
    ];
    let in_the_row = |row: &&tokio_postgres::Row| {
        let reason = row.get::<_, Option<&str>>("reason").and_then(FailureReason::parse);
        matches!(reason, Some(FailureReason::InvalidEvent | FailureReason::PayloadTooLarge))
    };
    let hopeless = rows.iter().filter(in_the_row).count();
    let warning = (hopeless > 0).then(|| {
        format!(
            "{hopeless} failed with INVALID_EVENT or PAYLOAD_TOO_LARGE: the cause is in the row itself, so it will fail again unless a limit was raised or the row was corrected"
        )
    });
    consequences.extend(warning.clone());
    let preview = Preview {
        action: "replay of dead letters",
        matched: matched.rows.len(),
        more: false,
        overtaken: Some(overtaken),
        sample: sample(&rows),
        consequences,
    };
    Ok((preview, warning))
}

/// Makes the dead letters pending again, chunk by chunk.
pub(in crate::commands) async fn send(
    session: &Session,
    output: Output,
    run: Run,
    selection: &Selection,
    matched: Matched<i64>,
    execution: &Execution,
) -> Result<(), AppError> {
    let (mut skipped, total) = (Vec::new(), matched.rows.len());
    let mut progress = Progress::start("queued", total, execution.rate)?;
    for chunk in matched.rows.chunks(progress.chunk(CHUNK)) {
        if !progress.next().await {
            break;
        }
        let given_up = progress.given_up();
        let work = async {
            let chunk_done = session
                .step_unless(&given_up, async || send_chunk(session, &run, selection, execution, chunk).await)
                .await?;
            let (done, left) = chunk_done;
            skipped.extend(left);
            Ok(done)
        };
        progress.run(chunk.len(), work).await;
    }
    run.close(session, output, total, progress.end(), skipped).await
}

async fn send_chunk(
    session: &Session,
    run: &Run,
    selection: &Selection,
    execution: &Execution,
    chunk: &[(i64, i16)],
) -> Result<(usize, Vec<Skipped>), StoreError> {
    session.lock_lanes(chunk.iter().map(|(_, lane)| *lane)).await?;
    let letters: Vec<i64> = chunk.iter().map(|(letter, _)| *letter).collect();
    let (queries, audit) = (&session.queries, &execution.audit);
    let params: [Param<'_>; 5] = [
        (&letters, Type::INT8_ARRAY),
        (&run.id, Type::UUID),
        (&selection.all_routes, Type::BOOL),
        (&audit.by, Type::TEXT),
        (&audit.note, Type::TEXT),
    ];
    let revived = session.rows("bringing dead letters back", &queries.revive_dead_letters, &params).await?;
    let events: Vec<Uuid> = revived.iter().map(|row| row.get(1)).collect();
    let events_param: [Param<'_>; 1] = [(&events, Type::UUID_ARRAY)];
    session.rows("putting events ahead", &queries.put_ahead, &events_param).await?;
    if !selection.all_routes {
        session.rows("keeping confirmed routes", &queries.put_confirmed, &events_param).await?;
    }
    session.rows("lowering waits", &queries.lower_waits, &events_param).await?;
    session.rows("lowering the floors", &queries.lower_floors, &events_param).await?;
    run.count(session, events.len()).await?;
    let done: Vec<i64> = revived.iter().map(|row| row.get(0)).collect();
    let left: Vec<i64> = letters.into_iter().filter(|letter| !done.contains(letter)).collect();
    Ok((done.len(), if left.is_empty() { Vec::new() } else { obstacles(session, &left).await? }))
}

/// Why dead letters were skipped.
async fn obstacles(session: &Session, letters: &[i64]) -> Result<Vec<Skipped>, StoreError> {
    let params: [Param<'_>; 1] = [(&letters, Type::INT8_ARRAY)];
    let rows = session.rows("looking for obstacles", &session.queries.dead_letter_obstacles, &params).await?;
    let known = rows.iter().map(|row| {
        let (letter, event): (i64, Uuid) = (row.get("dead_letter_id"), row.get("id"));
        let (is_event, is_too_large): (bool, bool) = (row.get("is_event"), row.get("is_too_large"));
        let reason = match (row.get::<_, Option<String>>("resolution"), is_event, is_too_large) {
            (Some(resolution), _, _) => format!("{resolution} in the meantime"),
            (None, _, true) => format!(
                "it is larger than the events table takes: write it again, shorter, and resolve this one: outbox-relay dlq discard --id {letter}"
            ),
            (None, true, false) => format!(
                "its event {event} is already in the events table; if that one is right, resolve this one: outbox-relay dlq discard --id {letter}"
            ),
            (None, false, false) => "an earlier event of its key, or one that may have been sent, goes first; replay it again later, or with --all-routes, which also sends confirmed routes again".into(),
        };
        (letter, Skipped { id: letter.to_string(), reason })
    });
    let mut known: std::collections::HashMap<i64, Skipped> = known.collect();
    let purged = |letter: &i64| Skipped { id: letter.to_string(), reason: "deleted in the meantime".into() };
    Ok(letters.iter().map(|letter| known.remove(letter).unwrap_or_else(|| purged(letter))).collect())
}
