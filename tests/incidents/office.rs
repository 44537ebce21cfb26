//! What every incident happens to: an order service with its outbox, a relay, a consumer, a second queue that keeps every message for a look
//! at its headers, and the transcript of what the person on call types. Used by the three incidents.

use std::time::Duration;

use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;
use testkit::shop::QUEUE;
use testkit::{Consumer, History, NewEvent, Queue, QueueKind, Relay, TestBed, Topology, Writer, eventually, judge};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::incidents::transcript::Transcript;

/// For whatever must happen.
pub const SOON: Duration = Duration::from_secs(60);
/// The queue that nobody consumes.
const KEPT: &str = "kept";

pub struct Office {
    pub bed: TestBed,
    pub history: History,
    pub relay: Relay,
    pub transcript: Transcript,
    pub writer: Writer,
    pub client: Client,
    _consumer: Consumer,
}

/// A message as the consumer's side has it.
#[derive(Debug)]
pub struct Kept {
    pub message_id: String,
    pub replay: Option<String>,
}

impl Office {
    /// Migrated, declared, consumed, in business for six days, and with a relay at work.
    pub async fn open(name: &str, relay: &[&str]) -> Self {
        let bed = TestBed::new(name).await;
        bed.migrate().await;
        bed.declare_topology(&topology()).await;
        let history = History::default();
        let _consumer = Consumer::start(&bed.amqp_url(), QUEUE, &history);
        let (writer, client, transcript) = (Writer::new(&history), bed.client().await, Transcript::new(&bed));
        let in_business = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, created_at, published_at)
             SELECT 'Order', 'order-1', 'order.created', '{}', at, at FROM (SELECT clock_timestamp() - interval '6 days') AS t (at)";
        client.batch_execute(in_business).await.expect("an event of six days ago");
        let relay = Relay::start(&bed, relay).await;
        Self { bed, history, relay, transcript, writer, client, _consumer }
    }

    /// Commits these types of events for an order, in one transaction; their ids.
    pub async fn commit(&mut self, order: &str, types: &[&str]) -> Vec<Uuid> {
        let events = types.iter().map(|event_type| NewEvent::new(event_type, "{\"total\": 23.40}")).collect();
        self.commit_events(order, events).await
    }

    pub async fn commit_events(&mut self, order: &str, events: Vec<NewEvent>) -> Vec<Uuid> {
        self.writer.commit_events(&mut self.client, order, events).await
    }

    /// Waits until these have arrived at the consumer.
    pub async fn arrive(&self, ids: &[Uuid]) {
        eventually(SOON, "the events arrive", async || ids.iter().all(|id| self.has_arrived(*id))).await;
    }

    pub fn has_arrived(&self, id: Uuid) -> bool {
        self.history.arrived().iter().any(|message| message.message_id == id.to_string())
    }

    /// Waits until everything committed has arrived and is marked.
    pub async fn quiet(&self) {
        self.bed.quiet(&self.history, SOON).await;
    }

    /// Takes every message out of the queue that nobody consumes.
    pub async fn kept(&self) -> Vec<Kept> {
        let channel = self.bed.channel().await;
        let get = async || channel.basic_get(KEPT.into(), BasicGetOptions { no_ack: true }).await.expect("an answer");
        let mut kept = Vec::new();
        while let Some(message) = get().await {
            let properties = &message.delivery.properties;
            let header = properties.headers().as_ref().and_then(|all| all.inner().get("x-outbox-replay"));
            let replay = match header {
                Some(AMQPValue::LongString(text)) => Some(text.to_string()),
                _ => None,
            };
            let message_id = properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
            kept.push(Kept { message_id, replay });
        }
        kept
    }

    /// Everything arrived once and in order but for so many copies, and the outbox is clean. Ends the relay.
    pub async fn close(mut self, copies_max: usize) -> Transcript {
        self.quiet().await;
        let status = self.transcript.ask_json(&["status"]).await;
        let clean = (&status["pending"], &status["waiting_keys"], &status["dead_letters"], &status["holds"]);
        assert_eq!(clean, (&0.into(), &0.into(), &0.into(), &serde_json::json!([])), "{status}");
        let ended = self.relay.stop(SOON).await;
        assert!(ended.success(), "{ended}\n{}", self.relay.log());
        let mut expect = self.bed.expect(&[QUEUE]).await;
        // What was discarded was given up by a person, and stays in the table.
        let resolved = "SELECT id, failure_reason FROM outbox.dead_letters WHERE processed_at IS NOT NULL";
        let resolved = self.client.query(resolved, &[]).await.expect("dead letters are read");
        expect.dead_letters.extend(resolved.iter().map(|row| (row.get(0), row.get(1))));
        judge(&self.history, &expect).assert_clean(copies_max);
        self.transcript
    }
}

/// The exchange and its queues, as the consumers' teams declare them.
pub fn topology() -> Topology {
    let queue = |name| Queue::new(name, QueueKind::Classic).bound_to(&["order.#"]);
    Topology::order_events([queue(QUEUE), queue(KEPT)])
}
