//! Messages from other services that could not be handled: kept, listed, shown, and closed by a person. Called by the consumers and
//! by the endpoints under `/admin`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deadpool_postgres::Transaction;
use order_domain::inbound::{DeadBody, DeadLetter, Properties};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{Parameter, Store, StoreError, one};

const INSERT: &str = include_str!("../../sql/insert_dead_letter.sql");
const LIST: &str = include_str!("../../sql/list_dead_letters.sql");
const READ: &str = include_str!("../../sql/read_dead_letter.sql");
const LOCK: &str = include_str!("../../sql/lock_dead_letter.sql");
const CLOSE: &str = include_str!("../../sql/close_dead_letter.sql");
const UTF8: &str = "utf-8";
const BASE64: &str = "base64";

/// A dead letter in a list.
pub struct DeadLetterSummary {
    pub id: i64,
    pub queue: String,
    pub routing_key: String,
    pub message_id: String,
    pub failure_reason: String,
    pub detail: Option<String>,
    pub attempts: i32,
    pub body_bytes: i64,
    pub is_whole: bool,
    pub dead_at: String,
    pub processed_at: Option<String>,
    pub resolution: Option<String>,
    pub resolved_by: Option<String>,
    pub note: Option<String>,
}

/// A dead letter with its body.
pub struct Shown {
    pub letter: DeadLetterSummary,
    pub original_event: String,
    pub encoding: String,
}

/// Which dead letters of a list are wanted.
pub struct DeadLetterPage {
    pub only_open: bool,
    pub queue: Option<String>,
    /// Only those with a smaller id.
    pub below: i64,
    pub limit: i64,
}

/// What a person does about a dead letter.
#[derive(Clone, Copy)]
pub enum Resolution {
    /// It was handled again.
    Replayed,
    /// Something else was done, or nothing is to be done.
    Resolved,
}

/// Who does it, and why.
pub struct Closing<'a> {
    pub by: &'a str,
    pub note: Option<&'a str>,
}

/// What a replay handles again.
pub struct Original {
    pub queue: String,
    pub properties: Properties,
    pub body: Vec<u8>,
}

impl Store {
    /// Keeps a message. A copy of one that is open is the same one.
    pub async fn keep_dead_letter(&self, letter: &DeadLetter) -> Result<(), StoreError> {
        let (text, encoding) = encoded(letter.body.bytes());
        let (is_whole, bytes) = match &letter.body {
            DeadBody::Whole(body) => (true, body.len() as u64),
            DeadBody::Cut { bytes, .. } => (false, *bytes),
        };
        let attempts = i32::try_from(letter.attempts).map_err(|e| StoreError::Broken(e.into()))?;
        let body_bytes = i64::try_from(bytes).map_err(|e| StoreError::Broken(e.into()))?;
        let detail = match &letter.body {
            DeadBody::Whole(_) => letter.detail.clone(),
            DeadBody::Cut { checksum, .. } => format!("{} ({checksum})", letter.detail),
        };
        let sent_at = letter.properties.timestamp.map(|at| at.to_string());
        let parameters: [Parameter<'_>; 13] = [
            (&letter.queue, Type::TEXT),
            (&letter.properties.routing_key, Type::TEXT),
            (&letter.message_id, Type::TEXT),
            (&letter.reason.as_str(), Type::TEXT),
            (&detail, Type::TEXT),
            (&attempts, Type::INT4),
            (&text, Type::TEXT),
            (&encoding, Type::TEXT),
            (&is_whole, Type::BOOL),
            (&body_bytes, Type::INT8),
            (&letter.properties.correlation_id, Type::TEXT),
            (&letter.properties.traceparent, Type::TEXT),
            (&sent_at, Type::TEXT),
        ];
        self.client().await?.query_typed(INSERT, &parameters).await?;
        Ok(())
    }

    /// Dead letters, newest first, without their bodies.
    pub async fn dead_letters(&self, page: &DeadLetterPage) -> Result<Vec<DeadLetterSummary>, StoreError> {
        let parameters: [Parameter<'_>; 4] = [
            (&page.only_open, Type::BOOL),
            (&page.queue, Type::TEXT),
            (&page.below, Type::INT8),
            (&page.limit, Type::INT8),
        ];
        let rows = self.client().await?.query_typed(LIST, &parameters).await?;
        rows.iter().map(letter).collect()
    }

