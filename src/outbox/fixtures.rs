//! Events for unit tests.

use time::macros::datetime;
use uuid::Uuid;

use crate::outbox::event::{Event, Payload};

/// A plain event of `key`.
pub(crate) fn event(key: &str, seq: i64) -> Event {
    Event {
        id: Uuid::new_v4(),
        seq,
        lane: 0,
        aggregate_type: "Order".into(),
        aggregate_id: key.into(),
        event_type: "order.created".into(),
        partition_key: None,
        event_version: None,
        payload: Payload::Text(r#"{"orderId":"1"}"#.into()),
        headers: None,
        correlation_id: None,
        created_at: datetime!(2026-11-21 12:34:56.789 UTC),
        replay_id: None,
        first_seq: None,
        only_routes: None,
        defect: None,
        waited: None,
    }
}
