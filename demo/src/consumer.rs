//! The consumer service: drains the demo's queue on its own connection.
//!
//! Started by `main`, watched by `watch`. Promises to record every delivery before it is acknowledged. Refuses to go on
//! after any error of the broker: `check` then says which.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use tokio::task::JoinHandle;

use crate::broker::{self, Broker};
use crate::failure::{Doing, Failure, within};
use crate::feed::Feed;
use crate::message;

const ANSWER: Duration = Duration::from_secs(10);
const PREFETCH: u16 = 500;
/// Deliveries recorded and acknowledged together, when so many are there.
const CHUNK: usize = 250;

pub struct Consumer {
    /// Kept because dropping it closes the connection.
    _connection: Connection,
    task: JoinHandle<Failure>,
}

impl Consumer {
    pub async fn start(broker: &Broker, feed: Arc<Feed>) -> Result<Self, Failure> {
        let connection = broker::connect(&broker.address).await?;
        let channel = within(ANSWER, "opening the consumer's channel", connection.create_channel()).await?;
        within(ANSWER, "setting the prefetch", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        let queue = broker.queue.as_str().into();
        let consume =
            channel.basic_consume(queue, "demo".into(), BasicConsumeOptions::default(), FieldTable::default());
        let deliveries = within(ANSWER, "consuming the demo's queue", consume).await?;
        let task = tokio::spawn(async move { drain(channel, deliveries, &feed).await });
        Ok(Self { _connection: connection, task })
    }

    /// Fails once consuming has ended; it never ends by itself.
    pub fn check(&mut self) -> Result<(), Failure> {
        match (&mut self.task).now_or_never() {
            None => Ok(()),
            Some(ended) => Err(ended.doing("consuming")?),
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drain(channel: Channel, deliveries: lapin::Consumer, feed: &Feed) -> Failure {
    let mut chunks = deliveries.ready_chunks(CHUNK);
    while let Some(chunk) = chunks.next().await {
        let mut last = None;
        for delivery in chunk {
            match delivery.doing("consuming") {
                Ok(delivery) => {
                    last = Some(delivery.delivery_tag);
                    feed.record([message::read(&delivery)]);
                }
                Err(failure) => return failure,
            }
        }
        if let Some(tag) = last {
            let ack = channel.basic_ack(tag, BasicAckOptions { multiple: true });
            if let Err(failure) = within(ANSWER, "acknowledging", ack).await {
                return failure;
            }
        }
    }
    Failure::new("consuming: the broker ended the consumer")
}
