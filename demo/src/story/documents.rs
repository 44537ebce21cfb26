//! What each consumer's document says: which routing keys it binds, in which envelope the events come, and which fields
//! its service reads from each. Nothing here is taken from the relay or from `order-domain`, which both have to fit.
//!
//! Used by `consumer` and `outcome`.

use crate::story::envelopes::Envelope;

/// One service that is told.
pub struct Document {
    pub service: &'static str,
    pub envelope: Envelope,
    pub bindings: &'static [Binding],
}

/// One key that a service binds.
pub struct Binding {
    pub routing_key: &'static str,
    /// What the envelope calls the event.
    pub wire_type: &'static str,
    /// What the outbox calls the events that come with this key.
    pub event_types: &'static [&'static str],
    /// JSON pointers into the payload that the service reads, and that are never absent.
    pub reads: &'static [&'static str],
}

const fn by(
    routing_key: &'static str,
    wire_type: &'static str,
    event_types: &'static [&'static str],
    reads: &'static [&'static str],
) -> Binding {
    Binding { routing_key, wire_type, event_types, reads }
}

/// Where an event has one name for all of that.
const fn named(name: &'static str, event_types: &'static [&'static str], reads: &'static [&'static str]) -> Binding {
    by(name, name, event_types, reads)
}

const CONFIRMATION: &str = "order.confirmation_notification_requested";
const REQUEST: &[&str] = &[
    "/eventType",
    "/notificationId",
    "/orderId",
    "/type",
    "/channels/0",
    "/priority",
    "/recipient/userId",
    "/recipient/email",
    "/recipient/preferredLanguage",
    "/recipient/preferredChannel",
    "/templateData",
    "/idempotencyKey",
    "/timestamp",
];
const ORDER: &[&str] = &["/orderId", "/customerDetails/name", "/customerDetails/email"];

/// Seed 000, sections 2.2 and 3.1.
#[rustfmt::skip]
static NOTIFICATION: [Binding; 10] = [
    named("order.created", &["order.created"], ORDER),
    named("order.updated", &["order.updated"], ORDER),
    named("order.cancelled", &["order.cancelled"], ORDER),
    named("order.shipped", &["order.shipped"], ORDER),
    named("order.delivered", &["order.delivered"], ORDER),
    named("order.delivery_delayed", &["order.delivery_delayed"], ORDER),
    named("order.return_approved", &["order.return_approved"], ORDER),
    named("order.refund_initiated", &["order.refund_initiated"], ORDER),
    named("order.refund_completed", &["order.refund_completed"], ORDER),
    named("notification.send_requested", &["notification.send_requested", CONFIRMATION], REQUEST),
];

/// Seed 004, sections 2.2, 4.2, 4.4 and 4.5. The requests for details are bound and never come: no client asks for them.
#[rustfmt::skip]
static PRODUCT: [Binding; 3] = [
    named("order.created", &["order.created"],
        &["/orderId", "/userId", "/items/0/productId", "/items/0/variantId", "/items/0/quantity", "/items/0/unitPrice",
          "/totalAmount", "/timestamp"]),
    named("product.details_requested", &["product.details_requested"], &["/productId", "/requestId", "/callbackEvent"]),
    named("product.batch_details_requested", &["product.batch_details_requested"], &["/productIds/0", "/requestId"]),
];

/// Seed 001, "Events Consumed by Inventory Service".
#[rustfmt::skip]
static INVENTORY: [Binding; 4] = [
    by("order.ordercreated.order", "OrderCreated", &["order.created_for_inventory"],
        &["/orderId", "/requiresPreAllocation", "/items/0/orderItemId", "/items/0/inventoryItemId", "/items/0/quantity"]),
    by("order.orderconfirmed.order", "OrderConfirmed", &["order.confirmed"], &["/orderId", "/items/0/orderItemId"]),
    by("order.ordercancelled.order", "OrderCancelled", &["order.cancelled_for_inventory"], &["/orderId", "/items/0/orderItemId"]),
    by("order.orderreturninitiated.order", "OrderReturnInitiated", &["order.return_initiated"], &["/orderId", "/returnItems/0/orderItemId"]),
];

/// Seed 003, the table of event types; the two keys of its diagram are left out, which would only bring copies.
#[rustfmt::skip]
static PLATFORM: [Binding; 13] = [
    named("OrderCreatedEvent", &["order.created"],
        &["/orderId", "/userId", "/orderDate", "/status", "/totalAmount", "/currency", "/itemCount", "/customerDetails/name",
          "/customerDetails/email", "/shippingAddress/street", "/shippingAddress/city", "/shippingAddress/postalCode",
          "/shippingAddress/country", "/items/0/productId", "/items/0/quantity", "/items/0/unitPrice"]),
    named("OrderUpdatedEvent", &["order.updated"], &["/orderId"]),
    named("OrderStatusChangedEvent", &["order.status_changed"], &["/orderId", "/status"]),
    named("OrderCancelledEvent", &["order.cancelled"], &["/orderId"]),
    named("OrderPaymentCompletedEvent", &["order.payment_completed"], &["/orderId"]),
    named("OrderPaymentFailedEvent", &["order.payment_failed"], &["/orderId"]),
    named("OrderRefundRequestedEvent", &["order.refund_requested"], &["/orderId"]),
    named("OrderRefundProcessedEvent", &["order.refund_completed"], &["/orderId"]),
    named("OrderShippedEvent", &["order.shipped"], &["/orderId"]),
    named("OrderDeliveredEvent", &["order.delivered"], &["/orderId"]),
    named("OrderPaymentProcessingInitiatedEvent", &["order.payment_processing_initiated"], &["/orderId"]),
    named("OrderConfirmationNotificationRequestedEvent", &[CONFIRMATION], &["/orderId"]),
    named("OrderPlacedForAnalyticsEvent", &["order.placed_for_analytics"], &["/orderId"]),
];

pub static ALL: [Document; 4] = [
    Document { service: "notification", envelope: Envelope::Domain, bindings: &NOTIFICATION },
    Document { service: "product", envelope: Envelope::Domain, bindings: &PRODUCT },
    Document { service: "inventory", envelope: Envelope::Aggregate, bindings: &INVENTORY },
    Document { service: "platform", envelope: Envelope::Standard, bindings: &PLATFORM },
];

/// The services, for a sentence.
pub fn names() -> String {
    ALL.iter().map(|document| document.service).collect::<Vec<_>>().join(", ")
}

impl Document {
    /// What is bound by that key.
    pub fn binding(&self, routing_key: &str) -> Option<&'static Binding> {
        self.bindings.iter().find(|binding| binding.routing_key == routing_key)
    }

    /// Whether the service is to be told of events of this type.
    pub fn expects(&self, event_type: &str) -> bool {
        self.bindings.iter().any(|binding| binding.event_types.contains(&event_type))
    }
}
