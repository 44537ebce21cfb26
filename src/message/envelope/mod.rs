//! The envelope stage: renders the body that consumers read around the payload, whose text is embedded unparsed.
//!
//! Called once per message, before the message stage; pure. One file a shape; `docs/routes.md` shows a body of each.

mod aggregate;
mod cloud_events;
mod domain;
mod object;
mod standard;

use crate::outbox::event::Event;
use crate::outbox::labels::{Envelope, Labels};

/// The version of an event that names none (design section 3).
const VERSION_DEFAULT: &str = "1.0";
/// Room for what an envelope puts around the payload, in bytes; more is only slower.
const AROUND_BYTES: usize = 400;

/// Renders the body of `event` around its payload's `text`.
pub fn render(envelope: Envelope, event: &Event, text: &str, labels: &Labels) -> Vec<u8> {
    match envelope {
        Envelope::Standard => standard::render(event, text, labels),
        Envelope::Domain => domain::render(event, text, labels),
        Envelope::Aggregate => aggregate::render(event, text, labels),
        Envelope::CloudEvents => cloud_events::render(event, text, labels),
        Envelope::Raw => text.as_bytes().to_vec(),
    }
}

/// The version on the wire: the route's, else the row's, else the default.
fn version<'a>(event: &'a Event, labels: &'a Labels) -> &'a str {
    labels.version.as_deref().or(event.event_version.as_deref()).unwrap_or(VERSION_DEFAULT)
}

#[cfg(test)]
mod tests;
