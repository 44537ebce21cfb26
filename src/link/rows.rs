//! From rows to nouns. Used by the store; the column order is that of `claim_events.sql` and `claim_probe_event.sql`.

use time::OffsetDateTime;
use tokio_postgres::Row;

use crate::relay::destination::{Hold, HoldScope};
use crate::relay::event::{Event, Payload, WaitReason, Waited};
use crate::relay::message::HEADERS_BYTES_MAX;
use crate::relay::store::StoreError;

/// One claimed event.
pub(super) fn event(row: &Row) -> Result<Event, StoreError> {
    read_event(row).map_err(|error| StoreError::Failed {
        action: "reading a claimed event",
        error: error.to_string(),
        passing: false,
    })
}

fn read_event(row: &Row) -> Result<Event, tokio_postgres::Error> {
    let payload_bytes: i32 = row.try_get("payload_bytes")?;
    let payload = match row.try_get::<_, Option<String>>("payload")? {
        Some(text) => Payload::Text(text),
        None => Payload::TooLarge(usize::try_from(payload_bytes).unwrap_or(0)),
    };
    let (headers, headers_bytes): (Option<String>, Option<i32>) =
        (row.try_get("headers")?, row.try_get("headers_bytes")?);
    let created_at: Option<OffsetDateTime> = row.try_get("created_at")?;
    let defect = match (&headers, headers_bytes, created_at) {
        (_, _, None) => Some("created_at is out of range".to_owned()),
        (None, Some(bytes), _) => {
            Some(format!("the headers take {bytes} bytes, more than the {HEADERS_BYTES_MAX} of a frame"))
        }
        (Some(_) | None, _, Some(_)) => None,
    };
    Ok(Event {
        id: row.try_get("id")?,
        seq: row.try_get("seq")?,
        lane: row.try_get("lane")?,
        aggregate_type: row.try_get("aggregate_type")?,
        aggregate_id: row.try_get("aggregate_id")?,
        event_type: row.try_get("event_type")?,
        partition_key: row.try_get("partition_key")?,
        event_version: row.try_get("event_version")?,
        payload,
        headers,
        correlation_id: row.try_get("correlation_id")?,
        created_at: created_at.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        replay_id: row.try_get("replay_id")?,
        only_routes: row.try_get("only_routes")?,
        defect,
        waited: waited(row)?,
    })
}

fn waited(row: &Row) -> Result<Option<Waited>, tokio_postgres::Error> {
    let Some(reason) = row.try_get::<_, Option<&str>>("reason")? else { return Ok(None) };
    let attempts: i32 = row.try_get("attempts")?;
    Ok(Some(Waited {
        // A reason of a newer relay is handled like a retry: the key's head is due, whatever it waited for.
        reason: WaitReason::parse(reason).unwrap_or(WaitReason::Retry),
        attempts: u32::try_from(attempts).unwrap_or(0),
        routes_confirmed: row.try_get("routes_confirmed")?,
    }))
}

/// One hold; a scope of a newer relay is none of ours.
pub(crate) fn hold(row: &Row) -> Option<Hold> {
    let scope = HoldScope::from_columns(row.get(1), row.get(2), row.get(3), row.get(4))?;
    Some(Hold { id: row.get(0), scope })
}
