//! What the tests of this binary start with: an order service with its outbox and consumer, a second queue that keeps every message for a
//! look at its headers, and questions to the database.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;
use testkit::shop::QUEUE;
use testkit::traffic::Load;
use testkit::{
    Consumer, History, NewEvent, Queue, QueueKind, Relay, TestBed, Topology, Traffic, Verdict, Writer, eventually,
    judge,
};
use tokio_postgres::Client;
use tokio_postgres::types::FromSqlOwned;
use uuid::Uuid;

/// For whatever must happen.
pub const SOON: Duration = Duration::from_secs(90);
/// The queue that nobody consumes.
const KEPT: &str = "kept";
/// A type that no queue of the scene is bound to.
pub const UNBOUND: &str = "nobody.listens";

pub struct Scene {
    pub bed: TestBed,
    pub history: History,
    pub writer: Writer,
    pub client: Client,
    _consumer: Consumer,
}

/// A message as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub id: String,
    pub key: Option<String>,
    /// The header x-outbox-replay.
    pub replay: Option<String>,
}

impl Scene {
    /// Migrated, with queues for the types of the order service, and consumed.
    pub async fn open(name: &str) -> Self {
        let bed = TestBed::new(name).await;
        bed.migrate().await;
        let queue = |name| Queue::new(name, QueueKind::Classic).bound_to(&["order.#"]);
        bed.declare_topology(&Topology::order_events([queue(QUEUE), queue(KEPT)])).await;
        let history = History::default();
        let _consumer = Consumer::start(&bed.amqp_url(), QUEUE, &history);
        let (writer, client) = (Writer::new(&history), bed.client().await);
        Self { bed, history, writer, client, _consumer }
    }

    /// Commits so many events of each of so many orders; returns their ids in order.
    pub async fn order(&mut self, orders: usize, events: usize) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for order in 0..orders {
            ids.extend(self.writer.commit(&mut self.client, &format!("seed-{order}"), events).await);
        }
        ids
    }

    /// Commits these events of one order in one transaction.
    pub async fn commit(&mut self, key: &str, events: Vec<NewEvent>) -> Vec<Uuid> {
        self.writer.commit_events(&mut self.client, key, events).await
    }

    /// Orders written all the time.
    pub fn traffic(&self) -> Traffic {
        let load = Load { producers: 2, keys: 40, pause: Duration::from_millis(3), ..Load::default() };
        Traffic::start(&self.bed.database_url(), &self.history, &load)
    }

    pub async fn quiet(&self) {
        self.bed.quiet(&self.history, SOON).await;
    }

    /// Waits until so many messages have arrived at the consumer, copies included.
    pub async fn arrivals(&self, count: usize) {
        let what = format!("{count} arrivals");
        eventually(SOON, &what, async || self.history.progress().arrivals >= count).await;
    }

    pub fn has_arrived(&self, id: Uuid) -> bool {
        self.history.arrived().iter().any(|message| message.message_id == id.to_string())
    }

    /// Waits until everything is where it belongs, stops the relay and judges.
    pub async fn finish(&self, relay: &mut Relay) -> Verdict {
        self.quiet().await;
        let status = relay.stop(Duration::from_secs(30)).await;
        assert!(status.success(), "{status}\n{}", relay.log());
        judge(&self.history, &self.bed.expect(&[QUEUE]).await)
    }

    /// The single value of a query.
    pub async fn ask<T: FromSqlOwned>(&self, query: &str) -> T {
        self.client.query_one(query, &[]).await.unwrap_or_else(|e| panic!("{query}: {e:?}")).get(0)
    }

    pub async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.unwrap_or_else(|e| panic!("{statements}: {e:?}"));
    }

    /// The database's time, as a flag takes it.
    pub async fn now(&self) -> String {
        self.ask("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')").await
    }

    /// Moves a pending event to the dead letters, as a relay with routes would.
    pub async fn dead_letter(&self, event: Uuid, reason: &str, confirmed: &[&str], failed: &[&str]) -> i64 {
        let statement = "WITH moved AS (DELETE FROM outbox.events WHERE id = $1 RETURNING *)
            INSERT INTO outbox.dead_letters (id, seq, aggregate_type, aggregate_id, event_type, partition_key, event_version, payload, headers,
                correlation_id, created_at, lane, replay_id, only_routes, original_event, failure_reason, last_error, attempts, routes_confirmed, routes_failed)
            SELECT id, seq, aggregate_type, aggregate_id, event_type, partition_key, event_version, payload, headers, correlation_id, created_at,
                lane, replay_id, only_routes, row_to_json(moved), $2, 'an error', 4, $3, $4 FROM moved RETURNING dead_letter_id";
        let row = self.client.query_one(statement, &[&event, &reason, &confirmed, &failed]).await;
        row.unwrap_or_else(|e| panic!("a dead letter: {e:?}")).get(0)
    }

    /// Takes every message out of the queue that nobody consumes.
    pub async fn kept(&self) -> Vec<Kept> {
        let channel = self.bed.channel().await;
        let mut kept = Vec::new();
        let get = async || channel.basic_get(KEPT.into(), BasicGetOptions { no_ack: true }).await.expect("an answer");
        while let Some(message) = get().await {
            let properties = &message.delivery.properties;
            let header = |name: &str| match properties.headers().as_ref().and_then(|all| all.inner().get(name)) {
                Some(AMQPValue::LongString(text)) => Some(text.to_string()),
                _ => None,
            };
            let id = properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default();
            kept.push(Kept { id, key: header("x-outbox-key"), replay: header("x-outbox-replay") });
        }
        kept
    }

    /// A fingerprint of every row of every table that commands change.
    pub async fn fingerprint(&self) -> BTreeMap<String, String> {
        let mut prints = BTreeMap::new();
        for table in ["events", "dead_letters", "waits", "holds", "replays", "lanes"] {
            let query = format!(
                "SELECT count(*) || ' rows ' || md5(coalesce(string_agg(t.xmin::text || t.ctid::text, ',' ORDER BY t.ctid), '')) FROM outbox.{table} t"
            );
            prints.insert(table.to_owned(), self.ask(&query).await);
        }
        prints
    }
}
