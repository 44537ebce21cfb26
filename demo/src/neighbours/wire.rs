//! A neighbour at the broker: a queue of its own, bound as its document says, and the answers that it publishes. Nothing of the order
//! service's is used: the bodies are those of the documents.
//!
//! Used by `notification`, `inventory` and `poison`. Promises that an answer is confirmed by the broker before what it answers is
//! acknowledged, and that every tenth is published twice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::broker::{self, Broker};
use crate::failure::{Doing, Failure, within};
use crate::settings::EXCHANGE;

const ANSWER: Duration = Duration::from_secs(10);
const COPIED: usize = 10;

/// The ids of the messages that were published for the order service, and how many copies of them.
#[derive(Default)]
pub struct Told {
    ids: Mutex<BTreeSet<String>>,
    copies: Mutex<usize>,
}

impl Told {
    pub fn ids(&self) -> BTreeSet<String> {
        self.ids.lock().expect("no holder of the ids panics").clone()
    }

    pub fn copies(&self) -> usize {
        *self.copies.lock().expect("no holder of the copies panics")
    }

    /// Publishes one message once.
    pub async fn publish_once(&self, channel: &Channel, message: &Message) -> Result<(), Failure> {
        self.ids.lock().expect("no holder of the ids panics").insert(message.id.clone());
        publish(channel, message).await
    }

    /// Publishes one message, and every tenth twice.
    pub async fn publish(&self, channel: &Channel, message: &Message) -> Result<(), Failure> {
        let number = {
            let mut ids = self.ids.lock().expect("no holder of the ids panics");
            ids.insert(message.id.clone());
            ids.len()
        };
        publish(channel, message).await?;
        if number % COPIED == 0 {
            *self.copies.lock().expect("no holder of the copies panics") += 1;
            publish(channel, message).await?;
        }
        Ok(())
    }
}

/// What a neighbour publishes. The id stands in the body's envelope; AMQP is told it where the body has none.
pub struct Message {
    pub exchange: &'static str,
    pub key: &'static str,
    pub id: String,
    pub amqp_id: Option<String>,
    pub body: Vec<u8>,
}

async fn publish(channel: &Channel, message: &Message) -> Result<(), Failure> {
    let mut properties = BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
    if let Some(id) = &message.amqp_id {
        properties = properties.with_message_id(id.as_str().into());
    }
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let sent = channel.basic_publish(message.exchange.into(), message.key.into(), options, &message.body, properties);
    let confirm = within(ANSWER, "publishing an answer", sent).await?;
    match within(ANSWER, "publishing an answer", confirm).await? {
        Confirmation::Ack(None) => Ok(()),
        other => Err(Failure::new(format!("an answer by {} was not taken: {other:?}", message.key))),
    }
}

/// A channel that publishes with confirms, and its connection.
pub async fn channel(broker: &Broker) -> Result<(Connection, Channel), Failure> {
    let connection = broker::connect(&broker.address).await?;
    let channel = within(ANSWER, "opening a neighbour's channel", connection.create_channel()).await?;
    within(ANSWER, "asking for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok((connection, channel))
}

/// A service that hears of orders and answers.
pub struct Neighbour {
    queue: String,
    task: JoinHandle<Failure>,
    _connection: Connection,
}

impl Neighbour {
    /// Binds a queue by `keys`; `answer` says what is published when a message comes by a key with that body.
    pub async fn start(
        broker: &Broker,
        name: &'static str,
        keys: &[&str],
        told: Arc<Told>,
        answer: fn(&str, &Value) -> Vec<Message>,
    ) -> Result<Self, Failure> {
        let (connection, channel) = channel(broker).await?;
        let queue = broker.service_queue(name);
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        let declare = channel.queue_declare(queue.as_str().into(), durable, FieldTable::default());
        within(ANSWER, "declaring a neighbour's queue", declare).await?;
        for key in keys {
            let (queue, key, options) = (queue.as_str().into(), (*key).into(), QueueBindOptions::default());
            let bind = channel.queue_bind(queue, EXCHANGE.into(), key, options, FieldTable::default());
            within(ANSWER, "binding a neighbour's queue", bind).await?;
        }
        let (from, options) = (queue.as_str().into(), BasicConsumeOptions::default());
        let consume = channel.basic_consume(from, name.into(), options, FieldTable::default());
        let mut deliveries = within(ANSWER, "consuming", consume).await?;
        let task = tokio::spawn(async move {
            while let Some(delivery) = deliveries.next().await {
                let handled = async {
                    let delivery = delivery.doing("consuming")?;
                    let body: Value = serde_json::from_slice(&delivery.data).doing("reading an event")?;
                    for message in answer(delivery.routing_key.as_str(), &body) {
                        told.publish(&channel, &message).await?;
                    }
                    let ack = channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default());
                    within(ANSWER, "acknowledging", ack).await
                };
                if let Err(failure) = handled.await {
                    return failure;
                }
            }
            Failure::new("consuming: the broker ended the consumer")
        });
        Ok(Self { queue, task, _connection: connection })
    }

    /// Stops it and deletes its queue. Fails where it had ended by itself.
    pub async fn close(mut self, broker: &Broker) -> Result<(), Failure> {
        if let Some(Ok(failure)) = (&mut self.task).now_or_never() {
            return Err(failure);
        }
        self.task.abort();
        broker.delete_queue(&self.queue).await
    }
}
