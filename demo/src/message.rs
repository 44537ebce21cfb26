//! Reads one delivered message the way a consumer service would.
//!
//! Called by `consumer`. Promises an arrival only for a whole message: id, key, version and timestamp are there and the
//! body's id agrees with the AMQP one. Refuses anything else, with a reason that quotes no payload.

use std::time::Instant;

use lapin::message::Delivery;
use lapin::types::AMQPValue;
use serde_json::Value;
use time::{Date, Month, OffsetDateTime, Time};
use uuid::Uuid;

use crate::feed::Arrival;
use crate::ledger::Change;

pub fn read(delivery: &Delivery) -> Result<Arrival, String> {
    let at = Instant::now();
    let id = delivery.properties.message_id().as_ref().ok_or("no message_id")?;
    let id: Uuid = id.as_str().parse().map_err(|_| format!("message_id {id} is no uuid"))?;
    let key = key_of(delivery).ok_or_else(|| format!("{id}: no x-outbox-key"))?;
    let body: Value = serde_json::from_slice(&delivery.data).map_err(|error| format!("{id}: {error}"))?;
    if body["messageId"] != format!("msg-{id}") {
        return Err(format!("{id}: the body has another messageId"));
    }
    if body["messageType"].as_str() != Some(delivery.routing_key.as_str()) {
        return Err(format!("{id}: messageType and routing key differ"));
    }
    let version = body["payload"]["version"].as_i64().ok_or_else(|| format!("{id}: no version in the payload"))?;
    let created = body["timestamp"].as_str().and_then(utc_milliseconds);
    let created = created.ok_or_else(|| format!("{id}: the timestamp is not UTC with milliseconds"))?;
    let lag_ms = (OffsetDateTime::now_utc() - created).whole_milliseconds();
    let lag_ms = i64::try_from(lag_ms).map_err(|_| format!("{id}: a timestamp out of range"))?;
    Ok(Arrival { id, change: Change { key, version }, at, lag_ms })
}

fn key_of(delivery: &Delivery) -> Option<String> {
    match delivery.properties.headers().as_ref()?.inner().get("x-outbox-key")? {
        AMQPValue::LongString(key) => Some(key.to_string()),
        AMQPValue::ShortString(key) => Some(key.to_string()),
        _ => None,
    }
}

/// Exactly `2026-11-20T12:34:56.789Z`, the form the envelope promises.
fn utc_milliseconds(text: &str) -> Option<OffsetDateTime> {
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if text.len() != 24 || marks.iter().any(|&(at, mark)| text.as_bytes()[at] != mark) {
        return None;
    }
    let small = |from: usize| text.get(from..from + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(text.get(..4)?.parse().ok()?, Month::try_from(small(5)?).ok()?, small(8)?);
    let milliseconds = text.get(20..23)?.parse().ok()?;
    let time = Time::from_hms_milli(small(11)?, small(14)?, small(17)?, milliseconds);
    Some(OffsetDateTime::new_utc(date.ok()?, time.ok()?))
}
