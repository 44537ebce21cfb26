//! The writer's half of the outbox, for any driver: the statements, the columns of the rows, and what is refused before
//! the database is asked.
//!
//! # The order promise, and the writer's half of it
//!
//! The relay publishes the events of one aggregate in the order of their rows. That is the order of the facts only if no
//! two transactions append to one aggregate at the same time: a row's place is taken at the INSERT and seen at the
//! COMMIT, and two transactions may do the one in this and the other in that order. So a transaction has to
//!
//! 1. lock the aggregate first: `SELECT … FOR UPDATE`, an `UPDATE`, or the `INSERT` of a row with a unique key;
//! 2. decide and write the aggregate back;
//! 3. append the events last.
//!
//! What can be checked of this is checked: `append` claims each aggregate by an advisory lock that it never waits for. If
//! another open transaction holds the claim, then both append to the aggregate at once, and neither can have locked it;
//! nothing is written and the answer is [`AppendError::NotLocked`]. A transaction that appends without the lock, and
//! happens to be alone, passes: nothing was out of order. (Looking the row lock up would be no better: `pg_locks` does not
//! list row locks, and `xmin` and `xmax` show neither those taken within a savepoint nor those shared with others.)
//!
//! A claim outlives the row lock of a transaction that ends by microseconds, so one that is taken is tried again, for a
//! second. Two aggregates whose ids have one 64-bit hash are taken for one. A transaction holds one lock for
//! each aggregate it appends to; PostgreSQL has room for thousands in all, so a bulk job commits every few hundred.

use serde::Serialize;

use crate::event::Event;

/// In one call.
pub const EVENTS_MAX: usize = 1000;
/// Half of what the relay sends by default; an order of 1000 lines has less.
pub const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// In one call, of all payloads.
pub const CALL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Waits between tries for a claim that another transaction holds.
pub(crate) const PAUSES_SECONDS: [f64; 6] = [0.001, 0.004, 0.02, 0.1, 0.3, 0.6];

const APPEND: &str = include_str!("../sql/append.sql");
const LOCK: &str = include_str!("../sql/lock.sql");
pub(crate) const PAUSE: &str = include_str!("../sql/pause.sql");

/// Which outbox: the schema that the relay's `--schema` names. Made once and kept: the statements of another schema than
/// `outbox` stay in memory for as long as the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    pub(crate) append: &'static str,
    pub(crate) lock: &'static str,
}

impl Default for Outbox {
    /// The one in the schema `outbox`.
    fn default() -> Self {
        Self { append: APPEND, lock: LOCK }
    }
}

impl Outbox {
    /// The one in another schema: a letter or `_`, then letters, digits and `_`, all small, at most 63.
    pub fn in_schema(schema: &str) -> Result<Self, crate::Invalid> {
        let is_start = |b: u8| b.is_ascii_lowercase() || b == b'_';
        let well_formed = schema.len() <= 63
            && schema.bytes().next().is_some_and(is_start)
            && schema.bytes().all(|b| is_start(b) || b.is_ascii_digit());
        let expected = "a schema's name in small letters, digits and underscores";
        if !well_formed {
            return Err(crate::Invalid::Malformed { field: "schema", expected });
        }
        Ok(Self { append: in_schema(APPEND, schema), lock: in_schema(LOCK, schema) })
    }
}

/// Puts the schema into a statement. `outbox.` is its only other use of the word. Leaked, because sqlx takes statements
/// for safe only if they are as old as the program.
fn in_schema(sql: &str, schema: &str) -> &'static str {
    sql.replace("outbox.", &format!("\"{schema}\".")).leak()
}

