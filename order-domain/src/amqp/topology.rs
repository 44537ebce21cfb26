//! The queues and exchanges of the order service. Its own it declares; those of other services it looks for, and binds its
//! queues to them. Everything is durable.
//!
//! ```text
//!  inventory.events ──► OrderService_InventoryEvents ──► consumer ──► OrderService_DeadLetters ──► DLQ_OrderService_Inventory
//!                              ▲                            │ (or the broker itself)
//!                              └── ….retry.1s .2s .4s ◄─────┘
//! ```
//!
//! Retry queues are one for each delay: of two delays in one queue the short one waits behind the long one. They give back to
//! the one queue alone, by the default exchange, so that no other consumer sees a message twice. The queues are classic ones:
//! a quorum queue counts what is handed back as a delivery, and would make dead letters of messages in a long outage of the
//! database.
//!
//! Each question goes to the broker on a channel of its own, because a wrong answer closes the channel.

use std::future::Future;
use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};

use super::deadline::{ANSWER_TIMEOUT, deadline};
use super::wire::{short, text};
use crate::inbound::Source;

/// What dead letters go through: those of the consumers, and those of the broker.
pub const DEAD_LETTER_EXCHANGE: &str = "OrderService_DeadLetters";

/// The queue in which a message of `queue` waits for `delay`.
pub fn retry_queue(queue: &str, delay: Duration) -> String {
    let milliseconds = delay.as_millis();
    if milliseconds.is_multiple_of(1000) {
        format!("{queue}.retry.{}s", milliseconds / 1000)
    } else {
        format!("{queue}.retry.{milliseconds}ms")
    }
}

/// Declares what is the order service's own for one source: its queue, its retry queues, and where its dead letters go.
pub(super) async fn declare_own(connection: &Connection, source: Source, delays: &[Duration]) -> Result<(), String> {
    declare_dead_letters(connection, source).await?;
    declare_retries(connection, source.queue(), delays).await?;
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-dead-letter-exchange"), text(DEAD_LETTER_EXCHANGE));
    arguments.insert(short("x-dead-letter-routing-key"), text(source.dead_letter_queue()));
    declare_queue(connection, source.queue(), arguments).await
}

/// Declares the exchange and the queue of a source's dead letters.
pub(super) async fn declare_dead_letters(connection: &Connection, source: Source) -> Result<(), String> {
    let queue = source.dead_letter_queue();
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declaring = async {
        let channel = open(connection).await?;
        let name = short(DEAD_LETTER_EXCHANGE);
        answered(channel.exchange_declare(name, ExchangeKind::Direct, options, FieldTable::default())).await?;
        close(channel).await
    };
    declaring.await.map_err(|error| format!("the exchange '{DEAD_LETTER_EXCHANGE}' cannot be declared: {error}"))?;
    declare_queue(connection, queue, FieldTable::default()).await?;
    bind(connection, queue, DEAD_LETTER_EXCHANGE, queue).await
}

/// Declares the queues in which messages of `queue` wait to be tried again.
pub(super) async fn declare_retries(connection: &Connection, queue: &str, delays: &[Duration]) -> Result<(), String> {
    for delay in delays {
        let milliseconds = u32::try_from(delay.as_millis()).unwrap_or(u32::MAX);
        let mut arguments = FieldTable::default();
        arguments.insert(short("x-message-ttl"), AMQPValue::LongUInt(milliseconds));
        arguments.insert(short("x-dead-letter-exchange"), text(""));
        arguments.insert(short("x-dead-letter-routing-key"), text(queue));
        declare_queue(connection, &retry_queue(queue, *delay), arguments).await?;
    }
    Ok(())
}

/// Binds the queue of a source to each of its exchanges that is there, and says which are not. With `declare` it makes those.
pub(super) async fn bind_foreign(connection: &Connection, source: Source, declare: bool) -> Vec<String> {
    let mut problems = Vec::new();
    for exchange in source.exchanges() {
        if let Err(problem) = bind_exchange(connection, source, exchange, declare).await {
            problems.push(problem);
        }
    }
    problems
}

async fn bind_exchange(
    connection: &Connection,
    source: Source,
    exchange: &'static str,
    declare: bool,
) -> Result<(), String> {
    let options = ExchangeDeclareOptions { durable: true, passive: !declare, ..ExchangeDeclareOptions::default() };
    let finding = async {
        let channel = open(connection).await?;
        answered(channel.exchange_declare(short(exchange), ExchangeKind::Topic, options, FieldTable::default()))
            .await?;
        close(channel).await
    };
    finding.await.map_err(|error| match error {
        Refused::Missing => format!(
            "the exchange '{exchange}' does not exist; its service creates it, or this one does with --declare-topology"
        ),
        Refused::Other(error) => format!("the exchange '{exchange}' cannot be used: {error}"),
    })?;
    for binding in source.bindings().filter(|binding| binding.exchange == exchange) {
        bind(connection, source.queue(), exchange, binding.routing_key).await?;
    }
    Ok(())
}

async fn declare_queue(connection: &Connection, queue: &str, arguments: FieldTable) -> Result<(), String> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declaring = async {
        let channel = open(connection).await?;
        answered(channel.queue_declare(short(queue), options, arguments)).await?;
        close(channel).await
    };
    declaring.await.map_err(|error| {
        format!(
            "the queue '{queue}' cannot be declared; if it has other arguments, delete it when it is empty: {error}"
        )
    })
}

async fn bind(connection: &Connection, queue: &str, exchange: &str, key: &str) -> Result<(), String> {
    let binding = async {
        let channel = open(connection).await?;
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        answered(channel.queue_bind(short(queue), short(exchange), short(key), options, arguments)).await?;
        close(channel).await
    };
    binding.await.map_err(|error| format!("the queue '{queue}' cannot be bound to '{exchange}' by '{key}': {error}"))
}

/// Why the broker said no.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("it does not exist")]
    Missing,
    #[error("{0}")]
    Other(String),
}

const NOT_FOUND: u16 = 404;

async fn open(connection: &Connection) -> Result<Channel, Refused> {
    answered(connection.create_channel()).await
}

async fn close(channel: Channel) -> Result<(), Refused> {
    answered(channel.close(200, short("asked"))).await
}

/// The broker's answer to one question.
async fn answered<T>(asking: impl Future<Output = lapin::Result<T>>) -> Result<T, Refused> {
    match deadline(ANSWER_TIMEOUT, "the broker's answer", asking).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(match error.kind() {
            ErrorKind::ProtocolError(protocol) if protocol.get_id() == NOT_FOUND => Refused::Missing,
            _ => Refused::Other(error.to_string()),
        }),
        Err(error) => Err(Refused::Other(error)),
    }
}
