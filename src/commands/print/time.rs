//! Times in JSON answers: RFC 3339, UTC, with milliseconds, as in bodies and headers. For
//! `#[serde(with = ..)]`.

use serde::Serializer;
use time::OffsetDateTime;

use crate::outbox::time::timestamp;

/// A time.
pub fn serialize<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp(*at))
}

/// An optional time, or null.
pub mod optional {
    use serde::Serializer;
    use time::OffsetDateTime;

    use crate::outbox::time::timestamp;

    /// The time, or null.
    pub fn serialize<S: Serializer>(at: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => serializer.serialize_str(&timestamp(*at)),
            None => serializer.serialize_none(),
        }
    }
}
