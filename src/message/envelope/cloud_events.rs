//! The envelope `cloudevents`: CloudEvents 1.0 as structured JSON. Its AMQP binding is for AMQP 1.0, so there is no binary mode.

use crate::message::envelope::object::Object;
use crate::message::envelope::{AROUND_BYTES, version};
use crate::outbox::event::Event;
use crate::outbox::labels::Labels;
use crate::outbox::time::timestamp;

/// Values without a CloudEvents attribute become extension attributes, whose names are lower-case
/// letters and digits.
pub(super) fn render(event: &Event, text: &str, labels: &Labels) -> Vec<u8> {
    let mut body = Object::with_capacity(text.len() + AROUND_BYTES);
    body.string("specversion", "1.0");
    body.id("id", "", event.id);
    body.string("source", &labels.source);
    body.string("type", &labels.message_type);
    body.string("subject", &event.aggregate_id);
    body.string("time", &timestamp(event.created_at));
    body.string("datacontenttype", "application/json");
    body.string("dataversion", version(event, labels));
    body.string("partitionkey", event.key());
    if let Some(correlation_id) = &event.correlation_id {
        body.string("correlationid", correlation_id);
    }
    body.unparsed("data", text.as_bytes());
    body.finish()
}
