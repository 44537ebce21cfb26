//! Where a message goes: an exchange and a routing key.

use std::fmt;
use std::sync::Arc;

/// An exchange and a rendered routing key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The exchange; empty for the broker's default exchange.
    pub exchange: Arc<str>,
    /// The routing key, with its fields filled in.
    pub routing_key: Arc<str>,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.exchange, self.routing_key)
    }
}

/// What to do with an event whose message was returned because no queue is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnroutable {
    /// Retry it, then dead-letter it.
    DeadLetter,
    /// Put the destination on hold at once.
    Hold,
    /// Nobody has to listen, so it counts as confirmed.
    Ignore,
}

impl OnUnroutable {
    /// Every choice, for the routes file and tests.
    pub const ALL: [Self; 3] = [Self::DeadLetter, Self::Hold, Self::Ignore];

    /// The word in the routes file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeadLetter => "dead_letter",
            Self::Hold => "hold",
            Self::Ignore => "ignore",
        }
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == word)
    }
}
