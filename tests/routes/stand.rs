//! What every test of routes starts with: a migrated bed, a routes file of its own, rows, and queues that are read to the end.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::BasicGetOptions;
use testkit::process::unique;
use testkit::program;
use testkit::{Queue, QueueKind, TestBed, Topology};
use tokio::time::timeout;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use uuid::Uuid;

/// For whatever must happen.
pub const SOON: Duration = Duration::from_secs(60);

pub struct Stand {
    pub bed: TestBed,
}

/// A message as a consumer gets it.
pub struct Got {
    pub body: String,
    pub properties: BasicProperties,
}

impl Got {
    pub fn id(&self) -> String {
        self.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// A queue that binds exactly these keys.
pub fn queue(name: &str, keys: &[&str]) -> Queue {
    Queue::new(name, QueueKind::Classic).bound_to(keys)
}

/// A routes file of the test's own; returns its path.
pub fn routes_file(text: &str) -> String {
    let path = program::scratch().join(format!("{}.toml", unique("routes")));
    std::fs::write(&path, text).expect("the routes file is written");
    path.to_str().expect("a path in UTF-8").to_owned()
}

impl Stand {
    pub async fn new(name: &str, topology: Topology) -> Self {
        Self::on(TestBed::new(name).await, topology).await
    }

    /// The same on a bed that is there.
    pub async fn on(bed: TestBed, topology: Topology) -> Self {
        bed.migrate().await;
        bed.declare_topology(&topology).await;
        Self { bed }
    }

    /// Commits one row; returns its id.
    pub async fn row(&self, aggregate_id: &str, event_type: &str, payload: &str) -> Uuid {
        self.row_with(aggregate_id, event_type, payload, None).await
    }

    pub async fn row_with(&self, aggregate_id: &str, event_type: &str, payload: &str, headers: Option<&str>) -> Uuid {
        let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers)
                      VALUES ('Order', $1, $2, $3::text::json, $4::text::json) RETURNING id";
        self.ask(insert, &[&aggregate_id, &event_type, &payload, &headers]).await
    }

    /// The single value of a query.
    pub async fn ask<T: FromSqlOwned>(&self, query: &str, params: &[&(dyn ToSql + Sync)]) -> T {
        let row = self.bed.client().await.query_one(query, params).await;
        row.unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
    }

    /// How many keys wait for a hold, with these routes confirmed.
    pub async fn held_with(&self, confirmed: &[&str]) -> i64 {
        let query = "SELECT count(*) FROM outbox.waits WHERE reason = 'held' AND routes_confirmed = $1";
        self.ask(query, &[&confirmed]).await
    }

    /// Probes of the hold that was probed most.
    pub async fn probes(&self) -> i32 {
        self.ask("SELECT coalesce(max(probes), 0) FROM outbox.holds", &[]).await
    }

    /// Takes everything out of a queue.
    pub async fn drain(&self, queue: &str) -> Vec<Got> {
        let drain = async {
            let (channel, mut got) = (self.bed.channel().await, Vec::new());
            while let Some(message) =
                channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.expect("the queue answers")
            {
                let delivery = message.delivery;
                let body = String::from_utf8(delivery.data).expect("a body in UTF-8");
                got.push(Got { body, properties: delivery.properties });
            }
            got
        };
        timeout(Duration::from_secs(20), drain).await.expect("the queue is read in time")
    }
}
