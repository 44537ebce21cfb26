//! Turns rows into nouns. Used by the store. The column order is that of `claim_events.sql`,
//! `claim_bodies.sql` and `claim_probe_event.sql`.

use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::outbox::event::{Event, Payload, WaitReason, Waited};
use crate::outbox::hold::{Hold, HoldScope};
use crate::outbox::limits::HEADERS_BYTES_MAX;
use crate::outbox::store::{Cause, StoreError};

/// The columns of one claimed event.
pub(super) struct ClaimedRow {
    /// The event; without payload and headers if `unread`.
    pub(super) event: Event,
    /// Bytes of its payload and headers, if they are fetched at all.
    pub(super) bytes: usize,
    /// Whether `claim_bodies` still has to read payload and headers.
    pub(super) unread: bool,
    headers_bytes: Option<i32>,
}

/// Reads one event of a claim. Payloads over `payload_bytes_max` are not fetched.
pub(super) fn claimed(row: &Row, payload_bytes_max: usize) -> Result<ClaimedRow, StoreError> {
    read_claimed(row, payload_bytes_max).map_err(unreadable)
}

/// Reads payload and headers of a row of `claim_bodies`.
pub(super) fn body(row: &Row) -> Result<(String, Option<String>), StoreError> {
    Ok((row.try_get(1).map_err(unreadable)?, row.try_get(2).map_err(unreadable)?))
}

/// Reads one event whose row has everything, as a probe's has.
pub(super) fn event(row: &Row) -> Result<Event, StoreError> {
    claimed(row, 0).map(|row| row.event)
}

fn unreadable(error: tokio_postgres::Error) -> StoreError {
    StoreError::Failed { action: "reading a claimed event", error: error.to_string(), cause: Cause::Row }
}

/// A row's columns from left to right. By position, because a lookup by name compares with all
/// names before it.
struct Columns<'a> {
    row: &'a Row,
    at: usize,
}

impl<'a> Columns<'a> {
    /// The next column, which must have this name.
    fn next<T: FromSql<'a>>(&mut self, name: &str) -> Result<T, tokio_postgres::Error> {
        debug_assert_eq!(self.row.columns()[self.at].name(), name, "the statement's columns are in another order");
        self.at += 1;
        self.row.try_get(self.at - 1)
    }
}

fn read_claimed(row: &Row, payload_bytes_max: usize) -> Result<ClaimedRow, tokio_postgres::Error> {
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
        payload: Payload::TooLarge(0),
        headers: None,
        correlation_id: None,
        created_at: OffsetDateTime::UNIX_EPOCH,
        replay_id: None,
        first_seq: None,
        only_routes: None,
        defect: None,
        waited: None,
    };
    let (text, payload_bytes): (Option<String>, i32) = (columns.next("payload")?, columns.next("payload_bytes")?);
    let payload_bytes = usize::try_from(payload_bytes).unwrap_or(0);
    let unread = text.is_none() && payload_bytes <= payload_bytes_max;
    let is_read = text.is_some();
    event.payload = text.map_or(Payload::TooLarge(payload_bytes), Payload::Text);
    event.headers = columns.next("headers")?;
    let headers_bytes = columns.next("headers_bytes")?;
    event.correlation_id = columns.next("correlation_id")?;
    let created_at: Option<OffsetDateTime> = columns.next("created_at")?;
    event.replay_id = columns.next("replay_id")?;
    event.first_seq = columns.next("first_seq")?;
    event.only_routes = columns.next("only_routes")?;
    event.created_at = created_at.unwrap_or(event.created_at);
    event.waited = waited(&mut columns)?;
    event.defect = created_at.is_none().then(|| "created_at is out of range".to_owned());
    let mut row = ClaimedRow { event, bytes: 0, unread, headers_bytes };
    row.bytes = if is_read || unread { payload_bytes } else { 0 } + row.headers_that_fit();
    if is_read {
        row.note_headers();
    }
    Ok(row)
}

impl ClaimedRow {
    /// For tests: an event of this size, whose row was read.
    #[cfg(test)]
    pub(super) fn sized(event: Event, bytes: usize) -> Self {
        Self { event, bytes, unread: false, headers_bytes: None }
    }

    /// Adds a row of `claim_bodies`.
    pub(super) fn take_body(&mut self, row: &Row) -> Result<(), StoreError> {
        let (payload, headers) = body(row)?;
        self.event.payload = Payload::Text(payload);
        self.event.headers = headers;
        self.note_headers();
        Ok(())
    }

    fn headers_that_fit(&self) -> usize {
        let bytes = self.headers_bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0));
        if bytes <= HEADERS_BYTES_MAX { bytes } else { 0 }
    }

    /// Called once payload and headers were read: headers that were left out are a defect.
    fn note_headers(&mut self) {
        if let (None, Some(bytes)) = (&self.event.headers, self.headers_bytes) {
            self.event
                .defect
                .get_or_insert_with(|| format!("the headers have {bytes} bytes; a frame holds {HEADERS_BYTES_MAX}"));
        }
    }
}

fn waited(columns: &mut Columns<'_>) -> Result<Option<Waited>, tokio_postgres::Error> {
    let Some(reason) = columns.next::<Option<&str>>("reason")? else { return Ok(None) };
    let attempts: i32 = columns.next("attempts")?;
    let _held_by: Option<i64> = columns.next("hold_id")?;
    Ok(Some(Waited {
        // An unknown reason, from a newer relay, counts as a retry: the key's head is due, whatever
        // it waited for.
        reason: WaitReason::parse(reason).unwrap_or(WaitReason::Retry),
        attempts: u32::try_from(attempts).unwrap_or(0),
        routes_confirmed: columns.next("routes_confirmed")?,
    }))
}

/// Reads one hold; `None` for an unknown scope from a newer relay.
pub(crate) fn hold(row: &Row) -> Option<Hold> {
    let scope = HoldScope::from_columns(row.get(1), row.get(2), row.get(3), row.get(4))?;
    Some(Hold { id: row.get(0), scope })
}
