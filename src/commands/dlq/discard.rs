//! `outbox-relay dlq discard`: resolves dead letters without sending them. Their rows stay until
//! `purge dead-letters`.
//!
//! If a key waits for an operator because of a discarded letter, it says so, or releases the key in
//! the same step with `--release-key`.

use serde::Serialize;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commands::many::consent::{agree, can_ask, log_change};
use crate::commands::many::preview::{LOOKED_AT_MAX, Preview, sample};
use crate::commands::many::progress::Progress;
use crate::commands::many::selection::Matched;
use crate::commands::print::next::Typist;
use crate::commands::print::words::counted;
use crate::commands::print::{Output, clean};
use crate::commands::session::Session;
use crate::config::dlq::DlqChangeConfig;
use crate::error::AppError;
use crate::outbox::store::StoreError;
use crate::postgres::call::Param;

const CHUNK: usize = 500;
/// The most keys that an answer names.
const KEYS_NAMED_MAX: usize = 100;

#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Answer {
    matched: usize,
    discarded: usize,
    finished: bool,
    keys_released: Vec<String>,
    /// Keys that still wait because of these dead letters.
    keys_waiting: Vec<String>,
}

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
    if execution.consent.dry_run || !selection.is_by_id() {
        let preview = preview(session, &matched, config.release_key).await?;
        if execution.consent.dry_run {
            output.answer(&preview, || preview.text());
            return Ok(());
        }
        agree(execution.consent, &preview.text())?;
    }
    discard(session, output, &config, matched).await
}

async fn preview(session: &Session, matched: &Matched<i64>, release_key: bool) -> Result<Preview, AppError> {
    let ids: Vec<i64> = matched.rows.iter().take(LOOKED_AT_MAX).map(|(id, _)| *id).collect();
    let params: [Param<'_>; 1] = [(&ids, Type::INT8_ARRAY)];
    let rows = session.select("reading a sample", &session.queries.sample_dead_letters, &params).await?;
    let keys = if release_key {
        "keys that wait because of them continue without them"
    } else {
        "keys that wait because of them (--on-dead-letter hold) keep waiting; --release-key releases them"
    };
    Ok(Preview {
        action: "discard of dead letters",
        matched: matched.rows.len(),
        more: false,
        overtaken: None,
        sample: sample(&rows),
        consequences: vec![
            "these events will never be sent; their rows stay until 'purge dead-letters'".into(),
            keys.into(),
        ],
    })
}

async fn discard(
    session: &Session,
    output: Output,
    config: &DlqChangeConfig,
    matched: Matched<i64>,
) -> Result<(), AppError> {
    let total = matched.rows.len();
    let mut answer = Answer { matched: total, ..Answer::default() };
    let mut progress = Progress::start("discarded", total, config.execution.rate)?;
    for chunk in matched.rows.chunks(progress.chunk(CHUNK)) {
        if !progress.next().await {
            break;
        }
        let given_up = progress.given_up();
        let work = async {
            let (done, keys) =
                session.step_unless(&given_up, async || discard_chunk(session, config, chunk).await).await?;
            let told = if config.release_key { &mut answer.keys_released } else { &mut answer.keys_waiting };
            told.extend(keys);
            Ok(done)
        };
        progress.run(chunk.len(), work).await;
    }
    let ended = progress.end();
    (answer.discarded, answer.finished) = (ended.done, ended.cut.is_none());
    log_change(&format!("{} discarded", counted(ended.done, "dead letter")), &config.execution.audit);
    let left = total - ended.done;
    output.answer(&answer, || answer.text(&session.schema));
    match ended.cut {
        Some(cut) => Err(cut.with_fix("nothing is half done; run the same command to continue")),
        None if left > 0 => {
            Err(AppError::No(format!("{left} of {total} had been resolved in the meantime and were skipped")))
        }
        None => Ok(()),
    }
}

async fn discard_chunk(
    session: &Session,
    config: &DlqChangeConfig,
    chunk: &[(i64, i16)],
) -> Result<(usize, Vec<String>), StoreError> {
    if config.release_key {
        session.lock_lanes(chunk.iter().map(|(_, lane)| *lane)).await?;
    }
    let letters: Vec<i64> = chunk.iter().map(|(letter, _)| *letter).collect();
    let audit = &config.execution.audit;
    let params: [Param<'_>; 3] = [(&letters, Type::INT8_ARRAY), (&audit.by, Type::TEXT), (&audit.note, Type::TEXT)];
    let done = session.rows("discarding dead letters", &session.queries.discard_dead_letters, &params).await?;
    let events: Vec<Uuid> = done.iter().map(|row| row.get(1)).collect();
    let events_param: [Param<'_>; 1] = [(&events, Type::UUID_ARRAY)];
    let sql = if config.release_key {
        &session.queries.release_after_dead_letters
    } else {
        &session.queries.keys_after_dead_letters
    };
    let keys = session.rows("looking for keys that wait", sql, &events_param).await?;
    Ok((done.len(), keys.iter().map(|row| row.get(0)).collect()))
}

impl Answer {
    fn text(&self, schema: &str) -> String {
        let mut text = format!("{} of {} discarded\n", self.discarded, counted(self.matched, "dead letter"));
        for key in self.keys_released.iter().take(KEYS_NAMED_MAX) {
            text += &format!("key {} continues\n", clean(key));
        }
        for key in self.keys_waiting.iter().take(KEYS_NAMED_MAX) {
            let release = Typist::new(schema).line(&["keys", "release"], Some(key));
            text += &format!("key {} still waits because of it; to release it: {release}\n", clean(key));
        }
        let more = (self.keys_released.len() + self.keys_waiting.len()).saturating_sub(KEYS_NAMED_MAX);
        if more > 0 {
            text += &format!("and {more} more keys\n");
        }
        text
    }
}

/// The schema of its answer, for `docs/json`.
#[cfg(test)]
pub(in crate::commands) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<Answer>()
}
