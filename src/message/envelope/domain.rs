//! The envelope `domain`: the format of the event bus in seed documents 000 and 004.

use crate::message::envelope::object::Object;
use crate::message::envelope::{AROUND_BYTES, version};
use crate::outbox::event::Event;
use crate::outbox::labels::Labels;
use crate::outbox::time::timestamp;

/// The aggregate id stands in for a missing correlation id.
pub(super) fn render(event: &Event, text: &str, labels: &Labels) -> Vec<u8> {
    let mut body = Object::with_capacity(text.len() + AROUND_BYTES);
    body.id("id", "", event.id);
    body.string("type", &labels.message_type);
    body.string("source", &labels.source);
    body.string("dataVersion", version(event, labels));
    body.string("timestamp", &timestamp(event.created_at));
    body.string("correlationId", labels.correlation_id.as_deref().unwrap_or_default());
    body.unparsed("data", text.as_bytes());
    body.finish()
}
