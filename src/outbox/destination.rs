//! Where a message goes: an exchange and a routing key.

use std::fmt;
use std::sync::Arc;

/// An exchange and a rendered routing key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The exchange; empty is the broker's default exchange.
    pub exchange: Arc<str>,
    /// The routing key, templates filled in.
    pub routing_key: Arc<str>,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.exchange, self.routing_key)
    }
}

/// What becomes of an event whose message came back because no queue is bound for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnroutable {
    /// Retry, then dead letter.
    DeadLetter,
    /// The destination goes on hold at once.
    Hold,
    /// Nobody listens, and that is fine: it counts as confirmed.
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

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == word)
    }
}
