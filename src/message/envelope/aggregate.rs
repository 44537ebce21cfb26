//! The envelope `aggregate`: the format of seed document 001, with three-part versions.

use std::borrow::Cow;

use crate::message::envelope::object::Object;
use crate::message::envelope::{AROUND_BYTES, version};
use crate::outbox::event::Event;
use crate::outbox::labels::Labels;
use crate::outbox::time::timestamp;

/// The aggregate id stands in for a missing correlation id.
pub(super) fn render(event: &Event, text: &str, labels: &Labels) -> Vec<u8> {
    let mut metadata = Object::with_capacity(AROUND_BYTES);
    metadata.string("correlationId", labels.correlation_id.as_deref().unwrap_or_default());
    metadata.string("source", &labels.source);
    let mut body = Object::with_capacity(text.len() + AROUND_BYTES);
    body.id("eventId", "", event.id);
    body.string("eventType", &labels.message_type);
    body.string("eventVersion", &of_three_parts(version(event, labels)));
    body.string("aggregateId", &event.aggregate_id);
    body.string("aggregateType", &event.aggregate_type);
    body.string("timestamp", &timestamp(event.created_at));
    body.unparsed("metadata", &metadata.finish());
    body.unparsed("payload", text.as_bytes());
    body.finish()
}

/// `1.0` becomes `1.0.0`. Versions that are not one or two numbers stay as they are.
fn of_three_parts(version: &str) -> Cow<'_, str> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = version.split('.').collect();
    match parts.as_slice() {
        [major] if is_number(major) => Cow::Owned(format!("{version}.0.0")),
        [major, minor] if is_number(major) && is_number(minor) => Cow::Owned(format!("{version}.0")),
        _ => Cow::Borrowed(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_get_three_parts_where_they_are_numbers() {
        for (version, expected) in
            [("1.0", "1.0.0"), ("2", "2.0.0"), ("1.2.3", "1.2.3"), ("1.0-rc1", "1.0-rc1"), ("", ""), ("1.", "1.")]
        {
            assert_eq!(of_three_parts(version), expected);
        }
    }
}
