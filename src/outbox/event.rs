//! The event: one row of `outbox.events`, as a claim passes it to the stages. Nouns only; every
//! stage may use them.

use time::OffsetDateTime;
use uuid::Uuid;

/// Id of a row in `outbox.holds`.
pub type HoldId = i64;

/// One claimed event.
#[derive(Debug, Clone)]
pub struct Event {
    /// The AMQP message id; never derived from a sequence, which may repeat values after a failover.
    pub id: Uuid,
    /// The order within the key.
    pub seq: i64,
    /// 0 to 63, a hash of the key, computed by the database.
    pub lane: i16,
    /// For example `Order`.
    pub aggregate_type: String,
    /// The aggregate whose events keep their order, unless there is a `partition_key`.
    pub aggregate_id: String,
    /// For example `order.created`.
    pub event_type: String,
    /// The key, in place of `aggregate_id`.
    pub partition_key: Option<String>,
    /// Version of the payload's schema; null in the table means `1.0`.
    pub event_version: Option<String>,
    /// JSON text, passed through byte for byte.
    pub payload: Payload,
    /// The producer's message headers, as the text of a JSON object.
    pub headers: Option<String>,
    /// Correlates the messages of one business transaction.
    pub correlation_id: Option<String>,
    /// When the event occurred, by the producer's or the database's clock.
    pub created_at: OffsetDateTime,
    /// Set when an operator sends a published event again.
    pub replay_id: Option<Uuid>,
    /// Its `seq` before a replay gave it a new one; `None` where none did.
    pub first_seq: Option<i64>,
    /// The only routes to send, set by a replay; `None` for all of them.
    pub only_routes: Option<Vec<String>>,
    /// Why it can never be sent, if the claim could not even read it.
    pub defect: Option<String>,
    /// Its row in `outbox.waits`, if its key waited.
    pub waited: Option<Waited>,
}

/// The payload, or why it was not fetched.
#[derive(Debug, Clone)]
pub enum Payload {
    /// The JSON text.
    Text(String),
    /// Larger than the limit and therefore not fetched; its size in bytes.
    TooLarge(usize),
}

/// The wait that this event ends or renews.
#[derive(Debug, Clone)]
pub struct Waited {
    /// Why the key waited.
    pub reason: WaitReason,
    /// Attempts charged so far.
    pub attempts: u32,
    /// Routes that have confirmed it; it is not sent there again.
    pub routes_confirmed: Vec<String>,
}

impl Event {
    /// The key whose order is kept: `coalesce(partition_key, aggregate_id)`, as in the definition
    /// of the lane.
    pub fn key(&self) -> &str {
        self.partition_key.as_deref().unwrap_or(&self.aggregate_id)
    }

    /// Attempts charged before this one.
    pub fn attempts(&self) -> u32 {
        self.waited.as_ref().map_or(0, |waited| waited.attempts)
    }

    /// Whether a route with this name confirmed it in an earlier batch.
    pub fn has_confirmed(&self, route: &str) -> bool {
        self.waited.as_ref().is_some_and(|waited| waited.routes_confirmed.iter().any(|name| name == route))
    }

    /// The bytes of payload that this event keeps in memory.
    pub fn payload_bytes(&self) -> usize {
        match &self.payload {
            Payload::Text(text) => text.len(),
            Payload::TooLarge(_) => 0,
        }
    }
}

/// Why the head of a key may not leave yet (`outbox.waits.reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// An attempt failed; the time of the next one is known.
    Retry,
    /// Its destination is on hold.
    Held,
    /// No route names its type.
    NoRoute,
    /// Sent; the confirm may still come.
    Unconfirmed,
    /// Its predecessor was dead-lettered, and the policy is to wait for an operator.
    AfterDeadLetter,
    /// The database cannot deliver its row.
    Unreadable,
    /// It was given up, and the database could not move it to the dead letters.
    DeadLetterFailed,
}

impl WaitReason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 7] = [
        Self::Retry,
        Self::Held,
        Self::NoRoute,
        Self::Unconfirmed,
        Self::AfterDeadLetter,
        Self::Unreadable,
        Self::DeadLetterFailed,
    ];

    /// The word in SQL, metrics, logs and docs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Held => "held",
            Self::NoRoute => "no_route",
            Self::Unconfirmed => "unconfirmed",
            Self::AfterDeadLetter => "after_dead_letter",
            Self::Unreadable => "unreadable",
            Self::DeadLetterFailed => "dead_letter_failed",
        }
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// Why an event was dead-lettered (`outbox.dead_letters.failure_reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// No queue was bound for it, on every attempt.
    Unroutable,
    /// The broker closes the channel on this message, but on no other of its destination.
    ChannelClosed,
    /// It exceeds the relay's or the broker's limit.
    PayloadTooLarge,
    /// It cannot become an AMQP message.
    InvalidEvent,
    /// An operator moved it out of the way (`keys dead-letter`).
    Operator,
}

impl FailureReason {
    /// Every reason, for metrics that exist from the start and for tests.
    pub const ALL: [Self; 5] =
        [Self::Unroutable, Self::ChannelClosed, Self::PayloadTooLarge, Self::InvalidEvent, Self::Operator];

    /// The word in SQL, metrics, logs and docs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unroutable => "UNROUTABLE",
            Self::ChannelClosed => "CHANNEL_CLOSED",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::InvalidEvent => "INVALID_EVENT",
            Self::Operator => "OPERATOR",
        }
    }

    /// Parses the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_reason_reads_back() {
        for reason in WaitReason::ALL {
            assert_eq!(WaitReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(WaitReason::parse("elsewhere"), None);
    }
}
