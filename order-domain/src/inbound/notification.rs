//! What the Notification Service reports, and what becomes of it: a state for each channel of a notification, another channel
//! where one is left, a person where something important did not get through.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::InboundEvent;
use super::latest::{Heard, Latest};
use super::message::{invalid, payload};
use super::reaction::{Dead, DeadReason, Reaction};
use crate::Context;
use crate::event::{Event, NotificationSendRequestedEvent};
use crate::notification::{self, Channel, NotificationType};
use crate::review::{Review, ReviewReason};
use crate::value::id::{NotificationId, OrderId};
use crate::value::text::ForeignText;
use crate::value::timestamp::Timestamp;

/// Of one report; there are two in use.
const CHANNELS_MAX: usize = 16;

/// What the Notification Service tells.
#[derive(Debug, Clone, PartialEq)]
pub enum NotificationFact {
    /// What became of a notification.
    Report(NotificationReport),
    /// The service gave one of its own messages up; it becomes a dead letter here, for a person to look at.
    RetriesExhausted(RetriesExhausted),
}

/// What became of a notification, by some of its channels.
#[derive(Debug, Clone, PartialEq)]
pub struct NotificationReport {
    /// The notification.
    pub notification_id: NotificationId,
    /// The order it was about.
    pub order_id: OrderId,
    /// What it told.
    pub notification_type: NotificationType,
    /// By which channels; at least one.
    pub channels: Vec<Channel>,
    /// What became of it, and when.
    pub delivery: Latest<Delivery>,
}

/// What became of a notification by one channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", tag = "status")]
pub enum Delivery {
    /// It was asked for.
    Requested,
    /// It did not get through.
    #[serde(rename_all = "camelCase")]
    Failed(Failure),
    /// It got through.
    #[serde(rename_all = "camelCase")]
    Sent {
        /// The provider's id of it.
        message_id: Option<ForeignText>,
        /// How far it got, in the provider's words.
        delivery_status: Option<ForeignText>,
    },
}

/// Why a notification did not get through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Why, for programs.
    pub error_code: ForeignText,
    /// Why, for people.
    pub error_message: ForeignText,
    /// How often it was tried again.
    pub retry_count: u32,
    /// Whether it will be tried again.
    pub will_retry: bool,
}

impl Failure {
    /// Whether it failed because of the customer's address or number.
    pub fn is_contact_error(&self) -> bool {
        matches!(self.error_code.as_str(), "INVALID_PHONE_NUMBER" | "INVALID_EMAIL_ADDRESS")
    }
}

