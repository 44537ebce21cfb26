//! What these tests start with: a bed with the outbox tables, the exchange `order.events` and a queue for the order service's types.

use testkit::{History, NewEvent, Queue, QueueKind, TestBed, Topology, Writer};
use tokio_postgres::Client;

/// A type that no queue is bound to.
pub const UNBOUND: &str = "nobody.listens";

pub struct Stage {
    pub bed: TestBed,
    pub history: History,
    pub client: Client,
}

impl Stage {
    /// With the exchange.
    pub async fn new(name: &str) -> Self {
        let stage = Self::without_exchange(name).await;
        let queue = Queue::new("orders", QueueKind::Classic).bound_to(&["order.#"]);
        stage.bed.declare_topology(&Topology::order_events([queue])).await;
        stage
    }

    pub async fn without_exchange(name: &str) -> Self {
        let bed = TestBed::new(name).await;
        bed.migrate().await;
        let client = bed.client().await;
        Self { bed, history: History::default(), client }
    }

    /// Commits events of these types for a key, in one transaction; their ids.
    pub async fn commit(&mut self, key: &str, types: &[&str]) -> Vec<uuid::Uuid> {
        let events = types.iter().map(|event_type| NewEvent::new(event_type, "{\"secret\": \"4711\"}")).collect();
        Writer::new(&self.history).commit_events(&mut self.client, key, events).await
    }

    pub async fn sql(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap_or_else(|e| panic!("{statements}: {e:?}"));
    }
}
