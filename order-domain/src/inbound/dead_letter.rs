//! A message that was of no use, as it is stored for a person to look at: what came, why it was put aside, and what is needed to
//! send it again. Personal: bodies have names and addresses, so `Debug` shows their size only.

use super::message::checksum;
use super::reaction::DeadReason;
use super::{Properties, Source};
use crate::value::timestamp::Timestamp;

/// What is kept of a body that is too large.
pub const CUT_BYTES: usize = 4096;

/// A dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// From whom it came.
    pub source: Source,
    /// The queue that it was taken from, and that a replay goes back to.
    pub queue: String,
    /// The exchange that it was sent to, where that is known.
    pub exchange: Option<String>,
    /// What AMQP said about it.
    pub properties: Properties,
    /// The id that the inbox would remember it by; a replay keeps it. With the queue it names the dead letter: two copies of one
    /// message are one dead letter.
    pub message_id: String,
    /// Why, for programs.
    pub reason: DeadReason,
    /// Why, for people; no value of the message is in it.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was put aside.
    pub died_at: Timestamp,
    /// What came.
    pub body: DeadBody,
}

/// The body of a dead letter.
#[derive(Clone, PartialEq, Eq)]
pub enum DeadBody {
    /// All of it.
    Whole(Vec<u8>),
    /// One that was too large to be kept. It cannot be replayed.
    Cut {
        /// How many bytes it had.
        bytes: u64,
        /// `sha256-` and the digest of all of it.
        checksum: String,
        /// The first 4 KiB of it.
        start: Vec<u8>,
    },
}

impl DeadBody {
    /// Keeps `body`, or its start where it has more than `bytes_max` bytes.
    pub fn keep(body: &[u8], bytes_max: usize) -> Self {
        if body.len() <= bytes_max {
            return Self::Whole(body.to_vec());
        }
        let start = body[..CUT_BYTES.min(body.len())].to_vec();
        Self::Cut { bytes: body.len() as u64, checksum: checksum(&[body]), start }
    }

    /// What there is of it.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(body) => body,
            Self::Cut { start, .. } => start,
        }
    }
}

impl std::fmt::Debug for DeadBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(body) => write!(f, "Whole({} bytes)", body.len()),
            Self::Cut { bytes, .. } => write!(f, "Cut({bytes} bytes)"),
        }
    }
}
