//! The messages of a queue, read to its end or one by one. Used where a test looks at the messages
//! themselves; where only their history counts, a `Consumer` is enough.

use std::time::Instant;

use lapin::message::Delivery;
use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel};
use tokio::time::timeout;

use super::bed::TestBed;
use super::history::{Arrived, body_hash};
use super::patience::SOON;

/// A message as a consumer gets it.
#[derive(Debug, Clone)]
pub struct Got {
    /// The `message_id`, empty when there is none.
    pub id: String,
    /// The header `x-outbox-key`.
    pub key: Option<String>,
    /// The header `x-outbox-replay`: the run that it was sent for.
    pub replay: Option<String>,
    pub exchange: String,
    pub routing_key: String,
    pub body: Vec<u8>,
    pub redelivered: bool,
    pub properties: BasicProperties,
}

impl Got {
    pub fn of(delivery: Delivery) -> Self {
        Self {
            id: message_id(&delivery.properties),
            key: header(&delivery.properties, "x-outbox-key"),
            replay: header(&delivery.properties, "x-outbox-replay"),
            exchange: delivery.exchange.to_string(),
            routing_key: delivery.routing_key.to_string(),
            body: delivery.data,
            redelivered: delivery.redelivered,
            properties: delivery.properties,
        }
    }

    /// For the history, as of now.
    pub fn arrived(&self, queue: &str) -> Arrived {
        Arrived {
            message_id: self.id.clone(),
            queue: queue.to_owned(),
            key: self.key.clone(),
            body: body_hash(&self.body),
            redelivered: self.redelivered,
            at: Instant::now(),
        }
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }
}

/// The `message_id`, empty when there is none.
pub fn message_id(properties: &BasicProperties) -> String {
    properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default()
}

/// A header that is a whole number.
pub fn number(properties: &BasicProperties, name: &str) -> Option<i64> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        _ => None,
    }
}

/// A header that is text.
pub fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Takes the next message out of the queue, if there is one.
pub async fn take(channel: &Channel, queue: &str) -> Option<Got> {
    let get = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true });
    let got = timeout(SOON, get).await.unwrap_or_else(|_| panic!("the queue {queue} does not answer"));
    got.unwrap_or_else(|e| panic!("no answer of the queue {queue}: {e}")).map(|message| Got::of(message.delivery))
}

/// Takes everything out of the queue.
pub async fn drain(channel: &Channel, queue: &str) -> Vec<Got> {
    let mut all = Vec::new();
    while let Some(got) = take(channel, queue).await {
        all.push(got);
    }
    all
}

impl TestBed {
    /// Takes everything out of a queue.
    pub async fn drain(&self, queue: &str) -> Vec<Got> {
        drain(&self.channel().await, queue).await
    }
}
