//! What both a message's body and its properties contain. Nouns shared by the routes, the envelope
//! and the message stage.

use std::sync::Arc;

use crate::outbox::carried::Carried;
use crate::outbox::event::Event;

/// The shape of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// Seed document 003's `StandardMessage`.
    Standard,
    /// The event bus envelope of seed documents 000 and 004.
    Domain,
    /// The aggregate envelope of seed document 001.
    Aggregate,
    /// CloudEvents 1.0, structured mode.
    CloudEvents,
    /// CloudEvents 1.0, binary mode: only the payload, with the attributes in headers.
    CloudEventsBinary,
    /// Only the payload.
    Raw,
}

impl Envelope {
    /// Every envelope, for the routes file, docs and tests.
    pub const ALL: [Self; 6] =
        [Self::Standard, Self::Domain, Self::Aggregate, Self::CloudEvents, Self::CloudEventsBinary, Self::Raw];

    /// The word in the routes file and in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Domain => "domain",
            Self::Aggregate => "aggregate",
            Self::CloudEvents => "cloudevents",
            Self::CloudEventsBinary => "cloudevents-binary",
            Self::Raw => "raw",
        }
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|envelope| envelope.as_str() == word)
    }

    /// The media type of a body with this envelope.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Standard | Self::Domain | Self::Aggregate | Self::CloudEventsBinary | Self::Raw => "application/json",
            Self::CloudEvents => "application/cloudevents+json",
        }
    }

    /// The correlation id of body and property. Two envelopes require one, and use the aggregate id
    /// where the row has none.
    pub fn correlation_id(self, event: &Event) -> Option<&str> {
        match self {
            Self::Domain | Self::Aggregate => Some(event.correlation_id.as_deref().unwrap_or(&event.aggregate_id)),
            Self::Standard | Self::CloudEvents | Self::CloudEventsBinary | Self::Raw => event.correlation_id.as_deref(),
        }
    }
}

/// What a route adds to an event's message.
#[derive(Debug, Clone)]
pub struct Labels {
    /// The type on the wire.
    pub message_type: Arc<str>,
    /// Overrides the row's version.
    pub version: Option<Arc<str>>,
    /// The publisher, for example `order-service`.
    pub source: Arc<str>,
    /// The body's media type.
    pub content_type: Arc<str>,
    /// The correlation id, in the body and in the property.
    pub correlation_id: Option<Arc<str>>,
    /// What of its own the relay sends with the message.
    pub carried: Carried,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_envelope_reads_back() {
        for envelope in Envelope::ALL {
            assert_eq!(Envelope::parse(envelope.as_str()), Some(envelope));
        }
        assert_eq!(Envelope::parse("Standard"), None);
    }
}
