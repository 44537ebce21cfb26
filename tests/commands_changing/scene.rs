//! What the tests of changing commands start with: an order service with its outbox and consumer, a second queue that keeps every message
//! for a look at its headers, and what these tests do to the tables.

use std::collections::BTreeMap;
use std::time::Duration;

use testkit::traffic::Load;
use testkit::world::{KEPT, ORDERS, order_types};
use testkit::{Traffic, World};
use uuid::Uuid;

/// Migrated, with queues for the types of the order service, and one of them consumed.
pub async fn open(name: &str) -> World {
    World::new(name, [order_types(ORDERS), order_types(KEPT)]).await.consumed(ORDERS)
}

pub trait Scene {
    /// Commits so many events of each of so many orders that no traffic writes; returns their ids in order.
    async fn seed(&mut self, orders: usize, events: usize) -> Vec<Uuid>;

    /// Orders written all the time, without haste.
    fn some_traffic(&self) -> Traffic;

    /// The database's time, as a flag takes it.
    async fn now(&self) -> String;

    /// Moves a pending event to the dead letters, as a relay with routes would.
    async fn dead_letter(&self, event: Uuid, reason: &str, confirmed: &[&str], failed: &[&str]) -> i64;

    /// A fingerprint of every row of every table that commands change.
    async fn fingerprint(&self) -> BTreeMap<String, String>;
}

impl Scene for World {
    async fn seed(&mut self, orders: usize, events: usize) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for order in 0..orders {
            ids.extend(self.writer.commit(&mut self.client, &format!("seed-{order}"), events).await);
        }
        ids
    }

    fn some_traffic(&self) -> Traffic {
        self.traffic(&Load { producers: 2, keys: 40, pause: Duration::from_millis(3), ..Load::default() })
    }

    async fn now(&self) -> String {
        self.value("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')").await
    }

    async fn dead_letter(&self, event: Uuid, reason: &str, confirmed: &[&str], failed: &[&str]) -> i64 {
        let statement = "WITH moved AS (DELETE FROM outbox.events WHERE id = $1 RETURNING *)
            INSERT INTO outbox.dead_letters (id, seq, aggregate_type, aggregate_id, event_type, partition_key, event_version, payload, headers,
                correlation_id, created_at, lane, replay_id, only_routes, failure_reason, last_error, attempts, routes_confirmed, routes_failed)
            SELECT id, seq, aggregate_type, aggregate_id, event_type, partition_key, event_version, payload, headers, correlation_id, created_at,
                lane, replay_id, only_routes, $2, 'an error', 4, $3, $4 FROM moved RETURNING dead_letter_id";
        let row = self.client.query_one(statement, &[&event, &reason, &confirmed, &failed]).await;
        row.unwrap_or_else(|e| panic!("a dead letter: {e:?}")).get(0)
    }

    async fn fingerprint(&self) -> BTreeMap<String, String> {
        let mut prints = BTreeMap::new();
        for table in ["events", "dead_letters", "waits", "holds", "replays", "lanes"] {
            let query = format!(
                "SELECT count(*) || ' rows ' || md5(coalesce(string_agg(t.xmin::text || t.ctid::text, ',' ORDER BY t.ctid), '')) FROM outbox.{table} t"
            );
            prints.insert(table.to_owned(), self.value(&query).await);
        }
        prints
    }
}
