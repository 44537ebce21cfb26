//! Four services, each with a queue of its own, bound as its document says.
//!
//! Called by `mod`. Promises to record every delivery, read as its document asks or with what is wrong with it, before it
//! is acknowledged.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use serde_json::Value;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::broker::{self, Broker};
use crate::failure::{Failure, within};
use crate::settings::EXCHANGE;
use crate::story::Committed;
use crate::story::documents::{self, Binding, Document};
use crate::story::envelopes::Letter;
use crate::story::schemas::Schemas;

const ANSWER: Duration = Duration::from_secs(10);
const PREFETCH: u16 = 200;

/// What a service was told.
pub struct Inbox {
    pub document: &'static Document,
    taken: Mutex<Taken>,
}

#[derive(Default)]
pub struct Taken {
    /// Ids of the messages whose body fits, in the order of their arrival, copies too.
    pub all: Vec<Uuid>,
    /// What was wrong with the others.
    pub unfit: Vec<String>,
    distinct: HashSet<Uuid>,
}

impl Inbox {
    pub fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("no holder of an inbox panics")
    }

    /// Of the events that this service is to be told, how many have not come in any form.
    pub fn missing(&self, committed: &[Committed]) -> usize {
        let taken = self.taken();
        let expected = committed.iter().filter(|event| self.document.expects(&event.event_type));
        let unread = expected.filter(|event| !taken.distinct.contains(&event.id)).count();
        unread.saturating_sub(taken.unfit.len())
    }
}

pub struct Consumers {
    /// Kept because dropping it closes the connection.
    _connection: Connection,
    all: Vec<(String, Arc<Inbox>, JoinHandle<Failure>)>,
}

impl Consumers {
    pub async fn start(broker: &Broker) -> Result<Self, Failure> {
        let schemas = Arc::new(Schemas::load()?);
        let connection = broker::connect(&broker.address).await?;
        let mut all = Vec::new();
        for document in &documents::ALL {
            let queue = broker.service_queue(document.service);
            let channel = within(ANSWER, "opening a consumer's channel", connection.create_channel()).await?;
            let deliveries = consume(&channel, &queue, document).await?;
            let inbox = Arc::new(Inbox { document, taken: Mutex::default() });
            let (kept, schemas) = (Arc::clone(&inbox), Arc::clone(&schemas));
            let task = tokio::spawn(async move { drain(channel, deliveries, &kept, &schemas).await });
            all.push((queue, inbox, task));
        }
        Ok(Self { _connection: connection, all })
    }

    pub fn inboxes(&self) -> impl Iterator<Item = &Inbox> {
        self.all.iter().map(|(_, inbox, _)| inbox.as_ref())
    }

    /// Fails once one of them has ended; none ends by itself.
    pub fn check(&self) -> Result<(), Failure> {
        match self.all.iter().find(|(_, _, task)| task.is_finished()) {
            None => Ok(()),
            Some((queue, ..)) => Err(Failure::new(format!("the consumer of {queue} has ended"))),
        }
    }

    /// Stops them and deletes their queues.
    pub async fn close(self, broker: &Broker) -> Result<(), Failure> {
        for (queue, _, mut task) in self.all {
            if let Some(Ok(failure)) = (&mut task).now_or_never() {
                return Err(failure);
            }
            task.abort();
            broker.delete_queue(&queue).await?;
        }
        Ok(())
    }
}

async fn consume(channel: &Channel, queue: &str, document: &Document) -> Result<lapin::Consumer, Failure> {
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let declare = channel.queue_declare(queue.into(), durable, FieldTable::default());
    within(ANSWER, "declaring a consumer's queue", declare).await?;
    for binding in document.bindings {
        let key = binding.routing_key.into();
        let bind =
            channel.queue_bind(queue.into(), EXCHANGE.into(), key, QueueBindOptions::default(), FieldTable::default());
        within(ANSWER, "binding a consumer's queue", bind).await?;
    }
    within(ANSWER, "setting the prefetch", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
    let options = BasicConsumeOptions::default();
    let consume = channel.basic_consume(queue.into(), document.service.into(), options, FieldTable::default());
    within(ANSWER, "consuming", consume).await
}

async fn drain(channel: Channel, mut deliveries: lapin::Consumer, inbox: &Inbox, schemas: &Schemas) -> Failure {
    while let Some(delivery) = deliveries.next().await {
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) => return Failure::new(format!("consuming: {error}")),
        };
        let read = read(&delivery, inbox.document, schemas);
        {
            let mut taken = inbox.taken();
            match read {
                Ok(id) => {
                    taken.distinct.insert(id);
                    taken.all.push(id);
                }
                Err(why) => taken.unfit.push(format!("{}: {why}", delivery.routing_key)),
            }
        }
        let ack = channel.basic_ack(delivery.delivery_tag, BasicAckOptions::default());
        if let Err(failure) = within(ANSWER, "acknowledging", ack).await {
            return failure;
        }
    }
    Failure::new("consuming: the broker ended the consumer")
}

/// The message's id, if its body is what the document says of this key.
fn read(delivery: &Delivery, document: &Document, schemas: &Schemas) -> Result<Uuid, String> {
    let binding = document.binding(delivery.routing_key.as_str()).ok_or("a key that the service has not bound")?;
    let body: Value = serde_json::from_slice(&delivery.data).map_err(|why| format!("no JSON: {why}"))?;
    let Letter { id, payload } = document.envelope.open(body, binding)?;
    let message_id = delivery.properties.message_id().as_ref().map(|id| id.as_str());
    if message_id != Some(id.to_string().as_str()) {
        return Err("the body has another id than the message".to_owned());
    }
    has_all(binding, &payload)?;
    schemas.check(binding.event_types, &payload)?;
    Ok(id)
}

fn has_all(binding: &Binding, payload: &Value) -> Result<(), String> {
    let missing = binding.reads.iter().find(|pointer| payload.pointer(pointer).is_none_or(Value::is_null));
    missing.map_or(Ok(()), |pointer| Err(format!("{pointer} is missing")))
}
