//! What a message's body and its properties both say. Nouns shared by the routes, the envelope and the message stage.

use std::sync::Arc;

/// The shape of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// Seed document 003's `StandardMessage`.
    Standard,
    /// The event bus envelope of seed documents 000 and 004.
    Domain,
    /// Seed document 001's, around an aggregate.
    Aggregate,
    /// CloudEvents 1.0, structured mode.
    CloudEvents,
    /// The payload alone.
    Raw,
}

impl Envelope {
    /// Every envelope, for the routes file, docs and tests.
    pub const ALL: [Self; 5] = [Self::Standard, Self::Domain, Self::Aggregate, Self::CloudEvents, Self::Raw];

    /// The word in the routes file and in what is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Domain => "domain",
            Self::Aggregate => "aggregate",
            Self::CloudEvents => "cloudevents",
            Self::Raw => "raw",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|envelope| envelope.as_str() == word)
    }

    /// The media type of a body of this shape.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Standard | Self::Domain | Self::Aggregate | Self::Raw => "application/json",
            Self::CloudEvents => "application/cloudevents+json",
        }
    }
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
    /// The body's media type.
    pub content_type: &'static str,
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
