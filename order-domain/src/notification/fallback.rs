//! The same notification by the channel that is left.

use uuid::{Builder, Uuid};

use sha2::{Digest as _, Sha256};

use super::Channel;
use crate::Context;
use crate::event::{Aggregate, Event, NotificationSendRequestedEvent, Payload};

/// The channels that every customer can be told by, if the number is known.
pub const FALLBACK_CHANNELS: [Channel; 2] = [Channel::EMAIL, Channel::SMS];

/// Asks for the same notification by the channels that `request` did not name and that reach the customer; none where no
/// channel is left.
///
/// Its id and its key are made of the first one's key and the channels, so asking twice is asking once: the Notification
/// Service takes it for a new request, and for the same one if it comes again.
pub fn fallback(request: &NotificationSendRequestedEvent, context: &Context) -> Option<Event> {
    let reaches = |channel: &Channel| *channel != Channel::SMS || request.recipient.phone.is_some();
    let is_left = |channel: &Channel| !request.channels.contains(channel) && reaches(channel);
    let channels: Vec<_> = FALLBACK_CHANNELS.into_iter().filter(is_left).collect();
    if channels.is_empty() {
        return None;
    }
    let by: Vec<_> = channels.iter().map(Channel::as_str).collect();
    let idempotency_key = format!("{}_by_{}", request.idempotency_key, by.join("_"));
    let again = NotificationSendRequestedEvent {
        notification_id: id(request, &idempotency_key),
        channels,
        idempotency_key: idempotency_key.clone(),
        timestamp: context.occurred_at,
        ..request.clone()
    };
    let aggregate = Aggregate::Order(request.order_id.clone());
    // By the general name: the platform has heard of the confirmation already.
    Some(Event::new(context, aggregate, idempotency_key, Payload::NotificationSendRequested(again)))
}

/// A UUID of version 8: the digest of the first notification's id and the key.
fn id(request: &NotificationSendRequestedEvent, idempotency_key: &str) -> Uuid {
    let digest =
        Sha256::new().chain_update(request.notification_id.as_bytes()).chain_update(idempotency_key).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}
