//! Every event by every name that the seed documents give it. The routes file of the relay is checked against this table,
//! and incoming types are looked up in it.

use std::fmt;

/// The type of an event: what stands in the outbox's column `event_type`.
///
/// The order service's twenty events. Two more are told to Inventory alone, with what its handlers read and nothing of the
/// customer; and the request for a notification has two types, because seed 003 gives a name of its own to the one for
/// confirmations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each event is documented at its payload")]
pub enum EventType {
    OrderCreated,
    OrderCreatedForInventory,
    OrderUpdated,
    OrderStatusChanged,
    OrderConfirmed,
    OrderCancelled,
    OrderCancelledForInventory,
    OrderPaymentProcessingInitiated,
    OrderPaymentCompleted,
    OrderPaymentFailed,
    OrderShipped,
    OrderDelivered,
    OrderDeliveryDelayed,
    OrderReturnInitiated,
    OrderReturnApproved,
    OrderRefundRequested,
    OrderRefundInitiated,
    OrderRefundProcessed,
    NotificationSendRequested,
    OrderConfirmationNotificationRequested,
    OrderPlacedForAnalytics,
    ProductDetailsRequested,
    ProductBatchDetailsRequested,
}

/// How far a name, and a consumer that binds it, are certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// A seed document names the service that binds it: a message that no queue takes is a fault.
    Sure,
    /// A seed document has the name, and says of no service that it binds it: unroutable messages are ignored.
    Named,
    /// The name follows the pattern of the others, in no seed document: the route may be left out.
    Derived,
}

/// What is known of an event beside its payload.
#[derive(Debug)]
pub struct Entry {
    /// The type.
    pub event_type: EventType,
    /// The canonical name, in the outbox and on routes with the `domain` envelope.
    pub name: &'static str,
    /// What makes the order service send it.
    pub trigger: &'static str,
    /// How certain the canonical name is; absent where nobody is told by it.
    pub domain: Option<Demand>,
    /// `messageType` and routing key of the `standard` envelope.
    pub message_type: Option<(&'static str, Demand)>,
    /// `eventType` of the `aggregate` envelope, which Inventory reads.
    pub aggregate: Option<&'static str>,
}

use Demand::{Derived, Named, Sure};

const fn entry(
    event_type: EventType,
    name: &'static str,
    domain: Demand,
    message_type: Option<(&'static str, Demand)>,
    aggregate: Option<&'static str>,
    trigger: &'static str,
) -> Entry {
    Entry { event_type, name, trigger, domain: Some(domain), message_type, aggregate }
}

/// An event that only Inventory is told.
const fn for_inventory(
    event_type: EventType,
    name: &'static str,
    aggregate: &'static str,
    trigger: &'static str,
) -> Entry {
    Entry { event_type, name, trigger, domain: None, message_type: None, aggregate: Some(aggregate) }
}

/// In the order of [`EventType`].
#[rustfmt::skip]
static ENTRIES: [Entry; 23] = [
    entry(EventType::OrderCreated, "order.created", Sure, Some(("OrderCreatedEvent", Named)), None,
        "An order is placed."),
    for_inventory(EventType::OrderCreatedForInventory, "order.created_for_inventory", "OrderCreated", "An order is placed."),
    entry(EventType::OrderUpdated, "order.updated", Sure, Some(("OrderUpdatedEvent", Named)), None,
        "The shipping address or the customer's details are changed before the order is processed."),
    entry(EventType::OrderStatusChanged, "order.status_changed", Derived, Some(("OrderStatusChangedEvent", Named)), None,
        "Every change of the order's status, before the event that says why."),
    entry(EventType::OrderConfirmed, "order.confirmed", Derived, Some(("OrderConfirmedEvent", Derived)), Some("OrderConfirmed"),
        "The payment is completed, or an order without anything to pay is placed."),
    entry(EventType::OrderCancelled, "order.cancelled", Sure, Some(("OrderCancelledEvent", Named)), None,
        "The order is cancelled before anything has left."),
    for_inventory(EventType::OrderCancelledForInventory, "order.cancelled_for_inventory", "OrderCancelled",
        "The order is cancelled before anything has left."),
    entry(EventType::OrderPaymentProcessingInitiated, "order.payment_processing_initiated", Derived,
        Some(("OrderPaymentProcessingInitiatedEvent", Named)), None, "A payment is started."),
    entry(EventType::OrderPaymentCompleted, "order.payment_completed", Derived, Some(("OrderPaymentCompletedEvent", Named)), None,
        "The Payment Service confirms the payment."),
    entry(EventType::OrderPaymentFailed, "order.payment_failed", Derived, Some(("OrderPaymentFailedEvent", Named)), None,
        "The Payment Service reports that the payment failed."),
    entry(EventType::OrderShipped, "order.shipped", Sure, Some(("OrderShippedEvent", Named)), None,
        "The order, or a part of it, is shipped."),
    entry(EventType::OrderDelivered, "order.delivered", Sure, Some(("OrderDeliveredEvent", Named)), None,
        "The order, or a part of it, is delivered."),
    entry(EventType::OrderDeliveryDelayed, "order.delivery_delayed", Sure, Some(("OrderDeliveryDelayedEvent", Derived)), None,
        "The carrier reports that it is late."),
    entry(EventType::OrderReturnInitiated, "order.return_initiated", Derived, Some(("OrderReturnInitiatedEvent", Derived)),
        Some("OrderReturnInitiated"), "The customer asks to return delivered goods."),
    entry(EventType::OrderReturnApproved, "order.return_approved", Sure, Some(("OrderReturnApprovedEvent", Derived)), None,
        "The return is approved."),
    entry(EventType::OrderRefundRequested, "order.refund_requested", Derived, Some(("OrderRefundRequestedEvent", Named)), None,
        "The customer, or a cancellation, asks for a refund of the order or of a part of it."),
    entry(EventType::OrderRefundInitiated, "order.refund_initiated", Sure, Some(("OrderRefundInitiatedEvent", Derived)), None,
        "The Payment Service starts the refund."),
    entry(EventType::OrderRefundProcessed, "order.refund_completed", Sure, Some(("OrderRefundProcessedEvent", Named)), None,
        "The Payment Service confirms the refund."),
    entry(EventType::NotificationSendRequested, "notification.send_requested", Sure, None, None,
        "The customer is to be told of a cancellation or a shipment, or somebody asks for a notification."),
    entry(EventType::OrderConfirmationNotificationRequested, "order.confirmation_notification_requested", Sure,
        Some(("OrderConfirmationNotificationRequestedEvent", Named)), None,
        "The customer is to be told that the order is placed, or paid."),
    entry(EventType::OrderPlacedForAnalytics, "order.placed_for_analytics", Derived, Some(("OrderPlacedForAnalyticsEvent", Sure)), None,
        "An order is placed."),
    entry(EventType::ProductDetailsRequested, "product.details_requested", Sure, None, None,
        "Details of a product are wanted that no customer is waiting for."),
    entry(EventType::ProductBatchDetailsRequested, "product.batch_details_requested", Sure, None, None,
        "Details of several products are wanted, or the regular refresh of those that are sold."),
];

impl EventType {
    /// Every type.
    pub fn all() -> impl Iterator<Item = Self> {
        ENTRIES.iter().map(|entry| entry.event_type)
    }

    /// What is known of it.
    pub fn entry(self) -> &'static Entry {
        &ENTRIES[self as usize]
    }

    /// The canonical name, such as `order.created`.
    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The version of the payload, `major.minor`. Every event is at its first.
    pub fn version(self) -> &'static str {
        "1.0"
    }

