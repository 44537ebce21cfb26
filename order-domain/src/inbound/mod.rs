//! What the order service hears from others: facts, each with its effect exactly once. Everything here is pure: it reads
//! bytes, and says what a fact does to a state that it is given. The features `amqp` and `postgres` bring messages here and
//! write what comes out.
//!
//! ```text
//!  queue ──► read ──► Message { id, event, fact } ──► Reaction { change, reviews } ──► ack after COMMIT
//!              └────► Unreadable ──► dead letter           one transaction with the inbox's mark
//! ```
//!
//! # A fact is not a command
//!
//! A command asks, and may be refused. A fact has happened: it is [applied](Reaction::Applied), or was
//! [known](Reaction::Known) already, or comes [too late](Reaction::Stale) to count, or a person has to
//! [look](Reaction::Review), or it is [dead](Reaction::Dead): about nothing that exists. None of these is a reason to try
//! again; a [`Fault`] is.
//!
//! # Order
//!
//! Retries and replicas break the order of messages. So a state is a maximum over the facts that were heard ([`Latest`]), by
//! the time when they happened and a rank for ties, and a review depends on which facts were heard: any permutation of
//! messages, with any number of copies, ends in one state.
//!
//! # Where things are
//!
//! - [`Source`], [`Binding`], [`InboundEvent`]: queues, exchanges, keys, and every name of every event.
//! - [`read`]: a message of bytes and properties.
//! - [`notification`], [`inventory`], [`product`]: states of their own, beside the order.
//! - [`payment`]: facts about the order itself, which [`Order::hear`](crate::Order::hear) answers.

mod binding;
mod latest;
mod reaction;
mod message;
mod dead_letter;
mod handler;

pub mod inventory;
pub mod notification;
pub mod payment;
pub mod product;

pub use self::binding::{BINDINGS, Binding, InboundEvent, Source};
pub use self::dead_letter::{CUT_BYTES, DeadBody, DeadLetter};
pub use self::handler::{DeadLetterStore, Handler, Observer, Seen};
pub use self::latest::{Heard, Latest};
pub use self::message::{BODY_BYTES_MAX, Fact, Message, Properties, Shape, Unreadable, fallback_id, read};
pub use self::reaction::{Dead, DeadReason, Fault, FaultKind, Outcome, Reaction};
