//! The world of one test: a database with the outbox tables, a vhost with the exchange `order.events` and its queues, producers and
//! consumers that write one history, and questions that many tests ask. A relay is all that is missing.

use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use uuid::Uuid;

use super::bed::TestBed;
use super::checker::{Verdict, judge};
use super::consumer::Consumer;
use super::history::History;
use super::patience::IN_THE_END;
use super::relay::Relay;
use super::services::PrivateServices;
use super::topology::{Queue, QueueKind, Topology};
use super::traffic::{Load, Traffic};
use super::wait::eventually;
use super::writer::{NewEvent, Writer};

/// The queue that gets everything.
pub const ORDERS: &str = "orders";
/// A second queue, which nobody consumes.
pub const KEPT: &str = "kept";
/// A type that no queue of [`orders`] is bound to.
pub const UNBOUND: &str = "nobody.listens";

/// The queue `orders`, which takes every type of the order service and no other.
pub fn orders() -> Queue {
    order_types(ORDERS)
}

/// A classic queue that takes every type of the order service and no other.
pub fn order_types(name: &str) -> Queue {
    Queue::new(name, QueueKind::Classic).bound_to(&["order.#"])
}

pub struct World {
    pub bed: TestBed,
    pub history: History,
    pub writer: Writer,
    /// The producer's connection.
    pub client: Client,
    /// Queues that are consumed to the end.
    consumed: Vec<(String, Consumer)>,
}

impl World {
    /// With the queue `orders`, which takes everything and is consumed.
    pub async fn open(name: &str) -> Self {
        let bed = TestBed::new(name).await;
        bed.migrate().await;
        Self::as_it_is(bed).await
    }

    /// The same on services that the test may kill.
    pub async fn open_on(services: &PrivateServices) -> Self {
        let bed = TestBed::on(services).await;
        bed.migrate().await;
        Self::as_it_is(bed).await
    }

    /// The same on a bed as it is, migrated or not.
    pub async fn as_it_is(bed: TestBed) -> Self {
        bed.declare_topology(&Topology::order_events([Queue::new(ORDERS, QueueKind::Classic)])).await;
        Self::bare(bed).await.consumed(ORDERS)
    }

    /// With these queues; nobody consumes them yet.
    pub async fn new(name: &str, queues: impl IntoIterator<Item = Queue>) -> Self {
        Self::with(TestBed::new(name).await, queues).await
    }

    /// The same on services that the test may kill.
    pub async fn on(services: &PrivateServices, queues: impl IntoIterator<Item = Queue>) -> Self {
        Self::with(TestBed::on(services).await, queues).await
    }

    /// The same on a bed that is there.
    pub async fn with(bed: TestBed, queues: impl IntoIterator<Item = Queue>) -> Self {
        Self::of(bed, &Topology::order_events(queues)).await
    }

    /// The same with an exchange of the test's own.
    pub async fn of(bed: TestBed, topology: &Topology) -> Self {
        bed.migrate().await;
        bed.declare_topology(topology).await;
        Self::bare(bed).await
    }

    /// On a bed where the test prepares, or leaves out, what it wants.
    pub async fn bare(bed: TestBed) -> Self {
        let history = History::default();
        let writer = Writer::new(&history);
        let client = bed.client().await;
        Self { bed, history, writer, client, consumed: Vec::new() }
    }

    /// Has this queue consumed to the end of the test. Every event has to arrive there.
    pub fn consumed(mut self, queue: &str) -> Self {
        let consumer = self.consume(queue);
        self.consumed.push((queue.to_owned(), consumer));
        self
    }

    /// Consumes a queue for as long as the test keeps the consumer.
    pub fn consume(&self, queue: &str) -> Consumer {
        Consumer::start(&self.bed.amqp_url(), queue, &self.history)
    }

