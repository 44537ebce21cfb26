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
        /// What is in trouble.
        trouble: Trouble,
        /// What its route says about that.
        on_unroutable: OnUnroutable,
        /// What is known of its flow.
        past: Past,
        /// Whether it probed a hold.
        is_probe: bool,
        /// The broker's message.
        text: String,
    },
    /// The broker refused it.
    Nacked {
        /// What is in trouble.
        trouble: Trouble,
    },
    /// The channel closed because of it, or while it was in flight.
    Closed {
        /// What is in trouble, if the fault is its flow's.
        trouble: Trouble,
        /// What the close says about it.
        fault: ChannelFault,
    },
    /// Sent, but not answered yet.
    Unconfirmed,
    /// Not sent: its destination is on hold.
    Held {
        /// The hold.
        hold: HoldId,
    },
    /// Not sent: its routing key, or its flow, has owed confirms for too long.
    Stalled {
        /// What has.
        scope: HoldScope,
    },
    /// Not sent, for a reason that has nothing to do with it.
    NotSent,
}

/// What is in trouble where a message failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// This: it goes on hold.
    Of(HoldScope),
    /// One of many routing keys of a flow that is well otherwise: too many for a hold each.
    Another(Destination),
}

/// What is known of a flow from which a message came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// It was confirmed before, in this process or in another, perhaps long ago.
    Confirmed,
    /// It never was, and so many events came back from there.
    Returned(u32),
}

/// What a closed channel says about one message that was in flight on it.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelFault {
    /// 404: this exchange does not exist.
    ExchangeMissing {
        /// The exchange.
        exchange: Arc<str>,
        /// The broker's message.
        text: String,
    },
    /// 403: the user may not write to this exchange at all.
    Forbidden {
        /// The exchange.
        exchange: Arc<str>,
        /// The broker's words.
        text: String,
    },
    /// 403: the user may not write to this routing key of a topic exchange.
    TopicForbidden {
        /// The broker's words.
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
    NotPublished(Answer),
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
    /// Tried again after a pause, and nothing is charged.
    Pause {
        /// Until it is tried again.
        pause: Duration,
        /// What happened.
        error: String,
    },
    /// The key waits for a hold that is there already.
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
