//! A consumer that drains one queue into the history, with manual acks, and comes back after broker restarts. Used by the
//! journey and fault tests; it has its own connection, so that the relay's faults are not its own.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicConsumeOptions};
use lapin::types::FieldTable;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::bed;
use super::history::History;
use super::patience::{ANSWER, IN_THE_END, STOPPED};
use super::queue::Got;

const PREFETCH: u16 = 1000;
/// An ack for so many messages at most, so that the broker never waits for us.
const ACK_EVERY: usize = 200;

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
        let ended = timeout(STOPPED, &mut self.running).await.expect("the consumer stops in time");
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
                    away_since.elapsed() < IN_THE_END,
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
    let consuming = timeout(ANSWER, consume).await;
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
            let message = Got::of(delivery);
            if let Some(run) = &message.replay {
                history.replay(&message.id, run);
            }
            history.arrive(message.arrived(queue));
            if count < ACK_EVERY {
                next = deliveries.next().now_or_never().flatten();
            }
        }
        if let Some(tag) = last {
            let ack = channel.basic_ack(tag, BasicAckOptions { multiple: true });
            timeout(ANSWER, ack).await.map_err(|_| Lost::later("no answer"))?.map_err(Lost::later)?;
        }
    }
}
