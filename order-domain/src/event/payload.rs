//! One payload of any event. The only place that ties a Rust type to an [`EventType`].

use serde_json::Error;

use super::EventType;
use super::fulfilment::*;
use super::inventory::*;
use super::lifecycle::*;
use super::notification::*;
use super::payment::*;
use super::product::*;

macro_rules! payloads {
    ($($variant:ident($type:ty)),+ $(,)?) => {
        /// The payload of an event: one variant for each [`EventType`], of the same name.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each payload is documented at its type")]
        pub enum Payload { $($variant($type)),+ }

        impl Payload {
            /// Of which type the event is.
            pub fn event_type(&self) -> EventType {
                match self { $(Self::$variant(_) => EventType::$variant),+ }
            }

            /// Reads the JSON text of a payload. Fields that are not known are passed over, as a later minor version of
            /// an event may have more of them.
            pub fn from_json(event_type: EventType, text: &str) -> Result<Self, Error> {
                match event_type { $(EventType::$variant => serde_json::from_str(text).map(Self::$variant)),+ }
            }

            /// The JSON text that goes into the outbox and from there, unread, to the consumers.
            pub fn to_json(&self) -> String {
                let text = match self { $(Self::$variant(payload) => serde_json::to_string(payload)),+ };
                text.expect("payloads have text keys, and numbers that were checked when they were made")
            }
        }

        /// The JSON Schema of an event's payload.
        #[cfg(feature = "schema")]
        pub(crate) fn schema_of(event_type: EventType, generator: schemars::SchemaGenerator) -> schemars::Schema {
            match event_type { $(EventType::$variant => generator.into_root_schema_for::<$type>()),+ }
        }
    };
}

payloads! {
    OrderCreated(OrderCreatedEvent),
    OrderCreatedForInventory(OrderCreatedForInventoryEvent),
    OrderUpdated(OrderUpdatedEvent),
    OrderStatusChanged(OrderStatusChangedEvent),
    OrderConfirmed(OrderConfirmedEvent),
    OrderCancelled(OrderCancelledEvent),
    OrderCancelledForInventory(OrderCancelledForInventoryEvent),
    OrderPaymentProcessingInitiated(OrderPaymentProcessingInitiatedEvent),
    OrderPaymentCompleted(OrderPaymentCompletedEvent),
    OrderPaymentFailed(OrderPaymentFailedEvent),
    OrderShipped(OrderShippedEvent),
    OrderDelivered(OrderDeliveredEvent),
    OrderDeliveryDelayed(OrderDeliveryDelayedEvent),
    OrderReturnInitiated(OrderReturnInitiatedEvent),
    OrderReturnApproved(OrderReturnApprovedEvent),
    OrderRefundRequested(OrderRefundRequestedEvent),
    OrderRefundInitiated(OrderRefundInitiatedEvent),
    OrderRefundProcessed(OrderRefundProcessedEvent),
    NotificationSendRequested(NotificationSendRequestedEvent),
    OrderConfirmationNotificationRequested(OrderConfirmationNotificationRequestedEvent),
    OrderPlacedForAnalytics(OrderPlacedForAnalyticsEvent),
    ProductDetailsRequested(ProductDetailsRequestedEvent),
    ProductBatchDetailsRequested(ProductBatchDetailsRequestedEvent),
}
