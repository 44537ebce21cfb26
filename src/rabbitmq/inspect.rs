//! Inspects a broker the way a relay would use it, without publishing anything. Called by `check`.
//!
//! To test whether an exchange exists and may be written to, it publishes an empty message in a
//! transaction and rolls that back: RabbitMQ checks the exchange (404) and the permissions, also
//! those for the routing key (403), when the message comes, and delivers only at a commit (seen on
//! 3.10, 4.0 and 4.3). A passive declare would need another permission on 4.3 and later,
//! and a message with properties that are refused is refused before the topic permission is
//! looked at on 4.0 and later. Each try uses its own channel, which it closes.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, Event, ExchangeKind};

use crate::deadline::deadline;
use crate::outbox::broker::CloseReason;
use crate::rabbitmq::channel::close_reason;
use crate::rabbitmq::connect::Node;
use crate::rabbitmq::supervisor::{BrokerSettings, Declared, connect_to, declare_queue, frame_bytes_max};
use crate::rabbitmq::wire;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TRY_TIMEOUT: Duration = Duration::from_secs(3);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

const NOT_FOUND: u16 = 404;
const ACCESS_REFUSED: u16 = 403;
const PRECONDITION_FAILED: u16 = 406;

/// A connection to one node.
pub struct Inspection {
    connection: Connection,
    events: futures_util::stream::BoxStream<'static, Event>,
    blocked: Option<String>,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
}

/// What would happen to a publish to an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It exists and may be written to.
    Writable,
    /// The exchange does not exist.
    Missing(String),
    /// Only the broker itself publishes to it.
    Internal(String),
    /// The user may not write to it.
    Forbidden(String),
    /// The user may write to it, but not with this routing key.
    TopicForbidden(String),
    /// No meaningful answer, and why.
    Unknown(String),
}

/// What a queue holds and who takes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Messages that are ready.
    pub messages: u32,
    /// Consumers, active or not.
    pub consumers: u32,
}

/// Whether an exchange has the kind that `--declare` would give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// It is.
    Same,
    /// It has other arguments.
    Different(String),
    /// The user may not ask, or the broker did not answer.
    Unknown(String),
}

impl Inspection {
    /// Connects to one node of the settings: logs in and opens the vhost, but declares nothing.
    pub(crate) async fn open(settings: &BrokerSettings, node: Node) -> Result<Self, String> {
        let undeclared = BrokerSettings { declare: Declared::default(), ..settings.clone() };
        let is_tls = node.is_tls();
        let connection = match deadline(CONNECT_TIMEOUT, "connecting", connect_to(node, &undeclared)).await {
            Ok(connected) => connected?,
            Err(error) => return Err(error.to_string()),
        };
        let events = Box::pin(connection.events_listener());
        Ok(Self { connection, events, blocked: None, is_tls })
    }