/// A message of the Notification Service that it gave up.
#[derive(Debug, Clone, PartialEq)]
pub struct RetriesExhausted {
    /// The order, where it says so.
    pub order_id: Option<OrderId>,
    /// The type of the notification, where it says so.
    pub notification_type: Option<NotificationType>,
    /// How often it was tried.
    pub retry_count: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentWire {
    notification_id: NotificationId,
    order_id: OrderId,
    #[serde(rename = "type")]
    notification_type: NotificationType,
    channels: Vec<Channel>,
    sent_at: Timestamp,
    delivery_status: Option<ForeignText>,
    message_id: Option<ForeignText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailedWire {
    notification_id: NotificationId,
    order_id: OrderId,
    #[serde(rename = "type")]
    notification_type: NotificationType,
    channels: Vec<Channel>,
    failed_at: Timestamp,
    error_code: ForeignText,
    error_message: ForeignText,
    #[serde(default)]
    retry_count: u32,
    will_retry: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExhaustedWire {
    order_id: Option<OrderId>,
    #[serde(rename = "type")]
    notification_type: Option<NotificationType>,
    #[serde(default)]
    retry_count: u32,
}

impl NotificationFact {
    /// The order that it is about.
    pub fn order_id(&self) -> Option<&OrderId> {
        match self {
            Self::Report(report) => Some(&report.order_id),
            Self::RetriesExhausted(exhausted) => exhausted.order_id.as_ref(),
        }
    }

    pub(super) fn sent(text: &str) -> Result<Self, Dead> {
        let wire: SentWire = payload(InboundEvent::NotificationSent, text)?;
        let (message_id, delivery_status) = (wire.message_id, wire.delivery_status);
        Self::report(NotificationReport {
            notification_id: wire.notification_id,
            order_id: wire.order_id,
            notification_type: wire.notification_type,
            channels: wire.channels,
            delivery: Latest::new(Some(wire.sent_at), 3, Delivery::Sent { message_id, delivery_status }),
        })
    }

    pub(super) fn failed(text: &str) -> Result<Self, Dead> {
        let wire: FailedWire = payload(InboundEvent::NotificationFailed, text)?;
        let failure = Failure {
            error_code: wire.error_code,
            error_message: wire.error_message,
            retry_count: wire.retry_count,
            will_retry: wire.will_retry,
        };
        let rank = if failure.will_retry { 1 } else { 2 };
        Self::report(NotificationReport {
            notification_id: wire.notification_id,
            order_id: wire.order_id,
            notification_type: wire.notification_type,
            channels: wire.channels,
            delivery: Latest::new(Some(wire.failed_at), rank, Delivery::Failed(failure)),
        })
    }

    pub(super) fn retries_exhausted(text: &str) -> Result<Self, Dead> {
        let wire: ExhaustedWire = payload(InboundEvent::NotificationRetriesExhausted, text)?;
        let ExhaustedWire { order_id, notification_type, retry_count } = wire;
        Ok(Self::RetriesExhausted(RetriesExhausted { order_id, notification_type, retry_count }))
    }

    fn report(report: NotificationReport) -> Result<Self, Dead> {
        if report.channels.is_empty() || report.channels.len() > CHANNELS_MAX {
            return Err(invalid(format!("the report has no channels, or more than {CHANNELS_MAX}")));
        }
        Ok(Self::Report(report))
    }
}

impl RetriesExhausted {
    /// It becomes a dead letter, as it is.
    pub fn reaction(&self) -> Reaction<ChannelChanges> {
        let detail = format!("the Notification Service gave up after {} retries", self.retry_count);
        Reaction::Dead(Dead::new(DeadReason::MaxRetriesExceeded, detail))
    }
}

/// What is known of one channel of a notification. The service keeps one for each (notification, channel).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelState {
    /// The newest report.
    pub latest: Latest<Delivery>,
    /// The newest failure for good, also where something newer is known: reviews and the other channel depend on whether
    /// there is one, so that they do not depend on the order in which reports come.
    pub failed_for_good: Option<Latest<Failure>>,
}

impl ChannelState {
    /// Of a channel that was asked for. Older than any report, whatever the clocks of the services say.
    pub fn requested() -> Self {
        Self { latest: Latest::new(None, 0, Delivery::Requested), failed_for_good: None }
    }

    /// Keeps the newer of what is known and `delivery`.
    fn hear(&mut self, delivery: Latest<Delivery>) -> Heard {
        if let Delivery::Failed(failure) = &delivery.value
            && !failure.will_retry
        {
            Latest::hear_first(&mut self.failed_for_good, Latest::new(delivery.at, delivery.rank, failure.clone()));
        }
        self.latest.hear(delivery)
    }

    /// The review that it asks for: where it failed for good, and the type is critical or the contact is wrong.
    pub fn review(&self, id: &NotificationId, kind: &NotificationType, channel: &Channel) -> Option<Review> {
        let failure = &self.failed_for_good.as_ref()?.value;
        let reason = if kind.is_critical() {
            ReviewReason::NotificationFailure
        } else if failure.is_contact_error() {
            ReviewReason::ContactInfo
        } else {
            return None;
        };
        let message = format!("Failed to send {kind} notification: {}", failure.error_message);
        Some(Review { reason, subject: format!("{id} {channel}"), message })
    }
}

/// The channels of a notification.
pub type Channels = BTreeMap<Channel, ChannelState>;

/// What became of a notification, or of all notifications of a type: sent if any channel is, failed if some failed for good
/// and none is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationStatus {
    /// It was asked for, and may still get through.
    Requested,
    /// It got through.
    Sent,
    /// It did not.
    Failed,
}

impl NotificationStatus {
    /// Of these channels.
    pub fn of<'a>(channels: impl IntoIterator<Item = &'a ChannelState>) -> Self {
        let mut status = Self::Requested;
        for channel in channels {
            match &channel.latest.value {
                Delivery::Sent { .. } => return Self::Sent,
                Delivery::Failed(failure) if !failure.will_retry => status = Self::Failed,
                Delivery::Failed(_) | Delivery::Requested => {}
            }
        }
        status
    }
}

