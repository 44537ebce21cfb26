//! The envelope stage: renders the body around the payload, whose text is embedded unparsed.
//!
//! Called once per message, before the message stage. Pure. One file per envelope; `docs/routes.md`
//! shows a body of each.

mod aggregate;
mod cloud_events;
mod domain;
mod object;
mod standard;

use serde_json::{Map, Value};

use crate::outbox::event::Event;
use crate::outbox::labels::{Envelope, Labels};

/// The version of an event without one.
const VERSION_DEFAULT: &str = "1.0";
/// Space reserved for the envelope around the payload, in bytes. Exceeding it is only slower.
const AROUND_BYTES: usize = 400;

/// Renders the body of `event`, whose own headers are `headers`, around its payload's `text`.
pub fn render(envelope: Envelope, event: &Event, text: &str, labels: &Labels, headers: &Map<String, Value>) -> Vec<u8> {
    match envelope {
        Envelope::Standard => standard::render(event, text, labels),
        Envelope::Domain => domain::render(event, text, labels),
        Envelope::Aggregate => aggregate::render(event, text, labels),
        Envelope::CloudEvents => cloud_events::render(event, text, labels, headers),
        Envelope::CloudEventsBinary | Envelope::Raw => text.as_bytes().to_vec(),
    }
}

/// The headers with those that the envelope itself adds.
pub fn with_attributes(
    envelope: Envelope,
    headers: Map<String, Value>,
    event: &Event,
    labels: &Labels,
) -> Map<String, Value> {
    match envelope {
        Envelope::CloudEventsBinary => cloud_events::with_attributes(headers, event, labels),
        Envelope::Standard | Envelope::Domain | Envelope::Aggregate | Envelope::CloudEvents | Envelope::Raw => headers,
    }
}

/// The version on the wire: the route's, or the row's, or the default.
fn version<'a>(event: &'a Event, labels: &'a Labels) -> &'a str {
    labels.version.as_deref().or(event.event_version.as_deref()).unwrap_or(VERSION_DEFAULT)
}

#[cfg(test)]
mod tests;
