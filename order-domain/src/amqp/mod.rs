//! The consumers: messages of other services from RabbitMQ to a [`Handler`], each acknowledged once, after its effect is
//! committed.
//!
//! ```no_run
//! use std::sync::Arc;
//! use order_domain::amqp::{AmqpUrl, Settings, start};
//! use order_domain::inbound::{DeadLetter, DeadLetterStore, Fault, Handler, Message, Outcome};
//! use tokio_util::sync::CancellationToken;
//!
//! struct Service;
//!
//! impl Handler for Service {
//!     async fn handle(&self, message: &Message) -> Result<Outcome, Fault> {
//!         Ok(Outcome::Applied) // one transaction: the inbox's mark, the effect, COMMIT
//!     }
//! }
//!
//! impl DeadLetterStore for Service {
//!     async fn store(&self, letter: &DeadLetter) -> Result<(), Fault> {
//!         Ok(()) // INSERT … ON CONFLICT (queue, message_id) DO NOTHING
//!     }
//! }
//!
//! # async fn run() {
//! let (service, stop) = (Arc::new(Service), CancellationToken::new());
//! let url = AmqpUrl::new("amqp://user:password@localhost");
//! let consumers = start(Settings::default(), url, "order-service", Arc::clone(&service), service, Arc::new(()), stop.clone());
//! // On SIGTERM: what is at hand is finished and acknowledged, the rest is handed back.
//! stop.cancel();
//! consumers.ended().await;
//! # }
//! ```
//!
//! # What happens to a message
//!
//! | the try ended | then |
//! |---|---|
//! | in an [`Outcome`] | acknowledged; a dead one becomes a dead letter first |
//! | in a fault of the message | a copy waits 1, 2, then 4 s in a queue for that delay and comes back to this queue alone; after the fourth try it is a dead letter. The id stays, the count is a header |
//! | in a fault of the infrastructure | handed back, and the consumer pauses for 30 s; then it tries one message. Nothing is charged, however long it lasts |
//! | not: the connection was lost, the process was killed | it comes again, and the inbox knows whether it had its effect |
//!
//! A copy is confirmed by the broker before the original is acknowledged, so a crash between the two makes two copies with one
//! id, and never none.
//!
//! # Limits
//!
//! - Bodies over 1 MiB become dead letters with their size, checksum and first 4 KiB. The broker sends them all the same, so
//!   bound what it takes (`max_message_size`).
//! - A message whose AMQP properties are not UTF-8 cannot be received by lapin, which ends the connection.
//! - Handlers see messages in any order.
//!
//! [`Handler`]: crate::inbound::Handler
//! [`Outcome`]: crate::inbound::Outcome

mod deadline;
mod settings;
mod wire;
mod link;
mod topology;
mod publisher;
mod dead_letter;
mod health;
mod consumer;
mod events;
mod letters;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::consumer::Consumer;
use self::events::Events;
use self::health::Report;
pub use self::health::{ConsumerHealth, ConsumerState};
use self::letters::Letters;
use self::link::link;
pub use self::link::{AmqpUrl, Connector};
pub use self::settings::Settings;
pub use self::topology::{DEAD_LETTER_EXCHANGE, retry_queue};
use crate::inbound::{DeadLetterStore, Handler, Observer};

/// Consumers that run.
#[must_use = "consumers end with their handle"]
pub struct Consumers {
    health: Vec<watch::Receiver<ConsumerHealth>>,
    consumers: JoinSet<()>,
    supervisor: JoinSet<()>,
    disconnect: CancellationToken,
}

impl Consumers {
    /// How each consumer is, those of the dead letters after those of the sources.
    pub fn health(&self) -> Vec<ConsumerHealth> {
        self.health.iter().map(|health| health.borrow().clone()).collect()
    }

    /// The same to keep, for a page that outlives this handle.
    pub fn watch(&self) -> Vec<watch::Receiver<ConsumerHealth>> {
        self.health.clone()
    }

    /// Returns when every consumer has ended, which they do after `stop` was cancelled and within the drain time; the connection
    /// is closed last.
    pub async fn ended(mut self) {
        while let Some(ended) = self.consumers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a consumer ended unexpectedly");
            }
        }
        self.disconnect.cancel();
        while let Some(ended) = self.supervisor.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "the connection's supervisor ended unexpectedly");
            }
        }
    }
}

/// Starts a consumer for each source and one for its dead letters, on one connection that shows itself as `name`. They run until
/// `stop` is cancelled. To be called within a tokio runtime; returns at once, whether or not the broker is there.
pub fn start<H, D, O>(
    settings: Settings,
    connector: impl Connector,
    name: &str,
    handler: Arc<H>,
    letters: Arc<D>,
    observer: Arc<O>,
    stop: CancellationToken,
) -> Consumers
where
    H: Handler,
    D: DeadLetterStore,
    O: Observer,
{
    let (link, supervisor) = link();
    let (mut consumers, mut health) = (JoinSet::new(), Vec::new());
    for source in settings.sources.clone() {
        let report = Report::new(source, source.queue(), false, Arc::clone(&observer));
        health.push(report.subscribe());
        let (handler, observer) = (Arc::clone(&handler), Arc::clone(&observer));
        let work = Arc::new(Events { source, handler, observer, settings: settings.clone() });
        let consumer = Consumer { work, link: link.clone(), settings: settings.clone(), report };
        consumers.spawn(consumer.run(stop.clone()));
    }
    for source in settings.sources.clone() {
        let report = Report::new(source, source.dead_letter_queue(), true, Arc::clone(&observer));
        health.push(report.subscribe());
        let (store, observer) = (Arc::clone(&letters), Arc::clone(&observer));
        let work = Arc::new(Letters { source, store, observer, settings: settings.clone() });
        let consumer = Consumer { work, link: link.clone(), settings: settings.clone(), report };
        consumers.spawn(consumer.run(stop.clone()));
    }
    let (disconnect, mut supervising) = (CancellationToken::new(), JoinSet::new());
    let name = name.to_owned();
    let until = disconnect.clone();
    supervising.spawn(async move { supervisor.run(connector, &name, until).await });
    Consumers { health, consumers, supervisor: supervising, disconnect }
}
