//! Spans for OpenTelemetry: one per sent message, made when its answer is known. Only builds with
//! the cargo feature `opentelemetry` have them. In other builds, `Spans` is empty and its methods
//! do nothing.
//!
//! Called by `relay::collect`; started and closed by `app`. A call never waits and never fails:
//! spans that cannot be exported are dropped and counted. The stages and their nouns do not know
//! about spans. Messages do not change either; their headers come from the row.

#[cfg(feature = "opentelemetry")]
mod client;
#[cfg(feature = "opentelemetry")]
mod export;
#[cfg(not(feature = "opentelemetry"))]
mod off;
#[cfg(feature = "opentelemetry")]
mod on;
#[cfg(feature = "opentelemetry")]
mod producer;
#[cfg(feature = "opentelemetry")]
mod settings;

use tokio::time::Instant;

use crate::outbox::destination::Destination;
use crate::outbox::event::Event;
use crate::outbox::outcome::Answer;

#[cfg(not(feature = "opentelemetry"))]
pub use off::Spans;
#[cfg(feature = "opentelemetry")]
pub use on::Spans;

/// A message that was sent, and what happened to it.
#[derive(Debug, Clone, Copy)]
pub struct SentMessage<'a> {
    /// Its event.
    pub event: &'a Event,
    /// Its route.
    pub route: &'a str,
    /// Where to.
    pub destination: &'a Destination,
    /// Bytes of its body.
    pub body_bytes: usize,
    /// When it was handed to the channel.
    pub sent_at: Instant,
    /// When the broker answered; `None` if it did not while the batch was open.
    pub answered_at: Option<Instant>,
    /// The broker's answer.
    pub answer: &'a Answer,
}
