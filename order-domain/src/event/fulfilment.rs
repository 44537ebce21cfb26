//! Events about goods that move: shipped, delayed, delivered, coming back.

use super::parts::{OrderPart, ShippingAddress};
use super::shape::order_event;
use crate::value::id::{ReturnId, ShipmentId};
use crate::value::timestamp::Timestamp;

order_event! {
    /// The order, or a part of it, has left.
    OrderShippedEvent with customer {
        /// The shipment.
        shipment_id: ShipmentId,
        /// Whether some of the order is still to be shipped.
        partial: bool,
        /// The pieces in this shipment.
        shipped_items: Vec<OrderPart>,
        /// Who carries it.
        carrier: String,
        /// By what number the carrier knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracking_number: Option<String>,
        /// Where the customer can follow it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracking_url: Option<String>,
        /// When it should arrive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estimated_delivery: Option<Timestamp>,
        /// Where it goes.
        shipping_address: ShippingAddress,
        /// When it left.
        shipped_at: Timestamp,
    }
}

order_event! {
    /// The order, or a part of it, has arrived.
    OrderDeliveredEvent with customer {
        /// Whether some of the order has still to arrive.
        partial: bool,
        /// The pieces that arrived.
        delivered_items: Vec<OrderPart>,
        /// When they arrived.
        delivered_at: Timestamp,
    }
}

order_event! {
    /// The carrier is late.
    OrderDeliveryDelayedEvent with customer {
        /// Why.
        reason: String,
        /// When it should arrive now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estimated_delivery: Option<Timestamp>,
        /// When that became known.
        delayed_at: Timestamp,
    }
}

order_event! {
    /// The customer wants to send something back: Inventory prepares for it. Tells no more about the customer than the
    /// account.
    OrderReturnInitiatedEvent {
        /// The return.
        return_id: ReturnId,
        /// The pieces that come back.
        return_items: Vec<OrderPart>,
        /// Why.
        reason: String,
        /// When it was asked for.
        initiated_at: Timestamp,
    }
}

order_event! {
    /// The return was approved.
    OrderReturnApprovedEvent with customer {
        /// The return.
        return_id: ReturnId,
        /// The pieces that may come back.
        return_items: Vec<OrderPart>,
        /// When it was approved.
        approved_at: Timestamp,
    }
}
