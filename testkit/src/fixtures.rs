//! An event and a policy as the pure parts of the relay take them. A test that needs another one changes a field.

use std::time::Duration;

use outbox_relay::outbox::event::{Event, Payload};
use outbox_relay::relay::retry::RetrySteps;
use outbox_relay::relay::verdict::Policy;
use time::OffsetDateTime;
use uuid::Uuid;

/// A plain event of an order.
pub fn event(key: &str, seq: i64) -> Event {
    Event {
        id: Uuid::new_v4(),
        seq,
        lane: 0,
        aggregate_type: "Order".into(),
        aggregate_id: key.into(),
        event_type: "order.created".into(),
        partition_key: None,
        event_version: None,
        payload: Payload::Text("{}".into()),
        headers: None,
        correlation_id: None,
        created_at: OffsetDateTime::UNIX_EPOCH,
        replay_id: None,
        first_seq: None,
        only_routes: None,
        defect: None,
        waited: None,
    }
}

/// Three retries, the first after a second.
pub fn policy() -> Policy {
    Policy {
        retries_max: 3,
        steps: RetrySteps { min: Duration::from_secs(1), max: Duration::from_secs(10) },
        confirm_timeout: Duration::from_secs(15),
        returns_in_a_row_max: 20,
    }
}
