//! Reading a message of the order service back: which event it is, in which envelope, with a typed payload. For consumers in Rust, and for
//! tests that look at what the relay has published.
//!
//! Unknown fields are passed over, at any depth; a version of a higher major is refused by name, because it may mean
//! something else by the same fields.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::{Envelope, EventType, Payload};
use crate::value::timestamp::Timestamp;

/// What the relay sends at most.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

const MAJOR: u32 = 1;

/// A message that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// In which shape it came.
    pub envelope: Envelope,
    /// The event's id, without the `msg-` of the standard envelope. The same on every copy.
    pub id: Option<String>,
    /// The version of the payload, as it was sent.
    pub version: Option<String>,
    /// When it happened.
    pub occurred_at: Option<Timestamp>,
    /// The operation it belongs to.
    pub correlation_id: Option<String>,
    /// What it tells.
    pub payload: Payload,
}

/// Why a message cannot be read. It will not be readable later either: no reason to try again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Larger than anything that the relay sends.
    #[error("the body has {bytes} bytes, of at most {bytes_max}")]
    TooLarge {
        /// What came.
        bytes: usize,
        /// What is read.
        bytes_max: usize,
    },
    /// Not a JSON object with the fields of an envelope.
    #[error("the body is no JSON object with the fields of a known envelope (line {line}, column {column})")]
    NoEnvelope {
        /// Where reading ended; 0 where it is JSON and has the fields of none.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// An event that the order service does not send.
    #[error("there is no event {name:?}")]
    UnknownType {
        /// What the envelope says, cut short.
        name: String,
    },
    /// A version that this crate does not know.
    #[error("{event_type} has version {version:?}, and {MAJOR}.x is supported")]
    UnsupportedVersion {
        /// Of which event.
        event_type: EventType,
        /// What the envelope says, cut short.
        version: String,
    },
    /// The payload is not that of its type. What is wrong is not told: it may be personal.
    #[error("the payload is none of {event_type} (line {line}, column {column})")]
    InvalidPayload {
        /// Of which event.
        event_type: EventType,
        /// Where in the payload.
        line: usize,
        /// Where in the line.
        column: usize,
    },
}

impl Unreadable {
    /// A stable name for programs, for example `UNSUPPORTED_VERSION`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "PAYLOAD_TOO_LARGE",
            Self::NoEnvelope { .. } => "NO_ENVELOPE",
            Self::UnknownType { .. } => "UNKNOWN_EVENT_TYPE",
            Self::UnsupportedVersion { .. } => "UNSUPPORTED_VERSION",
            Self::InvalidPayload { .. } => "SCHEMA_INVALID",
        }
    }
}

/// Every field of every envelope.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    id: Option<String>,
    message_id: Option<String>,
    event_id: Option<String>,
    #[serde(rename = "type")]
    domain_type: Option<String>,
    message_type: Option<String>,
    event_type: Option<String>,
    data_version: Option<String>,
    message_version: Option<String>,
    event_version: Option<String>,
    timestamp: Option<Timestamp>,
    correlation_id: Option<String>,
    metadata: Option<Metadata>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    correlation_id: Option<String>,
}

/// Reads the body of a message in any of the three envelopes.
pub fn parse(body: &str) -> Result<Received, Unreadable> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Unreadable::TooLarge { bytes: body.len(), bytes_max: BODY_BYTES_MAX });
    }
    let no_envelope = |e: serde_json::Error| Unreadable::NoEnvelope { line: e.line(), column: e.column() };
    let wire: Wire<'_> = serde_json::from_str(body).map_err(no_envelope)?;
    let (envelope, id, name, version, correlation_id, payload) = match wire {
        Wire { message_type: Some(name), payload: Some(payload), .. } => {
            let id = wire.message_id.map(|id| id.strip_prefix("msg-").map_or(id.clone(), str::to_owned));
            (Envelope::Standard, id, name, wire.message_version, wire.correlation_id, payload)
        }
        Wire { event_type: Some(name), payload: Some(payload), .. } => {
            let correlation_id = wire.metadata.and_then(|metadata| metadata.correlation_id);
            (Envelope::Aggregate, wire.event_id, name, wire.event_version, correlation_id, payload)
        }
        Wire { domain_type: Some(name), data: Some(data), .. } => {
            (Envelope::Domain, wire.id, name, wire.data_version, wire.correlation_id, data)
        }
        _ => return Err(Unreadable::NoEnvelope { line: 0, column: 0 }),
    };
    let found = match envelope {
        Envelope::Aggregate => EventType::find_aggregate(&name),
        Envelope::Domain | Envelope::Standard => EventType::find(&name),
    };
    let event_type = found.ok_or_else(|| Unreadable::UnknownType { name: short(&name) })?;
    check_version(event_type, version.as_deref())?;
    let invalid = |e: serde_json::Error| {
        let (line, column) = (e.line(), e.column());
        Unreadable::InvalidPayload { event_type, line, column }
    };
    let payload = Payload::from_json(event_type, payload.get()).map_err(invalid)?;
    Ok(Received { envelope, id, version, occurred_at: wire.timestamp, correlation_id, payload })
}

/// Of a version only the major counts; a message without one is of the first.
fn check_version(event_type: EventType, version: Option<&str>) -> Result<(), Unreadable> {
    let Some(version) = version else { return Ok(()) };
    let major = version.split('.').next().unwrap_or_default().parse();
    if major == Ok(MAJOR) {
        Ok(())
    } else {
        Err(Unreadable::UnsupportedVersion { event_type, version: short(version) })
    }
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
