//! What the Notification Service reports, and what a failure asks for: another channel, or a person.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Channel, NotificationType};
use crate::Context;
use crate::event::{Aggregate, Event, NotificationSendRequestedEvent, Payload};
use crate::value::id::OrderId;
use crate::value::timestamp::Timestamp;

/// The payload of `notification.sent`, as far as the order service uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSent {
    /// The notification.
    pub notification_id: Uuid,
    /// The order it was about.
    pub order_id: OrderId,
    /// What it told.
    #[serde(rename = "type")]
    pub notification_type: NotificationType,
    /// By which channels it went.
    pub channels: Vec<Channel>,
    /// When.
    pub sent_at: Timestamp,
    /// How far it got, in the provider's words.
    pub delivery_status: String,
    /// The provider's id of it.
    pub message_id: String,
}

/// The payload of `notification.failed`, as far as the order service uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationFailed {
    /// The notification.
    pub notification_id: Uuid,
    /// The order it was about.
    pub order_id: OrderId,
    /// What it was to tell.
    #[serde(rename = "type")]
    pub notification_type: NotificationType,
    /// By which channels it did not get through.
    pub channels: Vec<Channel>,
    /// When it failed.
    pub failed_at: Timestamp,
    /// Why, for programs.
    pub error_code: String,
    /// Why, for people.
    pub error_message: String,
    /// How often it was tried again.
    pub retry_count: u32,
    /// Whether it will be tried again.
    pub will_retry: bool,
}

/// Why a person should look at an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReviewReason {
    /// The customer was not told something important.
    NotificationFailure,
    /// The customer's address or number is wrong.
    ContactInfo,
}

/// A mark on an order that a person should look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Why.
    pub reason: ReviewReason,
    /// The same for people.
    pub message: String,
}

impl NotificationFailed {
    /// Whether it failed because of the customer's address or number.
    pub fn is_contact_error(&self) -> bool {
        matches!(self.error_code.as_str(), "INVALID_PHONE_NUMBER" | "INVALID_EMAIL_ADDRESS")
    }

    /// The mark that the order gets: once nothing more will be tried, and the type is critical or the contact is wrong.
    pub fn review(&self) -> Option<Review> {
        if self.will_retry {
            return None;
        }
        let reason = if self.notification_type.is_critical() {
            ReviewReason::NotificationFailure
        } else if self.is_contact_error() {
            ReviewReason::ContactInfo
        } else {
            return None;
        };
        let message = format!("Failed to send {} notification: {}", self.notification_type, self.error_message);
        Some(Review { reason, message })
    }
}

/// Asks for the same notification by the channels that are left, once nothing more will be tried by those that failed.
/// None where the customer has got it by one of `delivered`, or no channel is left.
///
/// The request has a key of its own, made from the first one's and the channels: the Notification Service takes it for
/// a new request, and for the same one if it is asked twice.
pub fn fallback(
    request: &NotificationSendRequestedEvent,
    failed: &NotificationFailed,
    delivered: &[Channel],
    context: &Context,
) -> Option<Event> {
    if failed.will_retry || !delivered.is_empty() {
        return None;
    }
    let reaches = |channel: &Channel| *channel != Channel::SMS || request.recipient.phone.is_some();
    let is_left = |channel: &Channel| !failed.channels.contains(channel) && reaches(channel);
    let channels: Vec<_> = [Channel::EMAIL, Channel::SMS].into_iter().filter(is_left).collect();
    if channels.is_empty() {
        return None;
    }
    let by: Vec<_> = channels.iter().map(Channel::as_str).collect();
    let idempotency_key = format!("{}_by_{}", request.idempotency_key, by.join("_"));
    let again = NotificationSendRequestedEvent {
        notification_id: context.random_id(),
        channels,
        idempotency_key: idempotency_key.clone(),
        timestamp: context.occurred_at,
        ..request.clone()
    };
    let aggregate = Aggregate::Order(request.order_id.clone());
    // By the general name: the platform has heard of the confirmation already.
    Some(Event::new(context, aggregate, idempotency_key, Payload::NotificationSendRequested(again)))
}
