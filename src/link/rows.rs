//! From rows to nouns. Used by the store; the column order is that of `claim_events.sql` and `claim_probe_event.sql`.

use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

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

/// A row's columns from left to right. By position, because a look-up by name compares with all the names before it.
struct Columns<'a> {
    row: &'a Row,
    at: usize,
}

impl<'a> Columns<'a> {
    /// The next column, which has to be the one of this name.
    fn next<T: FromSql<'a>>(&mut self, name: &str) -> Result<T, tokio_postgres::Error> {
        debug_assert_eq!(self.row.columns()[self.at].name(), name, "the statement's columns come in another order");
        self.at += 1;
        self.row.try_get(self.at - 1)
    }
}

fn read_event(row: &Row) -> Result<Event, tokio_postgres::Error> {
    let mut columns = Columns { row, at: 0 };
    let mut event = Event {
        id: columns.next("id")?,
        seq: columns.next("seq")?,
        lane: columns.next("lane")?,
        aggregate_type: columns.next("aggregate_type")?,
        aggregate_id: columns.next("aggregate_id")?,
        event_type: columns.next("event_type")?,
        partition_key: columns.next("partition_key")?,
        event_version: columns.next("event_version")?,
        payload: payload(columns.next("payload")?, columns.next("payload_bytes")?),
        headers: columns.next("headers")?,
        correlation_id: None,
        created_at: OffsetDateTime::UNIX_EPOCH,
        replay_id: None,
        only_routes: None,
        defect: None,
        waited: None,
    };
    let headers_bytes: Option<i32> = columns.next("headers_bytes")?;
    event.correlation_id = columns.next("correlation_id")?;
    let created_at: Option<OffsetDateTime> = columns.next("created_at")?;
    event.replay_id = columns.next("replay_id")?;
    event.only_routes = columns.next("only_routes")?;
    event.defect = defect(event.headers.as_deref(), headers_bytes, created_at);
    event.created_at = created_at.unwrap_or(event.created_at);
    event.waited = waited(&mut columns)?;
    Ok(event)
}

fn payload(text: Option<String>, bytes: i32) -> Payload {
    text.map_or_else(|| Payload::TooLarge(usize::try_from(bytes).unwrap_or(0)), Payload::Text)
}

/// What the claim had to leave out.
fn defect(headers: Option<&str>, headers_bytes: Option<i32>, created_at: Option<OffsetDateTime>) -> Option<String> {
    match (headers, headers_bytes, created_at) {
        (_, _, None) => Some("created_at is out of range".to_owned()),
        (None, Some(bytes), _) => {
            Some(format!("the headers take {bytes} bytes, more than the {HEADERS_BYTES_MAX} of a frame"))
        }
        (Some(_) | None, _, Some(_)) => None,
    }
}

fn waited(columns: &mut Columns<'_>) -> Result<Option<Waited>, tokio_postgres::Error> {
    let Some(reason) = columns.next::<Option<&str>>("reason")? else { return Ok(None) };
    let attempts: i32 = columns.next("attempts")?;
    let _held_by: Option<i64> = columns.next("hold_id")?;
    Ok(Some(Waited {
        // A reason of a newer relay is handled like a retry: the key's head is due, whatever it waited for.
        reason: WaitReason::parse(reason).unwrap_or(WaitReason::Retry),
        attempts: u32::try_from(attempts).unwrap_or(0),
        routes_confirmed: columns.next("routes_confirmed")?,
    }))
}

/// One hold; a scope of a newer relay is none of ours.
pub(crate) fn hold(row: &Row) -> Option<Hold> {
    let scope = HoldScope::from_columns(row.get(1), row.get(2), row.get(3), row.get(4))?;
    Some(Hold { id: row.get(0), scope })
}
