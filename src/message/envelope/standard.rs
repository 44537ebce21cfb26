//! The envelope `standard`: the `StandardMessage` of seed document 003.

use crate::message::envelope::object::Object;
use crate::message::envelope::{AROUND_BYTES, version};
use crate::outbox::event::Event;
use crate::outbox::labels::Labels;
use crate::outbox::time::timestamp;

/// Omits `correlationId` if the row has none.
pub(super) fn render(event: &Event, text: &str, labels: &Labels) -> Vec<u8> {
    let mut body = Object::with_capacity(text.len() + AROUND_BYTES);
    body.id("messageId", "msg-", event.id);
    body.string("messageType", &labels.message_type);
    body.string("messageVersion", version(event, labels));
    body.string("timestamp", &timestamp(event.created_at));
    body.string("source", &labels.source);
    if let Some(correlation_id) = &labels.correlation_id {
        body.string("correlationId", correlation_id);
    }
    body.string("partitionKey", event.key());
    body.unparsed("payload", text.as_bytes());
    body.finish()
}
