//! What happened to a message and to its event, and what follows. Nouns: the publish stage's report becomes answers, the verdict stage
//! turns answers into a fate and a fate into a verdict, the settle stage carries it out.

use std::sync::Arc;
use std::time::Duration;

use crate::outbox::destination::{Destination, OnUnroutable};
use crate::outbox::event::{FailureReason, HoldId};
use crate::outbox::hold::{HoldKind, HoldScope};

/// What happened to one message of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Acked, and returned by none.
    Confirmed,
    /// Came back: no queue is bound.
    Returned {
        /// Where it was sent.
        destination: Destination,
        /// What its route says about that.
        on_unroutable: OnUnroutable,
        /// Different events that came back from there since one was routed.
        streak: u32,
        /// Whether it probed a hold.
        is_probe: bool,
        /// The broker's words.
        text: String,
    },
    /// The broker refused it.
    Nacked {
        /// Where it was sent.
        destination: Destination,
    },
    /// The channel closed over it, or around it.
    Closed {
        /// Where it was sent.
        destination: Destination,
        /// What the close says about it.
        fault: ChannelFault,
    },
    /// Sent; the answer is still to come.
    Unconfirmed,
    /// Not sent: its destination is on hold.
    Held {
        /// The hold.
        hold: HoldId,
    },
    /// Not sent: its destination has stopped confirming while others go on.
    Stalled {
        /// Where it was to go.
        destination: Destination,
    },
    /// Not sent, for a reason that is not its own.
    NotSent,
}

/// What a closed channel says about one message that was in flight on it.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelFault {
    /// 404: this exchange does not exist.
    ExchangeMissing {
        /// The exchange.
        exchange: Arc<str>,
        /// The broker's words.
        text: String,
    },
    /// 403: the user may not write to what the reply text names.
    Forbidden {
        /// What the text names.
        scope: HoldScope,
        /// The broker's words.
        text: String,
    },
    /// 406, and the size in the reply text is this message's alone.
    TooLarge {
        /// The broker's words.
        text: String,
    },
    /// Tried alone it closed the channel again, while another message of its destination passed.
    Culprit {
        /// The broker's words.
        text: String,
    },
    /// Tried alone it closed the channel again, and nothing of its destination passes.
    DestinationClosed {
        /// The broker's words.
        text: String,
    },
    /// The channel or connection went away; nothing says that this message had a part in it.
    Bystander,
}

/// What happened to an event, all its routes together.
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
    /// Over the relay's limit.
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// At least one route did not confirm; the answer that decides.
    Refused(Answer),
}

/// The state change that follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Marked published.
    Published,
    /// One attempt is charged; the key waits for the next.
    Retry {
        /// Charged so far, this one included.
        attempts: u32,
        /// Until the next.
        pause: Duration,
        /// What happened.
        error: String,
    },
    /// Moved to `outbox.dead_letters`.
    DeadLetter {
        /// Why.
        reason: FailureReason,
        /// Charged in all.
        attempts: u32,
        /// What happened.
        error: String,
    },
    /// Its destination goes on hold; the key waits for it, nothing is charged.
    Hold {
        /// What goes on hold.
        scope: HoldScope,
        /// Why.
        kind: HoldKind,
        /// The broker's words.
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
    NoRoute {
        /// Until it is looked at again.
        pause: Duration,
    },
    /// Stays pending as it is.
    Leave,
}
