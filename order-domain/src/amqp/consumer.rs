//! One consumer: takes messages from one queue, hands each to its work, a bounded number at once, and pauses where the work says
//! that the infrastructure is away.
//!
//! ```text
//!  connect ─► declare ─► take messages ──► fault of the infrastructure, or faults in a row ──► finish what is at hand, hand the rest
//!                 ▲            │                                                               back, pause, try one message
//!                 └────────────┴── the channel or the connection ended ◄────────────────────────────┘
//! ```
//!
//! Handing back is closing the channel: the broker gives what was not acknowledged to whoever takes it next, and charges
//! nothing for it. A message is acknowledged on the channel that it came by, or not at all.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::deadline::{ANSWER_TIMEOUT, deadline};
use super::health::{ConsumerState, Report};
use super::link::{Link, Live};
use super::publisher::Publisher;
use super::settings::Settings;
use super::wire::short;
use crate::inbound::Observer;

/// Between two tries to use a channel that ended.
const CHANNEL_PAUSE: Duration = Duration::from_millis(500);

/// What a consumer does with its messages.
pub(super) trait Work: Send + Sync + 'static {
    /// The queue.
    fn queue(&self) -> &str;

    /// Declares what is the order service's own.
    fn declare(&self, connection: &Connection) -> impl Future<Output = Result<(), String>> + Send;

    /// Binds to what belongs to others; says what is missing.
    fn bind(&self, connection: &Connection) -> impl Future<Output = Vec<String>> + Send;

    /// Does the work on one message, acknowledgement included.
    fn work(&self, delivery: Delivery, publisher: &Publisher) -> impl Future<Output = End> + Send;
}

/// How the work on a message ended.
#[derive(Debug)]
pub(super) enum End {
    /// It is acknowledged.
    Done,
    /// This try failed, perhaps because of the message with this id; it waits for the next try, or is a dead letter.
    Faulted(String),
    /// The infrastructure is away. It is not acknowledged.
    HandBack(String),
    /// It could not be acknowledged: its channel has ended.
    Lost(String),
}

/// Why a consumer stopped taking messages.
enum Stop {
    /// The service ends.
    Service,
    /// The channel or the connection ended.
    Broken(String),
    /// The infrastructure is away.
    Pause(String),
    /// The one message that was tried went through.
    Probed,
}

/// Which messages failed in a row.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    /// Counts one, and says how many messages in a row have failed.
    fn count(&mut self, id: String) -> usize {
        if !self.0.contains(&id) {
            self.0.push(id);
        }
        self.0.len()
    }
}

pub(super) struct Consumer<W, O> {
    pub work: Arc<W>,
    pub link: Link,
    pub settings: Settings,
    pub report: Report<O>,
}

