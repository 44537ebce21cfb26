//! The request to send a notification, as seed 000 section 3.1 shows it. Built by [`crate::notification`].

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::notification::{Channel, NotificationType, Priority, TemplateData};
use crate::value::id::{OrderId, UserId};
use crate::value::text::{Email, Phone};
use crate::value::timestamp::Timestamp;

/// Asks the Notification Service to send something to the customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NotificationSendRequestedEvent {
    /// `notification.send_requested`; a consumer of bare bodies tells events apart by it.
    pub event_type: String,
    /// The notification; what becomes of it is reported by this id.
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("format" = "uuid")))]
    pub notification_id: Uuid,
    /// The order it is about.
    pub order_id: OrderId,
    /// What it tells; decides the template.
    #[serde(rename = "type")]
    pub notification_type: NotificationType,
    /// By which channels.
    pub channels: Vec<Channel>,
    /// How urgent it is.
    pub priority: Priority,
    /// To whom.
    pub recipient: Recipient,
    /// What the template is filled in with; its form depends on `type`.
    pub template_data: TemplateData,
    /// The same for every request to send the same notification.
    pub idempotency_key: String,
    /// When it was requested.
    pub timestamp: Timestamp,
}

/// A request to confirm an order to its customer. The same payload under the name that seed 003 gives it; a type of its
/// own in the outbox, because only confirmations have that name.
pub type OrderConfirmationNotificationRequestedEvent = NotificationSendRequestedEvent;

/// To whom a notification goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The customer's account.
    pub user_id: UserId,
    /// Where e-mail goes.
    pub email: Email,
    /// Where text messages go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// A language tag; `en` unless the customer prefers another.
    pub preferred_language: String,
    /// `EMAIL` unless the customer prefers another.
    pub preferred_channel: Channel,
}