/// Why events were not appended. The transaction cannot commit what belongs to them: roll it back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError<E: std::error::Error + 'static> {
    /// The database refused, or did not answer.
    #[error("the events could not be written to the outbox")]
    Database(#[from] E),
    /// Another open transaction appends to an aggregate of these events at the same time.
    #[error("another transaction appends to one of {}: lock the aggregate before its events are appended", .aggregates.join(", "))]
    NotLocked {
        /// The aggregates of the events, at most three of them.
        aggregates: Vec<String>,
    },
    /// More events than one call takes.
    #[error("{events} events are given, of at most {events_max}: append them in several calls")]
    TooMany {
        /// What was given.
        events: usize,
        /// What is taken.
        events_max: usize,
    },
    /// More bytes than one call takes.
    #[error("the payloads have {bytes} bytes together, of at most {bytes_max}: append them in several calls")]
    TooManyBytes {
        /// What they have.
        bytes: usize,
        /// What is taken.
        bytes_max: usize,
    },
    /// An event that no relay would send.
    #[error("the payload of {event_type} has {bytes} bytes, of at most {bytes_max}")]
    TooLarge {
        /// Of which event.
        event_type: crate::EventType,
        /// What it has.
        bytes: usize,
        /// What is taken.
        bytes_max: usize,
    },
}

impl<E: std::error::Error + 'static> AppendError<E> {
    /// A stable name for programs, for example `AGGREGATE_NOT_LOCKED`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database(_) => "DATABASE_ERROR",
            Self::NotLocked { .. } => "AGGREGATE_NOT_LOCKED",
            Self::TooMany { .. } => "TOO_MANY_EVENTS",
            Self::TooManyBytes { .. } => "TOO_MANY_BYTES",
            Self::TooLarge { .. } => "PAYLOAD_TOO_LARGE",
        }
    }

    pub(crate) fn not_locked(events: &[Event]) -> Self {
        let mut aggregates: Vec<String> = Vec::new();
        for event in events {
            let name = format!("{} {}", event.aggregate().kind(), event.aggregate().id());
            if aggregates.len() < 3 && !aggregates.contains(&name) {
                aggregates.push(name);
            }
        }
        Self::NotLocked { aggregates }
    }
}

/// The columns of the rows, as `sql/append.sql` takes them.
pub(crate) struct Columns {
    pub ids: Vec<String>,
    pub aggregate_types: Vec<&'static str>,
    pub aggregate_ids: Vec<String>,
    pub event_types: Vec<&'static str>,
    pub versions: Vec<&'static str>,
    pub payloads: Vec<String>,
    pub headers: Vec<String>,
    pub correlation_ids: Vec<Option<String>>,
    pub times: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Headers<'a> {
    idempotency_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

impl Columns {
    pub fn of<E: std::error::Error + 'static>(events: &[Event]) -> Result<Self, AppendError<E>> {
        if events.len() > EVENTS_MAX {
            return Err(AppendError::TooMany { events: events.len(), events_max: EVENTS_MAX });
        }
        let payloads: Vec<_> = events.iter().map(|event| event.payload().to_json()).collect();
        for (event, payload) in events.iter().zip(&payloads) {
            let (event_type, bytes, bytes_max) = (event.event_type(), payload.len(), PAYLOAD_BYTES_MAX);
            if bytes > bytes_max {
                return Err(AppendError::TooLarge { event_type, bytes, bytes_max });
            }
        }
        let bytes = payloads.iter().map(String::len).sum();
        if bytes > CALL_BYTES_MAX {
            return Err(AppendError::TooManyBytes { bytes, bytes_max: CALL_BYTES_MAX });
        }
        Ok(Self {
            ids: events.iter().map(|event| event.id().to_string()).collect(),
            aggregate_types: events.iter().map(|event| event.aggregate().kind()).collect(),
            aggregate_ids: events.iter().map(|event| event.aggregate().id().to_owned()).collect(),
            event_types: events.iter().map(|event| event.event_type().as_str()).collect(),
            versions: events.iter().map(Event::version).collect(),
            payloads,
            headers: events.iter().map(headers).collect(),
            correlation_ids: events.iter().map(|event| event.correlation_id().map(ToString::to_string)).collect(),
            times: events.iter().map(|event| event.occurred_at().to_string()).collect(),
        })
    }
}

fn headers(event: &Event) -> String {
    let traceparent = event.traceparent().map(|traceparent| traceparent.as_str());
    let headers = Headers { idempotency_key: event.idempotency_key(), traceparent };
    serde_json::to_string(&headers).expect("two texts make a JSON object")
}
