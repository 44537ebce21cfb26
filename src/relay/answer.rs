//! What happened to one message. Nouns: the publish stage's report is turned into these, and the verdict stage judges them.

use std::sync::Arc;

use crate::relay::destination::{Destination, HoldScope, OnUnroutable};
use crate::relay::event::HoldId;

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
