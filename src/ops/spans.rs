//! Spans for OpenTelemetry: one per message that was sent, made of facts when its answer is known. Only builds with the cargo feature
//! `opentelemetry` have them; in any other build `Spans` is empty and its calls are nothing.
//!
//! Told by `relay::collect`, started and closed by `app`. Promises: a call never waits and never fails; what cannot be exported is
//! dropped and counted. The stages and their nouns know nothing of it, and neither does the message: its headers are the row's own.

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

/// A message that went out, and what came of it.
#[derive(Debug, Clone, Copy)]
pub struct SentMessage<'a> {
    /// What it told.
    pub event: &'a Event,
    /// By which route.
    pub route: &'a str,
    /// Where to.
    pub destination: &'a Destination,
    /// Bytes of its body.
    pub body_bytes: usize,
    /// When it was handed to the channel.
    pub sent_at: Instant,
    /// When the broker answered; absent where it did not while the batch was open.
    pub answered_at: Option<Instant>,
    /// What it answered.
    pub answer: &'a Answer,
}
