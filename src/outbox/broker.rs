//! The seam to the message broker: what the hot path sends, and the answers.
//!
//! `rabbitmq` implements it for RabbitMQ; the tests' simulation implements the same traits in
//! memory.

use std::future::Future;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::watch;
use uuid::Uuid;

use crate::outbox::carried::{OwnProperty, Parts};
use crate::outbox::destination::Destination;
use crate::outbox::flow::Flow;
use crate::outbox::limits::FRAME_BYTES_MAX;

/// Identifies a message on its channel; chosen by the worker.
pub type Token = u64;

/// A message ready to be sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id on the channel.
    pub token: Token,
    /// The AMQP message id.
    pub event_id: Uuid,
    /// Where to.
    pub destination: Destination,
    /// The flow that it is part of.
    pub flow: Flow,
    /// The body.
    pub body: Vec<u8>,
    /// The AMQP properties.
    pub properties: Properties,
}

/// AMQP properties other than the message id and the delivery mode, which are always set.
#[derive(Debug, Clone)]
pub struct Properties {
    /// `type`.
    pub message_type: Arc<str>,
    /// `timestamp`: when the event occurred, in seconds; none before 1970, which AMQP cannot say.
    pub timestamp_seconds: Option<u64>,
    /// `app_id`.
    pub app_id: Arc<str>,
    /// `correlation_id`.
    pub correlation_id: Option<Arc<str>>,
    /// `content_type`.
    pub content_type: Arc<str>,
    /// Which of these are sent. All of them are known, for whoever asks what the message is.
    pub sent: Parts<OwnProperty>,
    /// The row's headers, the route's and ours (`x-outbox-*`).
    pub headers: Map<String, Value>,
}

/// The broker's answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Acked and certainly not returned.
    Confirmed,
    /// No queue is bound; the broker's message.
    Returned(String),
    /// Refused.
    Nacked,
    /// The channel ended first, so nobody knows whether the broker stored it.
    Unknown,
}

/// Why a channel ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// The AMQP reply code, if the broker gave one.
    pub code: Option<u16>,
    /// The broker's or the system's message.
    pub text: String,
    /// Whether the connection ended too.
    pub connection_lost: bool,
}

/// The state of the connection. Each connection is a new generation; nothing of an older one is
/// ever used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Not connected; the supervisor is trying to connect.
    Down,
    /// Connected.
    Up(u64),
    /// Connected, but the broker takes no messages (memory or disk alarm).
    Blocked(u64),
}

/// The broker cannot be used now.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No connection.
    #[error("not connected to the broker")]
    Down,
    /// The channel could not be opened.
    #[error("cannot open the channel: {0}")]
    Open(String),
    /// The connection may not have as many channels.
    #[error("the connection's {limit} channels are taken")]
    NoneLeft {
        /// How many it may have.
        limit: usize,
    },
}

/// Who wants a channel. Where a connection may have few, the first worker and the probe have theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelUser {
    /// The worker without which nothing is published.
    FirstWorker,
    /// Another worker.
    Helper,
    /// The probe, or a trial of a message that closed a channel.
    Probe,
}

/// A broker that hands out channels.
pub trait Broker: Send + Sync + 'static {
    /// Its channel.
    type Channel: Channel;

    /// Opens a channel in confirm mode on the present connection, within a deadline.
    fn open(&self, user: ChannelUser) -> impl Future<Output = Result<Self::Channel, BrokerError>> + Send;

    /// The connection's state, now and as it changes.
    fn link(&self) -> watch::Receiver<LinkState>;

    /// The most bytes of a frame, as negotiated for the last connection. A larger one would end it.
    fn frame_bytes_max(&self) -> usize {
        FRAME_BYTES_MAX
    }

    /// Gives up a connection that has fallen silent; a new one replaces it.
    fn end_generation(&self, generation: u64, why: &str);
}

/// A channel in confirm mode, owned by one task.
pub trait Channel: Send + 'static {
    /// The connection it belongs to.
    fn generation(&self) -> u64;

    /// Hands over a message. The order of calls is the order on the wire. Never waits.
    fn send(&mut self, message: Message);

    /// Whether the socket has taken what was sent, so that another burst may follow.
    fn is_flushed(&self) -> bool;

    /// Waits for answers, or until the last burst was flushed, and returns the known answers.
    /// Cancel safe.
    fn progress(&mut self) -> impl Future<Output = Vec<(Token, Reply)>> + Send;

    /// Messages without an answer.
    fn outstanding(&self) -> usize;

    /// Set once the channel has ended. Every outstanding message is then answered `Unknown`.
    fn close_reason(&self) -> Option<&CloseReason>;
}
