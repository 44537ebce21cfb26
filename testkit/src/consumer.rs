//! A consumer that drains one queue into the history, with manual acks, and comes back after broker restarts. Used by the
//! journey and fault tests; it has its own connection, so that the relay's faults are not its own.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions};
use lapin::types::{AMQPValue, FieldTable};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::bed;
use super::history::{Arrived, History, body_hash};

const PREFETCH: u16 = 1000;
/// An ack for so many messages at most, so that the broker never waits for us.
const ACK_EVERY: usize = 200;
/// How long the broker may be away before the consumer gives up.
const RECONNECT: Duration = Duration::from_secs(120);

pub struct Consumer {
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Consumer {
    /// Starts to drain the queue; connects in the background.
    pub fn start(amqp_url: &str, queue: &str, history: &History) -> Self {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(drain(amqp_url.to_owned(), queue.to_owned(), history.clone(), stopped));
        Self { stop, running }
    }

    /// Stops after what is recorded is acked, and passes on a failure of the consumer itself.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = timeout(Duration::from_secs(30), &mut self.running).await.expect("the consumer stops in time");
        ended.expect("the consumer did not fail");
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn drain(url: String, queue: String, history: History, mut stopped: watch::Receiver<bool>) {
    let mut away_since = Instant::now();
    while !*stopped.borrow() {
        match session(&url, &queue, &history, &mut stopped).await {
            Ok(()) => return,
            Err(Lost { was_connected, error }) => {
                if was_connected {
                    away_since = Instant::now();
                }
                assert!(
                    away_since.elapsed() < RECONNECT,
                    "the broker stayed away from the consumer of {queue}: {error}"
                );
            }
        }
        // Not a wait for something to happen, only a pause between attempts.
        let _paused = timeout(Duration::from_millis(100), stopped.changed()).await;
    }
}

struct Lost {
    was_connected: bool,
    error: String,
}

impl Lost {
    fn before(error: impl ToString) -> Self {
        Self { was_connected: false, error: error.to_string() }
    }

    fn later(error: impl ToString) -> Self {
        Self { was_connected: true, error: error.to_string() }
    }
}

/// One connection's life; `Ok` when told to stop.
async fn session(url: &str, queue: &str, history: &History, stopped: &mut watch::Receiver<bool>) -> Result<(), Lost> {
    let channel = bed::channel(url).await.map_err(Lost::before)?;
    let consume = async {
        channel.basic_qos(PREFETCH, Default::default()).await?;
        channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await
    };
    let consuming = timeout(Duration::from_secs(10), consume).await;
    let mut deliveries = consuming.map_err(|_| Lost::before("no answer"))?.map_err(Lost::before)?;
    loop {
        let first = tokio::select! {
            delivery = deliveries.next() => delivery,
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
        };
        let mut next = first.map(Some).unwrap_or_default();
        if next.is_none() {
            return Err(Lost::later("the consumer was cancelled"));
        }
        let (mut last, mut count) = (None, 0);
        while let Some(delivery) = next.take() {
            let delivery = delivery.map_err(Lost::later)?;
            last = Some(delivery.delivery_tag);
            count += 1;
            let message = arrived(queue, &delivery);
            if let Some(run) = header(&delivery, "x-outbox-replay") {
                history.replay(&message.message_id, &run);
            }
            history.arrive(message);
            if count < ACK_EVERY {
                next = deliveries.next().now_or_never().flatten();
            }
        }
        if let Some(tag) = last {
            let ack = channel.basic_ack(tag, BasicAckOptions { multiple: true });
            timeout(Duration::from_secs(10), ack).await.map_err(|_| Lost::later("no answer"))?.map_err(Lost::later)?;
        }
    }
}

fn arrived(queue: &str, delivery: &Delivery) -> Arrived {
    Arrived {
        message_id: delivery.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default(),
        queue: queue.to_owned(),
        key: header(delivery, "x-outbox-key"),
        body: body_hash(&delivery.data),
        redelivered: delivery.redelivered,
        at: Instant::now(),
    }
}

/// A header that is text.
fn header(delivery: &Delivery, name: &str) -> Option<String> {
    match delivery.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        _ => None,
    }
}