/// The request that a report answers, as the service has stored it.
#[derive(Debug, Clone, Copy)]
pub struct Requested<'a> {
    /// What was asked for.
    pub event: &'a NotificationSendRequestedEvent,
    /// Whether it already was the other channel of another request. There is no third one.
    pub is_fallback: bool,
}

/// What a report changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelChanges {
    /// The states to write.
    pub channels: Channels,
    /// The request for the other channel, to be appended in the same transaction; with a notification of its own, whose id
    /// and channels are in it.
    pub fallback: Option<Event>,
}

impl NotificationReport {
    /// What to do with the report of a notification. `known` has the channels that are known; `requested` is absent where the
    /// order service did not ask for the notification.
    pub fn reaction(
        &self,
        known: &Channels,
        requested: Option<Requested<'_>>,
        context: &Context,
    ) -> Reaction<ChannelChanges> {
        let mut changed = Channels::new();
        let mut all = known.clone();
        let mut is_known = true;
        for channel in &self.channels {
            let before = known.get(channel);
            let mut state = before.cloned().unwrap_or_else(ChannelState::requested);
            is_known &= state.hear(self.delivery.clone()) == Heard::Again;
            if before != Some(&state) {
                all.insert(channel.clone(), state.clone());
                changed.insert(channel.clone(), state);
            }
        }
        if changed.is_empty() {
            return if is_known { Reaction::Known } else { Reaction::Stale };
        }
        let reviews: Vec<Review> = changed
            .iter()
            .filter_map(|(channel, state)| state.review(&self.notification_id, &self.notification_type, channel))
            .collect();
        let fallback = requested.and_then(|requested| fallback(requested, known, &all, context));
        let change = ChannelChanges { channels: changed, fallback };
        if reviews.is_empty() { Reaction::Applied(change) } else { Reaction::Review { reviews, change: Some(change) } }
    }
}

/// The other channel is asked for once: when the last of the channels that were asked for has failed for good. That depends
/// on failures alone, so a report of success that contradicts one and comes earlier or later changes nothing.
fn fallback(requested: Requested<'_>, before: &Channels, after: &Channels, context: &Context) -> Option<Event> {
    let all_failed = |states: &Channels| {
        requested
            .event
            .channels
            .iter()
            .all(|channel| states.get(channel).is_some_and(|state| state.failed_for_good.is_some()))
    };
    if requested.is_fallback || all_failed(before) || !all_failed(after) {
        return None;
    }
    notification::fallback(requested.event, context)
}

/// What a person has to be told at once when a message about a critical notification is given up: the fields of the alert
/// `NOTIFICATION_FAILURE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationAlert {
    /// The order, where the message says so.
    pub order_id: Option<OrderId>,
    /// The type of the notification.
    pub notification_type: NotificationType,
    /// How often it was tried again.
    pub retry_count: u32,
}

/// The alert that a dead letter raises: its key, its body, and how often it was tried again here. None where it is about no
/// critical notification, or cannot be read.
pub fn alert(properties: &super::Properties, body: &[u8], retries: u32) -> Option<NotificationAlert> {
    let message = super::read(properties, body, super::BODY_BYTES_MAX).ok()?;
    let super::Fact::Notification(fact) = message.fact else { return None };
    let (order_id, notification_type, retry_count) = match fact {
        NotificationFact::Report(report) => (Some(report.order_id), report.notification_type, retries),
        NotificationFact::RetriesExhausted(it) => (it.order_id, it.notification_type?, it.retry_count),
    };
    let is_critical = notification_type.is_critical();
    is_critical.then_some(NotificationAlert { order_id, notification_type, retry_count })
}