impl<W: Work, O: Observer> Consumer<W, O> {
    /// Takes messages until `stop`, then finishes what is at hand.
    pub async fn run(self, stop: CancellationToken) {
        let mut probing = false;
        while !stop.is_cancelled() {
            if !probing {
                self.report.state(ConsumerState::Connecting);
            }
            let live = tokio::select! {
                () = stop.cancelled() => break,
                live = self.link.live() => live,
            };
            let pause = match self.take(&live, probing, &stop).await {
                Stop::Service => break,
                Stop::Probed => {
                    probing = false;
                    Duration::ZERO
                }
                Stop::Broken(why) => {
                    tracing::debug!(queue = self.work.queue(), error = why, "the consumer's channel ended");
                    CHANNEL_PAUSE
                }
                Stop::Pause(why) => {
                    self.report.state(ConsumerState::Paused(why));
                    probing = true;
                    self.settings.pause
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.report.state(ConsumerState::Stopped);
    }

    /// Takes messages from one connection.
    async fn take(&self, live: &Live, probing: bool, stop: &CancellationToken) -> Stop {
        if let Err(why) = self.work.declare(&live.connection).await {
            if live.connection.status().connected() {
                self.report.state(ConsumerState::Failing(why));
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.link.ended(live.generation) => {}
                    () = tokio::time::sleep(self.settings.topology_interval) => {}
                }
                return Stop::Broken("its topology is not as it has to be".to_owned());
            }
            return Stop::Broken(why);
        }
        self.report.problems(self.work.bind(&live.connection).await);
        let opened = async {
            let publisher = Publisher::open(live, &self.link).await?;
            let (channel, deliveries) = self.subscribe(live, probing).await?;
            Ok::<_, String>((Arc::new(publisher), channel, deliveries))
        };
        let (publisher, channel, deliveries) = match opened.await {
            Ok(opened) => opened,
            Err(why) => return Stop::Broken(why),
        };
        if !probing {
            self.report.state(ConsumerState::Running);
        }
        let mut works = JoinSet::new();
        let why = self.consume(live, deliveries, &publisher, &mut works, probing, stop).await;
        self.finish(works).await;
        let closing = channel.close(200, short("no more messages"));
        match deadline(ANSWER_TIMEOUT, "closing a channel", closing).await {
            Ok(Ok(())) => {}
            // It has ended by itself.
            Ok(Err(error)) => tracing::debug!(%error, "a channel was closed already"),
            Err(error) => self.link.give_up(live.generation, &error),
        }
        why
    }

    async fn subscribe(&self, live: &Live, probing: bool) -> Result<(Channel, lapin::Consumer), String> {
        let prefetch = if probing { 1 } else { self.settings.prefetch };
        let subscribing = async {
            let channel = live.connection.create_channel().await?;
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            let queue = short(self.work.queue());
            let options = BasicConsumeOptions::default();
            let deliveries = channel.basic_consume(queue, short(""), options, FieldTable::default()).await?;
            Ok::<_, lapin::Error>((channel, deliveries))
        };
        deadline(ANSWER_TIMEOUT, "subscribing", subscribing).await?.map_err(|error| error.to_string())
    }

    /// Hands messages to the work until there is a reason to stop.
    async fn consume(
        &self,
        live: &Live,
        mut deliveries: lapin::Consumer,
        publisher: &Arc<Publisher>,
        works: &mut JoinSet<End>,
        probing: bool,
        stop: &CancellationToken,
    ) -> Stop {
        let work_max = if probing { 1 } else { self.settings.work_max.max(1) };
        let mut faults = Faults::default();
        let mut look = tokio::time::interval(self.settings.topology_interval.max(CHANNEL_PAUSE));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        look.reset();
        let mut ended = Box::pin(self.link.ended(live.generation));
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Stop::Service,
                () = &mut ended => return Stop::Broken("the connection ended".to_owned()),
                Some(end) = works.join_next() => match self.judge(end, &mut faults) {
                    Some(why) => return why,
                    None if probing => return Stop::Probed,
                    None => {}
                },
                delivery = deliveries.next(), if works.len() < work_max => match delivery {
                    Some(Ok(delivery)) => {
                        let (work, publisher) = (Arc::clone(&self.work), Arc::clone(publisher));
                        works.spawn(async move { work.work(delivery, &publisher).await });
                    }
                    Some(Err(error)) => return Stop::Broken(error.to_string()),
                    None => return Stop::Broken("the broker cancelled the consumer".to_owned()),
                },
                _ = look.tick() => {
                    if self.report.has_problems() {
                        self.report.problems(self.work.bind(&live.connection).await);
                    }
                }
            }
        }
    }

    /// Whether the end of one message's work is a reason to stop.
    fn judge(&self, end: Result<End, JoinError>, faults: &mut Faults) -> Option<Stop> {
        match end {
            Ok(End::Done) => {
                *faults = Faults::default();
                None
            }
            Ok(End::Faulted(id)) => {
                let count = faults.count(id);
                let is_systemic = count >= self.settings.faults_max;
                is_systemic.then(|| Stop::Pause(format!("{count} messages in a row could not be handled")))
            }
            Ok(End::HandBack(why)) => {
                self.report.handed_back();
                Some(Stop::Pause(why))
            }
            Ok(End::Lost(why)) => Some(Stop::Broken(why)),
            Err(error) => Some(Stop::Broken(format!("the work on a message ended unexpectedly: {error}"))),
        }
    }

    /// Waits for the messages at hand, for a while.
    async fn finish(&self, mut works: JoinSet<End>) {
        let finishing = async {
            while let Some(end) = works.join_next().await {
                if let Ok(End::HandBack(_)) = end {
                    self.report.handed_back();
                }
            }
        };
        if let Err(error) = deadline(self.settings.drain_timeout, "the messages at hand", finishing).await {
            // Their transactions end without a COMMIT, and the messages come again.
            tracing::warn!(queue = self.work.queue(), error, "messages at hand were given up");
            works.shutdown().await;
        }
    }
}