    /// Commits so many events of each of the orders `order-0` and so on, an order a transaction; returns their ids in order.
    pub async fn order(&mut self, orders: usize, events: usize) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for order in 0..orders {
            ids.extend(self.writer.commit(&mut self.client, &format!("order-{order}"), events).await);
        }
        ids
    }

    /// Commits these events of one order in one transaction; returns their ids in order.
    pub async fn commit(&mut self, key: &str, events: Vec<NewEvent>) -> Vec<Uuid> {
        self.writer.commit_events(&mut self.client, key, events).await
    }

    /// Commits one transaction a key with these events, on a connection of its own.
    pub async fn commit_each(&self, keys: &[String], events: impl Fn(&str) -> Vec<NewEvent>) {
        let mut client = self.bed.client().await;
        for key in keys {
            self.writer.commit_events(&mut client, key, events(key)).await;
        }
    }

    /// Orders written all the time.
    pub fn traffic(&self, load: &Load) -> Traffic {
        Traffic::start(&self.bed.database_url(), &self.history, load)
    }

    /// Waits until everything committed has arrived and is marked.
    pub async fn quiet(&self) {
        self.quiet_within(IN_THE_END).await;
    }

    /// The same where the time it takes is what the test is about.
    pub async fn quiet_within(&self, deadline: Duration) {
        self.bed.quiet(&self.history, deadline).await;
    }

    /// Waits until this many different events have arrived.
    pub async fn arrived(&self, deadline: Duration, count: usize) {
        let what = format!("{count} events arrive");
        eventually(deadline, &what, async || self.history.progress().distinct >= count).await;
    }

    /// Waits until so many more events than now have arrived.
    pub async fn flow(&self, events: usize) {
        self.arrived(IN_THE_END, self.history.progress().distinct + events).await;
    }

    /// Waits until so many messages have arrived, copies included.
    pub async fn arrivals(&self, count: usize) {
        let what = format!("{count} arrivals");
        eventually(IN_THE_END, &what, async || self.history.progress().arrivals >= count).await;
    }

    /// Whether the event has arrived anywhere.
    pub fn has_arrived(&self, id: Uuid) -> bool {
        self.history.have_arrived(&[id])
    }

    /// Waits until everything is where it belongs, stops the relay in good order and judges the history.
    pub async fn finish(&self, relay: &mut Relay) -> Verdict {
        self.quiet().await;
        relay.stop_well().await;
        self.verdict().await
    }

    /// Ends the consumers once all that they recorded is acked, and passes on a failure of theirs.
    pub async fn stop_consumers(&mut self) {
        for (_, consumer) in self.consumed.drain(..) {
            consumer.stop().await;
        }
    }

    /// Judges what has happened so far.
    pub async fn verdict(&self) -> Verdict {
        let queues: Vec<&str> = self.consumed.iter().map(|(queue, _)| queue.as_str()).collect();
        judge(&self.history, &self.bed.expect(&queues).await)
    }

    /// The single value of a query, on a connection of its own.
    pub async fn ask<T: FromSqlOwned>(&self, query: &str, params: &[&(dyn ToSql + Sync)]) -> T {
        ask(&self.bed.client().await, query, params).await
    }

    /// The single value of a query, on the producer's connection.
    pub async fn value<T: FromSqlOwned>(&self, query: &str) -> T {
        ask(&self.client, query, &[]).await
    }

    /// Runs statements on the producer's connection.
    pub async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap_or_else(|e| panic!("{statements}: {e:?}"));
    }

    /// How many keys wait for this reason.
    pub async fn waits(&self, reason: &str) -> i64 {
        self.ask("SELECT count(*) FROM outbox.waits WHERE reason = $1", &[&reason]).await
    }

    /// How many attempts are charged to waiting events, all together.
    pub async fn attempts_charged(&self) -> i64 {
        self.ask("SELECT coalesce(sum(attempts), 0) FROM outbox.waits", &[]).await
    }

    /// The kinds of the holds in force.
    pub async fn holds(&self) -> Vec<String> {
        self.ask("SELECT coalesce(array_agg(kind ORDER BY id), '{}') FROM outbox.holds", &[]).await
    }

    /// Panics if anything was charged to an event or dead-lettered, by the tables or by the relay's own counters: it must not be where
    /// nothing is an event's own fault.
    pub async fn assert_nothing_charged(&self, relay: &Relay) {
        assert_eq!(relay.metric("outbox_retries_total").await, 0.0, "attempts were charged\n{}", relay.log());
        assert_eq!(relay.metric("outbox_dead_lettered_total").await, 0.0, "dead letters\n{}", relay.log());
        assert!(self.bed.dead_letters().await.is_empty(), "events were dead-lettered");
        assert_eq!(self.attempts_charged().await, 0, "events were charged with attempts");
    }
}

/// The single value of a query.
pub async fn ask<T: FromSqlOwned>(client: &Client, query: &str, params: &[&(dyn ToSql + Sync)]) -> T {
    client.query_one(query, params).await.unwrap_or_else(|e| panic!("{query}: {e:?}")).get(0)
}
