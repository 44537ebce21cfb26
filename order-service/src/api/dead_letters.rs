//! Messages from other services that could not be handled: listed, shown, replayed and resolved by a person.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use order_domain::Invalid;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Answer, Success, ok};
use crate::app::App;
use crate::body::{Body, Parameters, text};
use crate::problem::Problem;
use crate::store::{Closing, DeadLetterPage, DeadLetterSummary, Shown};

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 100;
const QUEUE_BYTES_MAX: usize = 255;
const BY_BYTES_MAX: usize = 255;
const NOTE_BYTES_MAX: usize = 1024;

/// Which dead letters are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterQuery {
    /// Of this queue alone.
    #[param(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    queue: Option<String>,
    /// Those that were replayed or resolved as well.
    #[serde(default)]
    all: bool,
    /// How many at most; 20 where it is absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
}

impl DeadLetterQuery {
    fn page(self) -> Result<DeadLetterPage, Problem> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let details = json!({ "parameter": "limit", "limit": limit, "limitMax": LIMIT_MAX });
            return Err(Problem::bad_request("INVALID_LIMIT", "a page has 1 to 100 dead letters", details));
        }
        let below = match self.cursor {
            None => i64::MAX,
            Some(cursor) => number(&cursor).ok_or_else(|| {
                let details = json!({ "parameter": "cursor" });
                Problem::bad_request("INVALID_CURSOR", "the cursor is none of this service", details)
            })?,
        };
        if let Some(queue) = &self.queue {
            text("queue", queue, QUEUE_BYTES_MAX)?;
        }
        Ok(DeadLetterPage { only_open: !self.all, queue: self.queue, below, limit: limit.into() })
    }
}

/// 1 to 18 digits, which always fit.
fn number(digits: &str) -> Option<i64> {
    let is_number = (1..=18).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// The dead letter that the path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct DeadLetterPath {
    /// Its number.
    #[param(rename = "deadLetterId", value_type = i64, minimum = 0)]
    id: i64,
}

impl<S: Send + Sync> FromRequestParts<S> for DeadLetterPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let id = number(&path?.0).ok_or_else(|| {
            let details = json!({ "parameter": "deadLetterId" });
            Problem::bad_request("INVALID_DEAD_LETTER_ID", "a dead letter is named by 1 to 18 digits", details)
        })?;
        Ok(Self { id })
    }
}

/// A page of dead letters.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLettersView {
    dead_letters: Vec<DeadLetterView>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// A message that could not be handled, without its body.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterView {
    id: i64,
    queue: String,
    routing_key: String,
    message_id: String,
    /// A stable name, such as `SCHEMA_INVALID`.
    failure_reason: String,
    /// Where it is wrong.
    detail: Option<String>,
    /// Tries to handle it.
    attempts: i32,
    body_bytes: i64,
    /// Whether the body was kept whole; only then it can be replayed.
    is_whole: bool,
    #[schema(format = DateTime)]
    dead_at: String,
    /// When it was replayed or resolved; null where it is open.
    #[schema(format = DateTime)]
    processed_at: Option<String>,
    /// `REPLAYED` or `RESOLVED`.
    resolution: Option<String>,
    resolved_by: Option<String>,
    note: Option<String>,
}

impl From<DeadLetterSummary> for DeadLetterView {
    fn from(letter: DeadLetterSummary) -> Self {
        Self {
            id: letter.id,
            queue: letter.queue,
            routing_key: letter.routing_key,
            message_id: letter.message_id,
            failure_reason: letter.failure_reason,
            detail: letter.detail,
            attempts: letter.attempts,
            body_bytes: letter.body_bytes,
            is_whole: letter.is_whole,
            dead_at: letter.dead_at,
            processed_at: letter.processed_at,
            resolution: letter.resolution,
            resolved_by: letter.resolved_by,
            note: letter.note,
        }
    }
}

/// A message that could not be handled, with its body. The body may be personal.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownView {
    #[serde(flatten)]
    letter: DeadLetterView,
    original_event: String,
    /// `utf-8` or `base64`.
    encoding: String,
}

impl From<Shown> for ShownView {
    fn from(shown: Shown) -> Self {
        Self { letter: shown.letter.into(), original_event: shown.original_event, encoding: shown.encoding }
    }
}

/// Who does it, and why.
#[derive(Deserialize, ToSchema)]
pub struct ClosingBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    by: String,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    note: Option<String>,
}

impl ClosingBody {
    fn closing(&self) -> Result<Closing<'_>, Invalid> {
        text("by", &self.by, BY_BYTES_MAX)?;
        if let Some(note) = &self.note {
            text("note", note, NOTE_BYTES_MAX)?;
        }
        Ok(Closing { by: &self.by, note: self.note.as_deref() })
    }
}

/// Dead letters that are open, newest first, in pages; without their bodies.
#[utoipa::path(get, path = "/admin/dead-letters", tag = "dead letters", params(DeadLetterQuery), responses((status = 200, body = Success<DeadLettersView>)))]
pub async fn dead_letters(State(app): State<App>, Parameters(query): Parameters<DeadLetterQuery>) -> Answer {
    let mut page = query.page()?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    page.limit += 1; // one more tells whether there is another page
    let mut found = app.store.dead_letters(&page).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|letter| letter.id.to_string());
    Ok(ok(&DeadLettersView { dead_letters: found.into_iter().map(DeadLetterView::from).collect(), next }))
}

/// A dead letter with its body.
#[utoipa::path(get, path = "/admin/dead-letters/{deadLetterId}", tag = "dead letters", params(DeadLetterPath), responses((status = 200, body = Success<ShownView>)))]
pub async fn dead_letter(State(app): State<App>, path: DeadLetterPath) -> Answer {
    Ok(ok(&ShownView::from(app.store.dead_letter(path.id).await?)))
}

/// Handles a dead letter again, with the id that it had, past the mark that its message may have left. Where it is of no use again,
/// it stays open (409).
#[utoipa::path(post, path = "/admin/dead-letters/{deadLetterId}/replay", tag = "dead letters", params(DeadLetterPath), request_body = ClosingBody, responses((status = 200, body = Success<ShownView>)))]
pub async fn replay_dead_letter(
    State(app): State<App>,
    path: DeadLetterPath,
    Body { value, .. }: Body<ClosingBody>,
) -> Answer {
    let outcome = app.store.replay_dead_letter(path.id, &value.closing()?).await?;
    tracing::info!(dead_letter_id = path.id, by = value.by, outcome = outcome.as_str(), "dead letter replayed");
    Ok(ok(&ShownView::from(app.store.dead_letter(path.id).await?)))
}

/// Says that something else was done about a dead letter, or that nothing is to be done.
#[utoipa::path(post, path = "/admin/dead-letters/{deadLetterId}/resolve", tag = "dead letters", params(DeadLetterPath), request_body = ClosingBody, responses((status = 200, body = Success<ShownView>)))]
pub async fn resolve_dead_letter(
    State(app): State<App>,
    path: DeadLetterPath,
    Body { value, .. }: Body<ClosingBody>,
) -> Answer {
    app.store.resolve_dead_letter(path.id, &value.closing()?).await?;
    tracing::info!(dead_letter_id = path.id, by = value.by, "dead letter resolved");
    Ok(ok(&ShownView::from(app.store.dead_letter(path.id).await?)))
}
