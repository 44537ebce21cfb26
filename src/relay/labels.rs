//! What a message's body and its properties both say. Nouns shared by the envelope and the message stage.

use std::sync::Arc;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// The shape of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// Seed document 003's `StandardMessage`.
    Standard,
    /// The payload alone.
    Raw,
}

/// What a route says about a message, besides the event itself.
#[derive(Debug, Clone)]
pub struct Labels {
    /// The type on the wire.
    pub message_type: Arc<str>,
    /// Overrules the row's version.
    pub version: Option<Arc<str>>,
    /// Who publishes, for example `order-service`.
    pub source: Arc<str>,
}

const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A time in bodies and headers: RFC 3339, UTC, milliseconds.
pub fn timestamp(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(MILLISECONDS).expect("a date with only numeric components always formats")
}
