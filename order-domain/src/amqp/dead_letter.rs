//! Dead letters on their way: what a consumer puts aside goes through an exchange into a queue of its source, with what is known
//! of it in headers; what the broker puts aside comes the same way, with the broker's own words.

use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use super::wire::{
    ATTEMPTS, DEAD_AT, DEAD_BYTES, DEAD_CHECKSUM, DEAD_DETAIL, DEAD_ID, DEAD_REASON, EXCHANGE, ROUTING_KEY, count,
    header, headers, properties, text,
};
use crate::inbound::{DeadBody, DeadLetter, DeadReason, Source, fallback_id, read};
use crate::value::timestamp::Timestamp;

/// What is known of a dead letter beside its body and AMQP's properties, as headers.
pub(super) fn set(letter: &DeadLetter) -> Vec<(&'static str, AMQPValue)> {
    let mut set = vec![
        (DEAD_REASON, text(letter.reason.as_str())),
        (DEAD_DETAIL, text(&letter.detail)),
        (DEAD_AT, text(&letter.died_at.to_string())),
        (DEAD_ID, text(&letter.message_id)),
        (ATTEMPTS, AMQPValue::LongUInt(letter.attempts)),
        (ROUTING_KEY, text(&letter.properties.routing_key)),
    ];
    if let Some(exchange) = &letter.exchange {
        set.push((EXCHANGE, text(exchange)));
    }
    if let DeadBody::Cut { bytes, checksum, .. } = &letter.body {
        set.push((DEAD_BYTES, AMQPValue::LongLongInt(i64::try_from(*bytes).unwrap_or(i64::MAX))));
        set.push((DEAD_CHECKSUM, text(checksum)));
    }
    set
}

/// Reads a dead letter of `source` back.
pub(super) fn letter(delivery: &Delivery, source: Source, body_bytes_max: usize) -> DeadLetter {
    let headers = headers(delivery);
    match header(&headers, DEAD_REASON).as_deref().and_then(DeadReason::find) {
        Some(reason) => ours(delivery, &headers, source, reason),
        None => brokers(delivery, &headers, source, body_bytes_max),
    }
}

fn ours(delivery: &Delivery, headers: &FieldTable, source: Source, reason: DeadReason) -> DeadLetter {
    let properties = properties(delivery, header(headers, ROUTING_KEY).unwrap_or_default());
    let body = match (count(headers, DEAD_BYTES), header(headers, DEAD_CHECKSUM)) {
        (Some(bytes), Some(checksum)) => DeadBody::Cut { bytes, checksum, start: delivery.data.clone() },
        _ => DeadBody::Whole(delivery.data.clone()),
    };
    let message_id = header(headers, DEAD_ID).unwrap_or_else(|| fallback_id(&properties, &delivery.data));
    DeadLetter {
        source,
        queue: source.queue().to_owned(),
        exchange: header(headers, EXCHANGE),
        properties,
        message_id,
        reason,
        detail: header(headers, DEAD_DETAIL).unwrap_or_default(),
        attempts: attempts(headers),
        died_at: header(headers, DEAD_AT).and_then(|at| at.parse().ok()).unwrap_or_else(Timestamp::now),
        body,
    }
}

/// Put aside by the broker: delivered too often, or the queue was too long.
fn brokers(delivery: &Delivery, headers: &FieldTable, source: Source, body_bytes_max: usize) -> DeadLetter {
    let death = Death::of(headers);
    // One that had been through a retry queue was sent to the queue itself; its first key is in our headers.
    let was_retried = death.exchange.as_deref() == Some("");
    let (key, exchange) = if was_retried {
        (header(headers, ROUTING_KEY).or(death.routing_key), header(headers, EXCHANGE))
    } else {
        (death.routing_key, death.exchange)
    };
    let properties = properties(delivery, key.unwrap_or_default());
    let message_id = match read(&properties, &delivery.data, body_bytes_max) {
        Ok(message) => message.id,
        Err(unreadable) => unreadable.id,
    };
    DeadLetter {
        source,
        queue: source.queue().to_owned(),
        exchange,
        properties,
        message_id,
        reason: DeadReason::RejectedByBroker,
        detail: format!("the broker says {}", death.reason.as_deref().unwrap_or("nothing about it")),
        attempts: if was_retried { attempts(headers) } else { 0 },
        died_at: Timestamp::now(),
        body: DeadBody::keep(&delivery.data, body_bytes_max),
    }
}

fn attempts(headers: &FieldTable) -> u32 {
    count(headers, ATTEMPTS).and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or(0)
}

/// The newest entry of the broker's `x-death`.
#[derive(Default)]
struct Death {
    reason: Option<String>,
    exchange: Option<String>,
    routing_key: Option<String>,
}

impl Death {
    fn of(headers: &FieldTable) -> Self {
        let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else { return Self::default() };
        let Some(AMQPValue::FieldTable(death)) = deaths.as_slice().first() else { return Self::default() };
        let routing_key = match death.inner().get("routing-keys") {
            Some(AMQPValue::FieldArray(keys)) => match keys.as_slice().first() {
                Some(AMQPValue::LongString(key)) => Some(key.to_string()),
                _ => None,
            },
            _ => None,
        };
        Self { reason: header(death, "reason"), exchange: header(death, "exchange"), routing_key }
    }
}
