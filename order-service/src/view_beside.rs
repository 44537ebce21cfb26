//! What stands beside an order, as callers see it: allocations of its items, notifications, and why a person should look at it.

use std::collections::BTreeMap;

use order_domain::inbound::inventory::{AllocationStatus, ItemState};
use order_domain::inbound::notification::{ChannelState, Delivery, NotificationStatus};
use order_domain::value::timestamp::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{Notification, RaisedReview, Whole};

/// What became of the notifications of each type.
pub fn by_type(whole: &Whole) -> BTreeMap<&str, NotificationStatus> {
    let mut channels: BTreeMap<&str, Vec<&ChannelState>> = BTreeMap::new();
    for notification in &whole.notifications {
        channels.entry(&notification.notification_type).or_default().extend(notification.channels.values());
    }
    channels.into_iter().map(|(kind, channels)| (kind, NotificationStatus::of(channels))).collect()
}

/// What Inventory has done for a line.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllocationView<'a> {
    #[schema(value_type = AllocationStatusView)]
    status: AllocationStatus,
    allocation_id: Option<&'a str>,
    warehouse_id: Option<&'a str>,
    quantity: Option<u32>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl<'a> AllocationView<'a> {
    /// What is known of it now: a pending allocation that was not confirmed in time has expired.
    pub fn new(state: Option<&'a ItemState>, now: Timestamp) -> Self {
        let status = state.map_or(AllocationStatus::None, |state| state.status(now));
        let allocation = state.map(|state| &state.latest.value);
        Self {
            status,
            allocation_id: allocation.and_then(|it| it.allocation_id.as_ref()).map(|id| id.as_str()),
            warehouse_id: allocation.and_then(|it| it.warehouse_id.as_ref()).map(|id| id.as_str()),
            quantity: allocation.and_then(|it| it.quantity),
            expires_at: allocation.and_then(|it| it.expires_at),
        }
    }
}

/// How far the stock of an item has come; for the document only.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "the domain writes the status; this names its values in the document")]
pub enum AllocationStatusView {
    None,
    Optimistic,
    Backorder,
    Pending,
    Confirmed,
    Expired,
    Unavailable,
    Fulfilled,
}

/// What became of a notification; for the document only.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "the domain writes the status; this names its values in the document")]
pub enum NotificationStatusView {
    Requested,
    Sent,
    Failed,
}

/// A notification, and what became of it by each channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationView<'a> {
    notification_id: &'a str,
    #[serde(rename = "type")]
    notification_type: &'a str,
    #[schema(value_type = NotificationStatusView)]
    status: NotificationStatus,
    channels: Vec<ChannelView<'a>>,
    /// Null where this service did not ask for it.
    idempotency_key: Option<&'a str>,
    /// Whether it is the other channel of a notification that failed.
    is_fallback: bool,
    #[schema(format = DateTime)]
    requested_at: Option<&'a str>,
}

impl<'a> From<&'a Notification> for NotificationView<'a> {
    fn from(notification: &'a Notification) -> Self {
        let request = notification.request.as_ref();
        Self {
            notification_id: &notification.notification_id,
            notification_type: &notification.notification_type,
            status: NotificationStatus::of(notification.channels.values()),
            channels: notification
                .channels
                .iter()
                .map(|(name, state)| ChannelView::new(name.as_str(), state))
                .collect(),
            idempotency_key: request.map(|request| request.idempotency_key.as_str()),
            is_fallback: request.is_some_and(|request| request.is_fallback),
            requested_at: request.map(|request| request.requested_at.as_str()),
        }
    }
}

/// What became of a notification by one channel. What its state has nothing to say about is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelView<'a> {
    channel: &'a str,
    #[schema(value_type = NotificationStatusView)]
    status: &'static str,
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    /// The provider's id of it.
    message_id: Option<&'a str>,
    #[schema(value_type = Option<String>, format = DateTime)]
    failed_at: Option<Timestamp>,
    error_code: Option<&'a str>,
    error_message: Option<&'a str>,
    retry_count: Option<u32>,
    will_retry: Option<bool>,
}

impl<'a> ChannelView<'a> {
    fn new(channel: &'a str, state: &'a ChannelState) -> Self {
        let mut view = Self {
            channel,
            status: "REQUESTED",
            sent_at: None,
            message_id: None,
            failed_at: None,
            error_code: None,
            error_message: None,
            retry_count: None,
            will_retry: None,
        };
        match &state.latest.value {
            Delivery::Requested => {}
            Delivery::Sent { message_id, .. } => {
                view.status = "SENT";
                view.sent_at = state.latest.at;
                view.message_id = message_id.as_ref().map(|id| id.as_str());
            }
            Delivery::Failed(failure) => {
                view.status = "FAILED";
                view.failed_at = state.latest.at;
                view.error_code = Some(failure.error_code.as_str());
                view.error_message = Some(failure.error_message.as_str());
                view.retry_count = Some(failure.retry_count);
                view.will_retry = Some(failure.will_retry);
            }
        }
        view
    }
}

/// Why a person should look at the order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewView<'a> {
    /// A stable name, such as `NOTIFICATION_FAILURE`.
    reason: &'a str,
    /// What of the order it is about: an item, a payment, a notification's channel, a product.
    subject: &'a str,
    message: &'a str,
    #[schema(format = DateTime)]
    raised_at: &'a str,
}

impl<'a> From<&'a RaisedReview> for ReviewView<'a> {
    fn from(review: &'a RaisedReview) -> Self {
        Self {
            reason: &review.reason,
            subject: &review.subject,
            message: &review.message,
            raised_at: &review.raised_at,
        }
    }
}
