//! Asking the Notification Service, once for each key, and writing down what was asked. Every event that asks for a notification
//! passes here on its way to the outbox: what is reported later is about a row of `order_service.notifications`.

use deadpool_postgres::Transaction;
use order_domain::event::{NotificationSendRequestedEvent, Payload};
use order_domain::notification::Channel;
use order_domain::order::Decision;
use order_domain::value::id::OrderId;
use order_domain::{Event, Order, Refusal};
use tokio_postgres::types::Type;

use super::change::{lock, write};
use super::{Parameter, Store, StoreError, one};

const FIND: &str = include_str!("../../sql/find_notification_by_key.sql");
const INSERT: &str = include_str!("../../sql/insert_notification.sql");

/// A client's request for a notification: what the client calls it, and what it sent.
#[derive(Clone, Copy)]
pub struct NotificationRequest<'a> {
    pub key: &'a str,
    pub bytes: &'a [u8],
}

/// The notification, and whether it was asked for before.
pub struct Requested {
    pub notification_id: String,
    pub idempotency_key: String,
    pub was_there: bool,
}

impl Store {
    /// Asks for what `decide` says, or answers with what the same request has asked for before. A key that was used for
    /// something else is refused.
    pub async fn notify(
        &self,
        id: &OrderId,
        request: Option<NotificationRequest<'_>>,
        decide: impl FnOnce(&Order) -> Result<Decision, Refusal>,
    ) -> Result<Requested, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let order = lock(&transaction, id).await?;
        if let Some(request) = request
            && let Some(notification_id) = find(&transaction, id, request).await?
        {
            let idempotency_key = request.key.to_owned();
            return Ok(Requested { notification_id, idempotency_key, was_there: true });
        }
        let decision = decide(&order)?;
        write(&transaction, &decision.order).await?;
        let asked = decision.events.iter().find_map(asked);
        let asked = asked.ok_or_else(|| StoreError::Broken("a request for a notification made none".into()))?;
        insert(&transaction, asked, request, false).await?;
        let (notification_id, idempotency_key) = (asked.notification_id.to_string(), asked.idempotency_key.clone());
        self.append(transaction, &decision.events).await?;
        Ok(Requested { notification_id, idempotency_key, was_there: false })
    }
}

/// Writes down what `events` ask for.
pub async fn record(transaction: &Transaction<'_>, events: &[Event]) -> Result<(), StoreError> {
    for asked in events.iter().filter_map(asked) {
        insert(transaction, asked, None, false).await?;
    }
    Ok(())
}

/// Writes down that another channel is asked for.
pub async fn record_fallback(transaction: &Transaction<'_>, event: &Event) -> Result<(), StoreError> {
    let asked = asked(event).ok_or_else(|| StoreError::Broken("another channel is asked for by no request".into()))?;
    insert(transaction, asked, None, true).await
}

/// What an event asks the Notification Service for.
pub fn asked(event: &Event) -> Option<&NotificationSendRequestedEvent> {
    if let Payload::NotificationSendRequested(asked) | Payload::OrderConfirmationNotificationRequested(asked) =
        event.payload()
    {
        Some(asked)
    } else {
        None
    }
}

async fn find(
    transaction: &Transaction<'_>,
    id: &OrderId,
    request: NotificationRequest<'_>,
) -> Result<Option<String>, StoreError> {
    let parameters: [Parameter<'_>; 3] =
        [(&request.key, Type::TEXT), (&id.as_str(), Type::TEXT), (&request.bytes, Type::BYTEA)];
    let Some(row) = one(transaction, FIND, &parameters).await? else { return Ok(None) };
    if row.try_get(1)? { Ok(Some(row.try_get(0)?)) } else { Err(StoreError::KeyReused(request.key.to_owned())) }
}

async fn insert(
    transaction: &Transaction<'_>,
    asked: &NotificationSendRequestedEvent,
    request: Option<NotificationRequest<'_>>,
    is_fallback: bool,
) -> Result<(), StoreError> {
    let body = serde_json::to_string(asked).map_err(|e| StoreError::Broken(e.into()))?;
    let channels: Vec<&str> = asked.channels.iter().map(Channel::as_str).collect();
    let (id, at) = (asked.notification_id.to_string(), asked.timestamp.to_string());
    let (key, bytes) = (request.map(|request| request.key), request.map(|request| request.bytes));
    let parameters: [Parameter<'_>; 10] = [
        (&id, Type::TEXT),
        (&asked.order_id.as_str(), Type::TEXT),
        (&asked.notification_type.as_str(), Type::TEXT),
        (&channels, Type::TEXT_ARRAY),
        (&asked.idempotency_key, Type::TEXT),
        (&key, Type::TEXT),
        (&bytes, Type::BYTEA),
        (&at, Type::TEXT),
        (&body, Type::TEXT),
        (&is_fallback, Type::BOOL),
    ];
    let written = one(transaction, INSERT, &parameters).await?;
    written.map(|_| ()).ok_or_else(|| StoreError::KeyReused(asked.idempotency_key.clone()))
}
