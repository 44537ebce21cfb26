//! What every journey starts with: a fresh bed with the outbox tables and the consumers' queues, one history, and questions that
//! several journeys ask of the database.

use std::time::Duration;

use testkit::{
    Consumer, History, NewEvent, PrivateServices, Queue, QueueKind, Relay, TestBed, Topology, Verdict, Writer,
    eventually, judge,
};
use tokio_postgres::Client;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use uuid::Uuid;

/// For whatever must happen; how long it may take is only judged where a promise says so.
pub const SOON: Duration = Duration::from_secs(60);

/// A type that no queue is bound to.
pub const UNBOUND: &str = "nobody.listens";

pub struct Stage {
    pub bed: TestBed,
    pub history: History,
    pub writer: Writer,
}

impl Stage {
    /// With the exchange `order.events` and these queues.
    pub async fn new(name: &str, queues: impl IntoIterator<Item = Queue>) -> Self {
        Self::of(TestBed::new(name).await, queues).await
    }

    /// The same on services of the test's own.
    pub async fn on(services: &PrivateServices, queues: impl IntoIterator<Item = Queue>) -> Self {
        Self::of(TestBed::on(services).await, queues).await
    }

    async fn of(bed: TestBed, queues: impl IntoIterator<Item = Queue>) -> Self {
        bed.migrate().await;
        bed.declare_topology(&Topology::order_events(queues)).await;
        let history = History::default();
        let writer = Writer::new(&history);
        Self { bed, history, writer }
    }

    pub fn consume(&self, queue: &str) -> Consumer {
        Consumer::start(&self.bed.amqp_url(), queue, &self.history)
    }

    /// Commits one transaction per key with these events.
    pub async fn commit(&self, keys: &[String], events: impl Fn(&str) -> Vec<NewEvent>) {
        let mut client = self.bed.client().await;
        for key in keys {
            self.writer.commit_events(&mut client, key, events(key)).await;
        }
    }

    /// Waits until everything is where it belongs, stops the relay in good order and judges the history.
    pub async fn finish(&self, relay: &mut Relay) -> Verdict {
        self.bed.quiet(&self.history, SOON).await;
        let status = relay.stop(Duration::from_secs(30)).await;
        assert!(status.success(), "the relay ended with {status}\n{}", relay.log());
        judge(&self.history, &self.bed.expect(&[]).await)
    }

    /// The single value of a query.
    pub async fn ask<T: FromSqlOwned>(&self, query: &str, params: &[&(dyn ToSql + Sync)]) -> T {
        ask(&self.bed.client().await, query, params).await
    }

    /// How many waits there are for this reason.
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

    /// Waits until this many events are delivered.
    pub async fn delivered(&self, deadline: Duration, count: usize) {
        let what = format!("{count} events are delivered");
        eventually(deadline, &what, async || self.history.progress().distinct >= count).await;
    }

    pub fn has_arrived(&self, id: Uuid) -> bool {
        self.history.arrived().iter().any(|message| message.message_id == id.to_string())
    }
}

/// The single value of a query.
pub async fn ask<T: FromSqlOwned>(client: &Client, query: &str, params: &[&(dyn ToSql + Sync)]) -> T {
    client.query_one(query, params).await.unwrap_or_else(|e| panic!("{query}: {e:?}")).get(0)
}

/// A classic queue with the name `orders` that takes every type of the order service, and no other.
pub fn orders() -> Queue {
    Queue::new("orders", QueueKind::Classic).bound_to(&["order.#"])
}

/// So many keys with a common beginning.
pub fn keys(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}-{n}")).collect()
}

/// The next events of an order.
pub fn good(key: &str, count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| NewEvent::of_order(key, n)).collect()
}

/// So many events of one type, all different.
pub fn of_type(event_type: &str, count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| NewEvent::new(event_type, &format!("{{\"step\": {n}}}"))).collect()
}

/// What the relay must not have done when nothing is an event's own fault.
pub async fn assert_nothing_charged(stage: &Stage, relay: &Relay) {
    assert_eq!(relay.metric("outbox_retries_total").await, 0.0, "attempts were charged\n{}", relay.log());
    assert_eq!(relay.metric("outbox_dead_lettered_total").await, 0.0, "dead letters\n{}", relay.log());
    assert_eq!(stage.bed.dead_letters().await.len(), 0);
    assert_eq!(stage.attempts_charged().await, 0);
}
