//! What every test of routes starts with: a migrated bed, a routes file of its own, rows, and queues that are read to the end.

use testkit::program::scratch_file;
use testkit::{Queue, QueueKind, TestBed, Topology, World};
use uuid::Uuid;

/// A queue that binds exactly these keys.
pub fn queue(name: &str, keys: &[&str]) -> Queue {
    Queue::new(name, QueueKind::Classic).bound_to(keys)
}

/// A routes file of the test's own; returns its path.
pub fn routes_file(text: &str) -> String {
    scratch_file("routes.toml", text)
}

/// Migrated and declared, and nothing consumed.
pub async fn stand(name: &str, topology: &Topology) -> World {
    World::of(TestBed::new(name).await, topology).await
}

pub trait Stand {
    /// Commits one row; returns its id.
    async fn row(&self, aggregate_id: &str, event_type: &str, payload: &str) -> Uuid;

    async fn row_with(&self, aggregate_id: &str, event_type: &str, payload: &str, headers: Option<&str>) -> Uuid;

    /// How many keys wait for a hold, with these routes confirmed.
    async fn held_with(&self, confirmed: &[&str]) -> i64;

    /// Probes of the hold that was probed most.
    async fn probes(&self) -> i32;
}

impl Stand for World {
    async fn row(&self, aggregate_id: &str, event_type: &str, payload: &str) -> Uuid {
        self.row_with(aggregate_id, event_type, payload, None).await
    }

    async fn row_with(&self, aggregate_id: &str, event_type: &str, payload: &str, headers: Option<&str>) -> Uuid {
        let insert = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, headers)
                      VALUES ('Order', $1, $2, $3::text::json, $4::text::json) RETURNING id";
        self.ask(insert, &[&aggregate_id, &event_type, &payload, &headers]).await
    }

    async fn held_with(&self, confirmed: &[&str]) -> i64 {
        let query = "SELECT count(*) FROM outbox.waits WHERE reason = 'held' AND routes_confirmed = $1";
        self.ask(query, &[&confirmed]).await
    }

    async fn probes(&self) -> i32 {
        self.ask("SELECT coalesce(max(probes), 0) FROM outbox.holds", &[]).await
    }
}
