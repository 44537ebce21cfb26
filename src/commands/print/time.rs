//! Times in JSON answers: RFC 3339, UTC, milliseconds, as in bodies and headers. For `#[serde(with = ..)]`.

use serde::Serializer;
use time::OffsetDateTime;

use crate::outbox::time::timestamp;

/// A time.
pub fn serialize<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp(*at))
}

/// A time that may be absent: null.
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
