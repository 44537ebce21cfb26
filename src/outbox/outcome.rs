//! What happened to a message and its event, and what follows. Nouns only: the publish stage's
//! report becomes answers, the verdict stage turns answers into a fate and the fate into a verdict,
//! and the settle stage carries it out.

use std::sync::Arc;
use std::time::Duration;

use crate::outbox::destination::{Destination, OnUnroutable};
use crate::outbox::event::{FailureReason, HoldId};
use crate::outbox::hold::{HoldKind, HoldScope};

/// What happened to one message of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Acked and not returned.
    Confirmed,
    /// Returned: no queue is bound.
    Returned {
        /// Where it was sent.
        destination: Destination,
        /// What its route wants done about that.
        on_unroutable: OnUnroutable,
        /// How many different events came back from there since one was routed.
        streak: u32,
        /// Whether it was a probe of a hold.
        is_probe: bool,
        /// The broker's message.
        text: String,
    },
    /// The broker refused it.
    Nacked {
        /// Where it was sent.
        destination: Destination,
    },
    /// The channel closed because of it, or while it was in flight.
    Closed {
        /// Where it was sent.
        destination: Destination,
        /// What the close says about this message.
        fault: ChannelFault,
    },
    /// Sent, but not answered yet.
    Unconfirmed,
    /// Not sent: its destination is on hold.
    Held {
        /// The hold.
        hold: HoldId,
    },
    /// Not sent: its destination has stopped confirming, while others confirm.
    Stalled {
        /// Where it should have gone.
        destination: Destination,
    },
    /// Not sent, for a reason that has nothing to do with it.
    NotSent,
}

/// What a closed channel says about one message that was in flight.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelFault {
    /// 404: this exchange does not exist.
    ExchangeMissing {
        /// The exchange.
        exchange: Arc<str>,
        /// The broker's message.
        text: String,
    },
    /// 403: the user may not write to what the reply text names.
    Forbidden {
        /// What the text names.
        scope: HoldScope,
        /// The broker's message.
        text: String,
    },
    /// 406, and only this message has the size in the reply text.
    TooLarge {
        /// The broker's message.
        text: String,
    },
    /// Tried alone, it closed the channel again, while another message of its destination passed.
    Culprit {
        /// The broker's message.
        text: String,
    },
    /// Tried alone, it closed the channel again, and no message of its destination passes.
    DestinationClosed {
        /// The broker's message.
        text: String,
    },
    /// The channel or connection was lost, and nothing suggests that this message caused it.
    Bystander,
}

/// What happened to an event on all its routes together.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// The broker took it on every route.
    Confirmed,
    /// No route names its type.
    NoRoute,
    /// It cannot become a message.
    Invalid {
        /// Why.
        error: String,
    },
    /// It exceeds the relay's limit.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// At least one route did not confirm it; the answer that decides.
    Refused(Answer),
}

/// The state change that follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Marked published.
    Published,
    /// Charge one attempt; the key waits for the next one.
    Retry {
        /// Attempts charged so far, including this one.
        attempts: u32,
        /// The pause before the next attempt.
        pause: Duration,
        /// The error.
        error: String,
    },
    /// Move it to `outbox.dead_letters`.
    DeadLetter {
        /// Why.
        reason: FailureReason,
        /// Attempts charged in total.
        attempts: u32,
        /// The error.
        error: String,
    },
    /// Put its destination on hold; the key waits for the hold, and nothing is charged.
    Hold {
        /// What goes on hold.
        scope: HoldScope,
        /// Why.
        kind: HoldKind,
        /// The broker's message.
        error: String,
    },
    /// The key waits for an existing hold.
    WaitForHold {
        /// The hold.
        hold: HoldId,
    },
    /// The key waits for a confirm that may still come.
    AwaitConfirm {
        /// For how long.
        pause: Duration,
    },
    /// The key waits for a route.
    NoRoute,
    /// Leave it pending.
    Leave,
}
