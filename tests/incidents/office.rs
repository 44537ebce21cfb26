//! What every incident happens to: an order service with its outbox, a relay, a consumer, a second queue that keeps every message for a look
//! at its headers, and the transcript of what the person on call types. Used by the three incidents.

use testkit::patience::SOON;
use testkit::world::{KEPT, ORDERS, order_types};
use testkit::{NewEvent, Relay, TestBed, Topology, World, eventually, judge};
use uuid::Uuid;

use crate::incidents::transcript::Transcript;

pub struct Office {
    pub world: World,
    pub relay: Relay,
    pub transcript: Transcript,
}

impl Office {
    /// Migrated, declared, consumed, in business for six days, and with a relay at work.
    pub async fn open(name: &str, relay: &[&str]) -> Self {
        let world = World::of(TestBed::new(name).await, &topology()).await.consumed(ORDERS);
        let in_business = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, created_at, published_at)
             SELECT 'Order', 'order-1', 'order.created', '{}', at, at FROM (SELECT clock_timestamp() - interval '6 days') AS t (at)";
        world.execute(in_business).await;
        let relay = Relay::start(&world.bed, relay).await;
        let transcript = Transcript::new(&world.bed);
        Self { world, relay, transcript }
    }

    /// Commits these types of events for an order, in one transaction; their ids.
    pub async fn commit(&mut self, order: &str, types: &[&str]) -> Vec<Uuid> {
        let events = types.iter().map(|event_type| NewEvent::new(event_type, "{\"total\": 23.40}")).collect();
        self.world.commit(order, events).await
    }

    /// Waits until these have arrived at the consumer.
    pub async fn arrive(&self, ids: &[Uuid]) {
        eventually(SOON, "the events arrive", async || ids.iter().all(|id| self.world.has_arrived(*id))).await;
    }

    /// Everything arrived once and in order but for so many copies, and the outbox is clean. Ends the relay.
    pub async fn close(mut self, copies_max: usize) -> Transcript {
        self.world.quiet().await;
        let status = self.transcript.ask_json(&["status"]).await;
        let clean = (&status["pending"], &status["waiting_keys"], &status["dead_letters"], &status["holds"]);
        assert_eq!(clean, (&0.into(), &0.into(), &0.into(), &serde_json::json!([])), "{status}");
        self.relay.stop_well().await;
        let mut expect = self.world.bed.expect(&[ORDERS]).await;
        // What was discarded was given up by a person, and stays in the table.
        let resolved = "SELECT id, failure_reason FROM outbox.dead_letters WHERE processed_at IS NOT NULL";
        let resolved = self.world.client.query(resolved, &[]).await.expect("dead letters are read");
        expect.dead_letters.extend(resolved.iter().map(|row| (row.get(0), row.get(1))));
        judge(&self.world.history, &expect).assert_clean(copies_max);
        self.transcript
    }
}

/// The exchange and its queues, as the consumers' teams declare them.
pub fn topology() -> Topology {
    Topology::order_events([order_types(ORDERS), order_types(KEPT)])
}
