//! The consumer: takes everything from the round's queue and checks order and repetition as it comes.
//!
//! Called by `stage`. Our relay's messages carry key and seq, so that each message has to be later than the one before of its key; of
//! another relay's messages only the number is known.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::broker::Broker;
use crate::failure::{Failure, within};

const ANSWER: Duration = Duration::from_secs(30);
const PREFETCH: u16 = 2_000;
const CONSUMER: &str = "bench";
/// Without a single arrival for so long, what is missing is lost.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Stops when it is dropped.
pub struct Watcher {
    seen: Arc<Seen>,
    task: JoinHandle<()>,
    channel: lapin::Channel,
}

#[derive(Default)]
struct Seen {
    count: AtomicU64,
    wrong: AtomicU64,
    last: Mutex<HashMap<String, i64>>,
    arrivals: Mutex<HashMap<Uuid, Instant>>,
}

impl Watcher {
    /// Consumes the queue. `timed` remembers when each event came.
    pub async fn start(broker: &Broker, timed: bool) -> Result<Self, Failure> {
        let channel = within(ANSWER, "opening the consumer's channel", broker.connection.create_channel()).await?;
        within(ANSWER, "setting the prefetch", channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consume =
            channel.basic_consume(broker.queue.as_str().into(), CONSUMER.into(), options, FieldTable::default());
        let mut deliveries = within(ANSWER, "consuming the queue", consume).await?;
        let seen = Arc::new(Seen::default());
        let there = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Some(Ok(delivery)) = deliveries.next().await {
                there.record(&delivery, timed).await;
            }
        });
        Ok(Self { seen, task, channel })
    }

    pub fn count(&self) -> u64 {
        self.seen.count.load(Ordering::Relaxed)
    }

    /// Waits until so many have arrived.
    pub async fn reach(&self, count: u64) -> Result<(), Failure> {
        let (mut last, mut at) = (self.count(), Instant::now());
        while self.count() < count {
            if self.count() > last {
                (last, at) = (self.count(), Instant::now());
            }
            if at.elapsed() > STANDSTILL || self.task.is_finished() {
                return Err(Failure::new(format!("{} of {count} messages arrived and no more", self.count())));
            }
            tokio::time::sleep(Duration::from_millis(2)).await; // between two looks
        }
        Ok(())
    }

    /// Once the relay has stopped: exactly `count` arrived; with `ordered`, each later than the one before of its key.
    pub async fn judge(&self, count: u64, ordered: bool) -> Result<(), Failure> {
        self.reach(count).await?;
        let (there, wrong) = (self.count(), self.seen.wrong.load(Ordering::Relaxed));
        if there == count && (wrong == 0 || !ordered) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{count} events were committed; {there} arrived, {wrong} of them twice or out of order"
        )))
    }

    /// Ends the consumer and then its channel, each with the broker's answer: lapin takes an answer to a cancel that comes after the
    /// channel was closed for an error of the whole connection.
    pub async fn close(mut self) -> Result<(), Failure> {
        let cancel = self.channel.basic_cancel(CONSUMER.into(), BasicCancelOptions::default());
        within(ANSWER, "cancelling the consumer", cancel).await?;
        within(ANSWER, "ending the consumer", &mut self.task).await?;
        within(ANSWER, "closing the consumer's channel", self.channel.close(200, "done".into())).await
    }

    /// When each event arrived; of a watcher that was started `timed`.
    pub async fn arrivals(&self) -> HashMap<Uuid, Instant> {
        std::mem::take(&mut *self.seen.arrivals.lock().await)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    async fn record(&self, delivery: &Delivery, timed: bool) {
        let now = Instant::now();
        if let Some((key, seq)) = place(delivery) {
            let mut last = self.last.lock().await;
            match last.get_mut(key) {
                Some(before) if *before >= seq => {
                    self.wrong.fetch_add(1, Ordering::Relaxed);
                }
                Some(before) => *before = seq,
                None => {
                    last.insert(key.to_owned(), seq);
                }
            }
        } else {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
        if timed && let Some(id) = delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok()) {
            self.arrivals.lock().await.insert(id, now);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Key and seq, as our relay's headers tell them.
fn place(delivery: &Delivery) -> Option<(&str, i64)> {
    let headers = delivery.properties.headers().as_ref()?.inner();
    let key = match headers.get("x-outbox-key")? {
        AMQPValue::LongString(key) => std::str::from_utf8(key.as_bytes()).ok()?,
        _ => return None,
    };
    match headers.get("x-outbox-seq")? {
        AMQPValue::LongLongInt(seq) => Some((key, *seq)),
        _ => None,
    }
}