    /// The dead letter of that id, with its body.
    pub async fn dead_letter(&self, id: i64) -> Result<Shown, StoreError> {
        let rows = self.client().await?.query_typed(READ, &[(&id, Type::INT8)]).await?;
        let row = rows.first().ok_or(StoreError::NoDeadLetter(id))?;
        let (original_event, encoding) = (row.try_get(14)?, row.try_get(15)?);
        Ok(Shown { letter: letter(row)?, original_event, encoding })
    }

    /// Says what was done about a dead letter other than replaying it.
    pub async fn resolve_dead_letter(&self, id: i64, closing: &Closing<'_>) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let _ = lock_open(&transaction, id).await?;
        close(&transaction, id, Resolution::Resolved, closing).await?;
        transaction.commit().await.map_err(StoreError::at_commit)
    }
}

/// A dead letter that is open, locked until the transaction ends. None where its body was not kept whole.
pub async fn lock_open(transaction: &Transaction<'_>, id: i64) -> Result<Option<Original>, StoreError> {
    let row = one(transaction, LOCK, &[(&id, Type::INT8)]).await?.ok_or(StoreError::NoDeadLetter(id))?;
    let (is_whole, is_open): (bool, bool) = (row.try_get(5)?, row.try_get(6)?);
    if !is_open {
        return Err(StoreError::DeadLetterClosed(id));
    }
    if !is_whole {
        return Ok(None);
    }
    let (text, encoding): (String, String) = (row.try_get(3)?, row.try_get(4)?);
    let body = if encoding == BASE64 {
        STANDARD.decode(text).map_err(|e| StoreError::Broken(e.into()))?
    } else {
        text.into_bytes()
    };
    let sent_at: Option<String> = row.try_get(9)?;
    let properties = Properties {
        routing_key: row.try_get(1)?,
        message_id: Some(row.try_get(2)?),
        correlation_id: row.try_get(7)?,
        traceparent: row.try_get(8)?,
        timestamp: sent_at.and_then(|at| at.parse().ok()),
    };
    Ok(Some(Original { queue: row.try_get(0)?, properties, body }))
}

/// Says what was done about a dead letter that is locked.
pub async fn close(
    transaction: &Transaction<'_>,
    id: i64,
    resolution: Resolution,
    closing: &Closing<'_>,
) -> Result<(), StoreError> {
    let resolution = match resolution {
        Resolution::Replayed => "REPLAYED",
        Resolution::Resolved => "RESOLVED",
    };
    let parameters: [Parameter<'_>; 4] =
        [(&id, Type::INT8), (&resolution, Type::TEXT), (&closing.by, Type::TEXT), (&closing.note, Type::TEXT)];
    one(transaction, CLOSE, &parameters).await?.map(|_| ()).ok_or(StoreError::DeadLetterClosed(id))
}

/// A body as a column of text can hold it.
fn encoded(body: &[u8]) -> (String, &'static str) {
    match std::str::from_utf8(body) {
        Ok(text) if !text.contains('\0') => (text.to_owned(), UTF8),
        Ok(_) | Err(_) => (STANDARD.encode(body), BASE64),
    }
}

fn letter(row: &Row) -> Result<DeadLetterSummary, StoreError> {
    Ok(DeadLetterSummary {
        id: row.try_get(0)?,
        queue: row.try_get(1)?,
        routing_key: row.try_get(2)?,
        message_id: row.try_get(3)?,
        failure_reason: row.try_get(4)?,
        detail: row.try_get(5)?,
        attempts: row.try_get(6)?,
        body_bytes: row.try_get(7)?,
        is_whole: row.try_get(8)?,
        dead_at: row.try_get(9)?,
        processed_at: row.try_get(10)?,
        resolution: row.try_get(11)?,
        resolved_by: row.try_get(12)?,
        note: row.try_get(13)?,
    })
}
