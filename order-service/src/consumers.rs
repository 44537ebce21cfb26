//! Hearing other services: the consumers with a pool of their own, what they have counted, and the clean-up of the inbox. Started by
//! `main` where there is a broker's URL; the health page reads the counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use order_domain::amqp::{self, AmqpUrl, ConsumerHealth, Consumers};
use order_domain::inbound::{Fact, Fault, Handler, Message, Observer, Outcome, Seen, Source};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::neighbours::Neighbours;
use crate::settings::Settings;
use crate::store::Store;

/// Messages of one source that are handled at once. Four sources and their dead letters fit into the pool.
const WORK_MAX: usize = 2;
/// From one clean-up of the inbox to the next.
const CLEAN_INTERVAL: Duration = Duration::from_secs(3600);

/// What came of the messages of one source, since this process started.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// By the name of the outcome: `applied`, `known`, `stale`, `review`, `duplicate`, `dead`.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Tries that failed and were charged.
    pub retried: u64,
    /// Messages that were handed back and charged nothing.
    pub handed_back: u64,
    /// Dead letters that were stored.
    pub stored: u64,
}

/// Counts of every source.
pub struct Tally {
    counts: Mutex<BTreeMap<Source, Counts>>,
    metrics: Arc<Metrics>,
}

impl Tally {
    /// Each source with what came of its messages.
    pub fn read(&self) -> Vec<(Source, Counts)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Source::ALL.into_iter().map(|source| (source, counts.get(&source).cloned().unwrap_or_default())).collect()
    }

    fn add(&self, source: Source, change: impl FnOnce(&mut Counts)) {
        change(self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(source).or_default());
    }
}

impl Observer for Tally {
    fn seen(&self, seen: Seen<'_>) {
        self.metrics.seen(seen);
        match seen {
            Seen::Handled { source, outcome, .. } => {
                self.add(source, |counts| *counts.outcomes.entry(Outcome::as_str(outcome)).or_default() += 1);
            }
            Seen::Retried { source, .. } => self.add(source, |counts| counts.retried += 1),
            Seen::HandedBack { source } => self.add(source, |counts| counts.handed_back += 1),
            Seen::Stored { source } => self.add(source, |counts| counts.stored += 1),
            // Each is told by another of these as well, counted by the metrics, or a state that the health page has.
            Seen::DeadLettered { .. } | Seen::NotificationFailure(_) | Seen::State { .. } => {}
        }
    }
}

/// The consumers as the health page sees them.
#[derive(Clone)]
pub struct Hearing {
    pub tally: Arc<Tally>,
    health: Vec<watch::Receiver<ConsumerHealth>>,
}

impl Hearing {
    /// How each consumer is.
    pub fn health(&self) -> Vec<ConsumerHealth> {
        self.health.iter().map(|health| health.borrow().clone()).collect()
    }
}

/// Handles messages in the database, and then keeps the copies of products up to date.
struct Hearer {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    neighbours: Arc<Neighbours>,
}

impl Handler for Hearer {
    async fn handle(&self, message: &Message) -> Result<Outcome, Fault> {
        let outcome = self.store.handle(message).await?;
        self.metrics.heard(&message.fact, &outcome);
        if let (Fact::Product(fact), Some(products)) = (&message.fact, &self.neighbours.products) {
            // Also where the fact was known: the process may have died between COMMIT and here.
            products.cache().hear(fact.at, &fact.products).await;
        }
        Ok(outcome)
    }
}

/// Starts the consumers. They end after `stop`, with what is at hand.
pub fn start(
    settings: &Settings,
    url: &str,
    neighbours: &Arc<Neighbours>,
    metrics: &Arc<Metrics>,
    stop: CancellationToken,
) -> Result<(Hearing, Consumers), String> {
    let store = Arc::new(Store::new(settings, settings.consumer_pool_size, Arc::clone(metrics))?);
    let tally = Arc::new(Tally { counts: Mutex::default(), metrics: Arc::clone(metrics) });
    let consumer_settings = amqp::Settings {
        declare_topology: settings.declare_topology,
        prefetch: settings.prefetch,
        work_max: WORK_MAX,
        pause: settings.consumer_pause(),
        drain_timeout: settings.drain(),
        ..amqp::Settings::default()
    };
    tokio::spawn(clean(Arc::clone(&store), settings.inbox_retention()?, stop.clone()));
    let name = format!("order-service/{}", std::process::id());
    let hearer = Arc::new(Hearer {
        store: Arc::clone(&store),
        metrics: Arc::clone(metrics),
        neighbours: Arc::clone(neighbours),
    });
    let consumers = amqp::start(consumer_settings, AmqpUrl::new(url), &name, hearer, store, Arc::clone(&tally), stop);
    Ok((Hearing { tally, health: consumers.watch() }, consumers))
}

/// Deletes marks of the inbox that no message can meet any more, now and every hour.
async fn clean(store: Arc<Store>, retention: order_domain::inbox::Retention, stop: CancellationToken) {
    loop {
        match store.clean_inbox(retention).await {
            Ok(0) => {}
            Ok(marks) => tracing::info!(marks, "old marks of the inbox are deleted"),
            Err(error) => tracing::warn!(cause = error.cause(), "old marks of the inbox could not be deleted"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CLEAN_INTERVAL) => {}
        }
    }
}
