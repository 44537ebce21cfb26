//! What these tests start with: the outbox tables, and events with a secret that no answer may show unasked.

use testkit::world::orders;
use testkit::{NewEvent, TestBed, World};

/// With the exchange and a queue for the order service's types, which nobody consumes.
pub async fn stage(name: &str) -> World {
    World::new(name, [orders()]).await
}

pub async fn without_exchange(name: &str) -> World {
    let bed = TestBed::new(name).await;
    bed.migrate().await;
    World::bare(bed).await
}

/// Events of these types.
pub fn secret(types: &[&str]) -> Vec<NewEvent> {
    types.iter().map(|event_type| NewEvent::new(event_type, "{\"secret\": \"4711\"}")).collect()
}