    /// Opens a channel with publisher confirms, as each worker does.
    pub async fn confirms(&self) -> Result<(), String> {
        match deadline(TRY_TIMEOUT, "opening a channel with confirms", self.channel()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Opens up to `wanted` channels at a time and answers how many there were, on a connection of its own: a user's limit, which the broker
    /// tells nobody, ends it with the channel that is too many.
    pub(crate) async fn channels(settings: &BrokerSettings, node: Node, wanted: usize) -> Result<usize, String> {
        let inspection = Self::open(settings, node).await?;
        let mut open = Vec::new();
        while open.len() < wanted {
            match deadline(TRY_TIMEOUT, "opening channels", inspection.channel()).await {
                Ok(Ok(channel)) => open.push(channel),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        let count = open.len();
        drop(open);
        inspection.close().await;
        Ok(count)
    }

    /// The most bytes of a frame, as negotiated.
    pub fn frame_bytes_max(&self) -> usize {
        frame_bytes_max(&self.connection)
    }

    /// Tries what would happen to a publish to the exchange.
    pub async fn access(&mut self, exchange: &str, routing_key: &str) -> Access {
        match deadline(TRY_TIMEOUT, "trying an exchange", self.try_publish(exchange, routing_key)).await {
            Ok(Ok(None)) => Access::Writable,
            Ok(Ok(Some(reason))) => read(reason),
            Ok(Err(error)) => Access::Unknown(error),
            Err(error) => Access::Unknown(error.to_string()),
        }
    }

    /// Declares an exchange that is known to exist, as `--declare` would. This changes nothing, and
    /// is refused if it differs.
    pub async fn kind(&self, exchange: &str, kind: ExchangeKind) -> Kind {
        match deadline(TRY_TIMEOUT, "comparing an exchange", self.try_declare(exchange, kind)).await {
            Ok(Ok(None)) => Kind::Same,
            Ok(Ok(Some(reason))) if reason.code == Some(PRECONDITION_FAILED) => Kind::Different(reason.text),
            Ok(Ok(Some(reason))) => Kind::Unknown(reason.text),
            Ok(Err(error)) => Kind::Unknown(error),
            Err(error) => Kind::Unknown(error.to_string()),
        }
    }

    /// Looks at a queue by its name alone; `None` is that there is none.
    pub async fn queue(&self, name: &str) -> Result<Option<QueueState>, String> {
        let looking = async {
            let channel = self.channel().await.map_err(|error| error.to_string())?;
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let name = wire::short(name).map_err(|error| error.to_string())?;
            match channel.queue_declare(name, options, FieldTable::default()).await {
                Ok(queue) => {
                    Ok(Some(QueueState { messages: queue.message_count(), consumers: queue.consumer_count() }))
                }
                Err(error) => match close_reason(&error) {
                    reason if reason.code == Some(NOT_FOUND) => Ok(None),
                    reason => Err(reason.text),
                },
            }
        };
        deadline(TRY_TIMEOUT, "looking at a queue", looking).await.map_err(|error| error.to_string())?
    }

    /// Compares a queue that is known to be there with what `--declare` would make: quorum, with a single active consumer.
    pub async fn queue_kind(&self, name: &str) -> Kind {
        let comparing = async {
            let channel = self.channel().await.map_err(|error| error.to_string())?;
            Ok(declare_queue(&channel, name).await?.err().map(|error| close_reason(&error)))
        };
        match deadline(TRY_TIMEOUT, "comparing a queue", comparing).await {
            Ok(Ok(None)) => Kind::Same,
            Ok(Ok(Some(reason))) if reason.code == Some(PRECONDITION_FAILED) => Kind::Different(reason.text),
            Ok(Ok(Some(reason))) => Kind::Unknown(reason.text),
            Ok(Err(error)) => Kind::Unknown(error),
            Err(error) => Kind::Unknown(error.to_string()),
        }
    }

    /// Why the broker takes no messages now, if it has said so. It does so only after the first
    /// publish.
    pub fn blocked(&mut self) -> Option<String> {
        self.hear();
        self.blocked.clone()
    }

    /// Closes cleanly if that can work. A blocked connection would hang on close, so
    /// it is only dropped.
    pub async fn close(mut self) {
        if self.blocked().is_some() {
            return;
        }
        let Ok(text) = wire::short("checked") else { return };
        match deadline(CLOSE_TIMEOUT, "closing", self.connection.close(200, text)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the broker connection did not close cleanly"),
            Err(error) => tracing::debug!(%error, "the broker connection did not close cleanly"),
        }
    }

    async fn channel(&self) -> lapin::Result<lapin::Channel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    /// Takes note of what the broker has told so far.
    fn hear(&mut self) {
        while let Some(Some(event)) = futures_util::FutureExt::now_or_never(self.events.next()) {
            let _earlier = self.note(event);
        }
    }

    /// Returns why the broker closed something.
    #[expect(clippy::wildcard_enum_match_arm, reason = "an enum of a library, and it grows")]
    fn note(&mut self, event: Event) -> Option<CloseReason> {
        match event {
            Event::ConnectionBlocked(reason) => self.blocked = Some(reason),
            Event::ConnectionUnblocked => self.blocked = None,
            Event::Error(error) => return Some(close_reason(&error)),
            _ => {}
        }
        None
    }

    /// Why the broker closed a channel. A call on one that is closing already is only told that; the broker's words come as an event.
    async fn why(&mut self, error: &lapin::Error) -> CloseReason {
        let mut reason = close_reason(error);
        while reason.code.is_none()
            && let Some(event) = self.events.next().await
        {
            reason = self.note(event).unwrap_or(reason);
        }
        reason
    }

    /// Why the channel closed; `None` if it did not.
    async fn try_publish(&mut self, exchange: &str, routing_key: &str) -> Result<Option<CloseReason>, String> {
        let too_long = |error: wire::TooLong| error.to_string();
        let exchange = wire::short(exchange).map_err(too_long)?;
        let routing_key = wire::short(routing_key).map_err(too_long)?;
        let channel = self.connection.create_channel().await.map_err(|error| error.to_string())?;
        channel.tx_select().await.map_err(|error| error.to_string())?;
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        self.hear();
        let published = channel.basic_publish(exchange, routing_key, options, &[], properties).await;
        if let Err(error) = published {
            return Ok(Some(self.why(&error).await));
        }
        // The answer to this comes after the message was looked at.
        if let Err(error) = channel.tx_rollback().await {
            return Ok(Some(self.why(&error).await));
        }
        match wire::short("tried") {
            Ok(text) => Ok(channel.close(200, text).await.err().map(|error| close_reason(&error))),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn try_declare(&self, exchange: &str, kind: ExchangeKind) -> Result<Option<CloseReason>, String> {
        let channel = self.channel().await.map_err(|error| error.to_string())?;
        let exchange = wire::short(exchange).map_err(|error| error.to_string())?;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = channel.exchange_declare(exchange, kind, options, FieldTable::default()).await;
        Ok(declared.err().map(|error| close_reason(&error)))
    }
}

fn read(reason: CloseReason) -> Access {
    match reason.code {
        Some(NOT_FOUND) => Access::Missing(reason.text),
        Some(ACCESS_REFUSED) if reason.text.contains("access to topic") => Access::TopicForbidden(reason.text),
        Some(ACCESS_REFUSED) if reason.text.contains("internal exchange") => Access::Internal(reason.text),
        Some(ACCESS_REFUSED) => Access::Forbidden(reason.text),
        Some(_) | None => Access::Unknown(reason.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_words_tell_a_missing_exchange_from_a_forbidden_one() {
        let reason = |code, text: &str| CloseReason { code: Some(code), text: text.into(), connection_lost: false };
        assert!(matches!(read(reason(406, "no transactions")), Access::Unknown(_)));
        assert!(matches!(read(reason(404, "no exchange 'e'")), Access::Missing(_)));
        assert!(matches!(read(reason(403, "access to exchange 'e'")), Access::Forbidden(_)));
        assert!(matches!(read(reason(403, "access to topic 'k' in exchange 'e'")), Access::TopicForbidden(_)));
        assert!(matches!(read(reason(403, "cannot publish to internal exchange 'e'")), Access::Internal(_)));
        assert!(matches!(read(reason(541, "internal")), Access::Unknown(_)));
    }
}
