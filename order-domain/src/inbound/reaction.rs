//! What a fact did. One answer for every fact of another service: a fact cannot be refused as a command can, because it has
//! happened, and telling it again later changes nothing about the answer.

use crate::review::Review;

/// The answer to a fact. `T` is what is to be written: the order with its events, or a state of its own.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "what it changed has to be written, and its reviews be raised, in one transaction"]
pub enum Reaction<T> {
    /// It changed something.
    Applied(T),
    /// It was known already.
    Known,
    /// Something newer is known, or it is about something that does not count any more.
    Stale,
    /// A person has to look.
    Review {
        /// At what; at least one.
        reviews: Vec<Review>,
        /// What it changed nevertheless.
        change: Option<T>,
    },
    /// It cannot be used, now or later.
    Dead(Dead),
}

impl<T> Reaction<T> {
    /// A review, and nothing changes.
    pub fn review(review: Review) -> Self {
        Self::Review { reviews: vec![review], change: None }
    }

    /// What is to be written.
    pub fn change(&self) -> Option<&T> {
        match self {
            Self::Applied(change) => Some(change),
            Self::Review { change, .. } => change.as_ref(),
            Self::Known | Self::Stale | Self::Dead(_) => None,
        }
    }

    /// What is to be looked at.
    pub fn reviews(&self) -> &[Review] {
        match self {
            Self::Review { reviews, .. } => reviews,
            Self::Applied(_) | Self::Known | Self::Stale | Self::Dead(_) => &[],
        }
    }

    /// The same without what it changed, for the consumer.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Applied(_) => Outcome::Applied,
            Self::Known => Outcome::Known,
            Self::Stale => Outcome::Stale,
            Self::Review { .. } => Outcome::Review,
            Self::Dead(dead) => Outcome::Dead(dead.clone()),
        }
    }
}

/// How a message ended, for the consumer: it acknowledges all of them, and the dead ones become dead letters first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It changed something.
    Applied,
    /// The fact was known already, told by another message.
    Known,
    /// The fact came too late to count.
    Stale,
    /// A person has to look.
    Review,
    /// The same message was handled before.
    Duplicate,
    /// It cannot be used.
    Dead(Dead),
}

impl Outcome {
    /// Every name of an outcome.
    pub const NAMES: [&'static str; 6] = ["applied", "known", "stale", "review", "duplicate", "dead"];

    /// A name for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Known => "known",
            Self::Stale => "stale",
            Self::Review => "review",
            Self::Duplicate => "duplicate",
            Self::Dead(_) => "dead",
        }
    }
}

/// Why a message is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Dead {
    /// For programs.
    pub reason: DeadReason,
    /// For people. Never a value of the message: it may be personal.
    pub detail: String,
}

impl Dead {
    /// A reason with its detail.
    pub fn new(reason: DeadReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

/// Why a message became a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadReason {
    /// Not JSON, not an event, or fields of the wrong form.
    SchemaInvalid,
    /// A version that may mean something else by the same fields.
    UnsupportedVersion,
    /// A routing key that belongs to no event, or a type that contradicts it.
    UnknownEventType,
    /// About an order that does not exist.
    OrderUnknown,
    /// About an item that its order does not have.
    ItemUnknown,
    /// A larger body than any event has.
    PayloadTooLarge,
    /// Every try failed; or the Notification Service says so of one of its own.
    MaxRetriesExceeded,
    /// The broker put it aside: delivered too often, or the queue was too long.
    RejectedByBroker,
}

impl DeadReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::SchemaInvalid,
        Self::UnsupportedVersion,
        Self::UnknownEventType,
        Self::OrderUnknown,
        Self::ItemUnknown,
        Self::PayloadTooLarge,
        Self::MaxRetriesExceeded,
        Self::RejectedByBroker,
    ];

    /// The name in tables, metrics and logs, such as `SCHEMA_INVALID`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SchemaInvalid => "SCHEMA_INVALID",
            Self::UnsupportedVersion => "UNSUPPORTED_VERSION",
            Self::UnknownEventType => "UNKNOWN_EVENT_TYPE",
            Self::OrderUnknown => "ORDER_UNKNOWN",
            Self::ItemUnknown => "ITEM_UNKNOWN",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::MaxRetriesExceeded => "MAX_RETRIES_EXCEEDED",
            Self::RejectedByBroker => "REJECTED_BY_BROKER",
        }
    }

    /// The reason with that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl std::fmt::Display for DeadReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a message was not handled this time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Fault {
    /// Whose it is.
    pub kind: FaultKind,
    /// What went wrong. Never a value of the message: it may be personal.
    pub text: String,
}

/// Whose fault it is that a message was not handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The database's, the network's, the program's: every message would meet it. The consumer pauses, and the message is charged
    /// nothing.
    Infrastructure,
    /// Perhaps the message's: it is tried again after 1, 2 and 4 s, then it is a dead letter.
    Message,
}

impl Fault {
    /// Every message would meet it.
    pub fn infrastructure(text: impl Into<String>) -> Self {
        Self { kind: FaultKind::Infrastructure, text: text.into() }
    }

    /// This message may be the cause.
    pub fn message(text: impl Into<String>) -> Self {
        Self { kind: FaultKind::Message, text: text.into() }
    }
}
