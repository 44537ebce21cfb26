//! What a service gives the consumer: a handler of messages, a store of dead letters, and an observer for its metrics.

use std::future::Future;

use super::notification::NotificationAlert;
use super::{DeadLetter, DeadReason, Fault, InboundEvent, Message, Outcome, Source};

/// Handles the messages of one or more sources.
///
/// One call is one try: open a transaction, `inbox::once` it, react, write, append, COMMIT, and answer. The
/// message is acknowledged after the answer and never before, so what was not committed is tried again. An
/// [`Outcome::Dead`] rolls its transaction back: no mark stays that would swallow a replay.
pub trait Handler: Send + Sync + 'static {
    /// Handles `message`.
    ///
    /// # Errors
    /// A [`Fault`], with which nothing may have been written. A COMMIT without an answer is a fault of the infrastructure: the
    /// message comes again, and the inbox knows.
    fn handle(&self, message: &Message) -> impl Future<Output = Result<Outcome, Fault>> + Send;
}

/// Stores dead letters.
pub trait DeadLetterStore: Send + Sync + 'static {
    /// Stores `letter`, once for its queue and message id: another copy of a letter that waits changes nothing.
    ///
    /// # Errors
    /// A [`Fault`] of either kind keeps the letter in its queue.
    fn store(&self, letter: &DeadLetter) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Told of everything that a consumer does, for metrics. Called between messages: return at once.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn seen(&self, seen: Seen<'_>);
}

/// No metrics.
impl Observer for () {
    fn seen(&self, _: Seen<'_>) {}
}

/// What a consumer did.
#[derive(Debug, Clone, Copy)]
pub enum Seen<'a> {
    /// A message was handled and acknowledged.
    Handled {
        /// From whom it came.
        source: Source,
        /// Which event; absent where it cannot be told.
        event: Option<InboundEvent>,
        /// How it ended.
        outcome: &'a Outcome,
        /// How long the handler took.
        seconds: f64,
    },
    /// A try failed, and the message is tried again later.
    Retried {
        /// From whom it came.
        source: Source,
        /// Which event.
        event: InboundEvent,
        /// How many tries there were.
        attempts: u32,
    },
    /// A message became a dead letter.
    DeadLettered {
        /// From whom it came.
        source: Source,
        /// Why.
        reason: DeadReason,
    },
    /// A dead letter was stored.
    Stored {
        /// From whom it came.
        source: Source,
    },
    /// A dead letter is about a critical notification.
    NotificationFailure(&'a NotificationAlert),
    /// A message was handed back to the broker, charged nothing.
    HandedBack {
        /// From whom it came.
        source: Source,
    },
    /// A consumer is in another state.
    State {
        /// From whom it hears.
        source: Source,
        /// Whether that is the queue of dead letters.
        dead_letters: bool,
        /// Whether it waits for the infrastructure.
        is_paused: bool,
        /// Whether it takes messages.
        is_running: bool,
    },
}
