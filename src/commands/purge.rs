//! `outbox-relay purge`: deletes published events or dead letters for good, in chunks.
//!
//! Never deletes a pending event, not even one that a replay has just made pending, because the
//! DELETE itself repeats the conditions.

use serde::Serialize;
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;

use crate::commands::many::consent::{agree, can_ask, log_change};
use crate::commands::many::preview::{Preview, SampleRow};
use crate::commands::many::progress::Progress;
use crate::commands::print::Output;
use crate::commands::print::words::{count, counted};
use crate::commands::session::Session;
use crate::config::purge::{PurgeConfig, Purged};
use crate::error::AppError;
use crate::postgres::call::Param;

const CHUNK: i64 = 1_000;
/// Counting rows before deleting them stops here.
const COUNTED_MAX: i64 = 100_000;

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Answer {
    what: &'static str,
    deleted: usize,
    finished: bool,
    /// What a request for erasure cannot reach.
    not_reached: Vec<String>,
}

/// Runs the command.
pub async fn run(config: PurgeConfig) -> Result<(), AppError> {
    can_ask(config.consent)?;
    let output = Output::new(config.common.format);
    let session = &Session::change(&config.common).await?;
    // One time for all chunks, by the database's clock.
    let before = match config.older_than {
        Some(age) => Some(moment_ago(session, age.as_secs()).await?),
        None => None,
    };
    let not_reached = not_reached(session, &config).await?;
    let preview = preview(session, &config, before.as_deref(), &not_reached).await?;
    if config.consent.dry_run {
        output.answer(&preview, || preview.text());
        return Ok(());
    }
    if preview.matched == 0 {
        let beside = not_reached.iter().map(|text| format!("; {text}")).collect::<String>();
        return Err(AppError::No(format!("nothing matches; nothing was deleted{beside}")));
    }
    agree(config.consent, &preview.text())?;
    delete(session, output, &config, before.as_deref(), preview.matched, not_reached).await
}

async fn moment_ago(session: &Session, seconds: u64) -> Result<String, AppError> {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let params: [Param<'_>; 1] = [(&seconds, Type::INT8)];
    let rows = session.select("reading the time", &session.queries.database_time, &params).await?;
    rows.first().map(|row| row.get(0)).ok_or_else(|| AppError::Bug("a time without a row".into()))
}

/// What a request for erasure cannot reach.
async fn not_reached(session: &Session, config: &PurgeConfig) -> Result<Vec<String>, AppError> {
    let Some(aggregate) = &config.aggregate_id else { return Ok(Vec::new()) };
    let params: [Param<'_>; 1] = [(aggregate, Type::TEXT)];
    let rows = session.select("counting pending events", &session.queries.count_aggregate_pending, &params).await?;
    let pending: i64 = rows.first().map_or(0, |row| row.get(0));
    let mut texts = Vec::new();
    if pending > 0 {
        let more = if pending > 1_000 { "more than " } else { "" };
        texts.push(format!(
            "the aggregate still has {more}{}; run this again once nothing is pending",
            count(pending.min(1_000), i64::MAX, "pending event")
        ));
    }
    texts.push(match config.what {
        Purged::Published => "its dead letters stay: outbox-relay purge dead-letters --aggregate-id".into(),
        Purged::DeadLetters { .. } => "its published events stay: outbox-relay purge published --aggregate-id".into(),
    });
    texts.push(
        "messages in the broker's queues, what consumers keep, backups and the database's log are out of reach".into(),
    );
    Ok(texts)
}

async fn preview(
    session: &Session,
    config: &PurgeConfig,
    before: Option<&str>,
    not_reached: &[String],
) -> Result<Preview, AppError> {
    let (aggregate, cap) = (&config.aggregate_id, COUNTED_MAX + 1);
    let mut params: Vec<Param<'_>> = vec![(&before, Type::TEXT), (aggregate, Type::TEXT)];
    let (action, sql, consequence) = match &config.what {
        Purged::Published => (
            "purge of published events",
            &session.queries.sample_purge_published,
            "they are gone for good, and can no longer be traced or replayed",
        ),
        Purged::DeadLetters { unresolved } => {
            params.push((unresolved, Type::BOOL));
            let consequence = if *unresolved {
                "they are gone for good, including events that were never delivered; keys that wait because of them keep waiting"
            } else {
                "they are gone for good; unresolved ones stay"
            };
            ("purge of dead letters", &session.queries.sample_purge_dead_letters, consequence)
        }
    };
    params.push((&cap, Type::INT8));
    let rows = session.select("looking for rows to delete", sql, &params).await?;
    let matched: i64 = rows.first().map_or(0, |row| row.get("matched"));
    let consequences = [consequence.to_owned()].into_iter().chain(not_reached.iter().cloned()).collect();
    Ok(Preview {
        action,
        matched: usize::try_from(matched.min(COUNTED_MAX)).unwrap_or(0),
        more: matched > COUNTED_MAX,
        overtaken: None,
        sample: rows.iter().map(SampleRow::read).collect(),
        consequences,
    })
}

async fn delete(
    session: &Session,
    output: Output,
    config: &PurgeConfig,
    before: Option<&str>,
    matched: usize,
    not_reached: Vec<String>,
) -> Result<(), AppError> {
    let mut progress = Progress::start("deleted", matched, None)?;
    let mut is_done = false;
    while !is_done && progress.next().await {
        let given_up = progress.given_up();
        let chunk = async {
            let deleted = delete_chunk(session, &given_up, config, before).await?;
            is_done = deleted == 0;
            Ok(deleted)
        };
        progress.run(0, chunk).await;
    }
    let ended = progress.end();
    let what = match config.what {
        Purged::Published => "published events",
        Purged::DeadLetters { .. } => "dead letters",
    };
    log_change(&format!("{} deleted", counted(ended.done, what.trim_end_matches('s'))), &config.audit);
    let answer = Answer { what, deleted: ended.done, finished: ended.cut.is_none(), not_reached };
    output.answer(&answer, || answer.text());
    match ended.cut {
        Some(cut) => Err(cut.with_fix("nothing is half done; run the same command to continue")),
        None => Ok(()),
    }
}

async fn delete_chunk(
    session: &Session,
    given_up: &CancellationToken,
    config: &PurgeConfig,
    before: Option<&str>,
) -> Result<usize, AppError> {
    let mut params: Vec<Param<'_>> = vec![(&before, Type::TEXT), (&config.aggregate_id, Type::TEXT)];
    let sql = match &config.what {
        Purged::Published => &session.queries.purge_selected_published,
        Purged::DeadLetters { unresolved } => {
            params.push((unresolved, Type::BOOL));
            &session.queries.purge_selected_dead_letters
        }
    };
    params.push((&CHUNK, Type::INT8));
    let deleted = session.step_unless(given_up, async || session.execute("deleting rows", sql, &params).await).await?;
    Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
}

impl Answer {
    fn text(&self) -> String {
        let mut text = format!("{} deleted\n", counted(self.deleted, self.what.trim_end_matches('s')));
        for left in &self.not_reached {
            text += &format!("- {left}\n");
        }
        text
    }
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Answer>()
}