    /// The type with that name on the wire: the canonical name (`order.created`), the message type
    /// (`OrderCreatedEvent`), or that without its end (`OrderCreated`).
    ///
    /// `notification.send_requested` is the general request also where the message asks for a confirmation: their
    /// payloads are of one form.
    pub fn find(name: &str) -> Option<Self> {
        Self::find_public(name).or_else(|| Self::find_aggregate(name))
    }

    /// The type that the `aggregate` envelope calls so. `OrderCreated` is another event there than in the other envelopes.
    pub fn find_aggregate(name: &str) -> Option<Self> {
        ENTRIES.iter().find(|entry| entry.aggregate == Some(name)).map(|entry| entry.event_type)
    }

    fn find_public(name: &str) -> Option<Self> {
        let is_named = |entry: &&Entry| {
            let by_message_type = entry.message_type.is_some_and(|(message_type, _)| {
                message_type == name || message_type.strip_suffix("Event").is_some_and(|short| short == name)
            });
            entry.name == name || by_message_type
        };
        ENTRIES.iter().find(is_named).map(|entry| entry.event_type)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_stands_at_its_place_in_the_table() {
        for (place, entry) in ENTRIES.iter().enumerate() {
            assert_eq!(entry.event_type as usize, place, "{}", entry.name);
        }
    }

    #[test]
    fn no_name_means_two_events_and_every_name_is_found() {
        let mut seen = std::collections::HashSet::new();
        for entry in &ENTRIES {
            let message_type = entry.message_type.map(|(name, _)| name);
            for name in [Some(entry.name), message_type].into_iter().flatten() {
                assert!(seen.insert(name), "{name} stands there twice");
                assert_eq!(EventType::find(name), Some(entry.event_type));
            }
            if let Some(name) = entry.aggregate {
                assert_eq!(EventType::find_aggregate(name), Some(entry.event_type));
                assert!(EventType::find(name).is_some(), "{name}");
            }
        }
        assert_eq!(EventType::find("order.confirmation"), None);
    }

    #[test]
    fn the_thirteen_names_of_the_event_publishing_document_are_there() {
        for name in [
            "OrderCreatedEvent",
            "OrderUpdatedEvent",
            "OrderStatusChangedEvent",
            "OrderCancelledEvent",
            "OrderPaymentCompletedEvent",
            "OrderPaymentFailedEvent",
            "OrderRefundRequestedEvent",
            "OrderRefundProcessedEvent",
            "OrderShippedEvent",
            "OrderDeliveredEvent",
            "OrderPaymentProcessingInitiatedEvent",
            "OrderConfirmationNotificationRequestedEvent",
            "OrderPlacedForAnalyticsEvent",
        ] {
            let entry = EventType::find(name).expect(name).entry();
            assert_ne!(entry.message_type.map(|(_, demand)| demand), Some(Demand::Derived), "{name}");
        }
    }
}
