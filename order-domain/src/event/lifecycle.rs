//! Events about the order as a whole: placed, changed, moved on, confirmed, cancelled.

use serde::{Deserialize, Serialize};

use super::parts::{CustomerDetails, OrderLine, ShippingAddress};
use super::shape::order_event;
use crate::order::Status;
use crate::value::amount::Amount;
use crate::value::currency::Currency;
use crate::value::id::{OrderId, OrderNumber, UserId};
use crate::value::timestamp::Timestamp;

/// An order was placed. One payload for three readers: the platform (seed 003), Product (004) and Notification (000).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrderCreatedEvent {
    /// The order.
    pub order_id: OrderId,
    /// Its number, as the customer knows it.
    pub order_number: OrderNumber,
    /// The customer's account.
    pub user_id: UserId,
    /// When it was placed.
    pub order_date: Timestamp,
    /// `PENDING_PAYMENT`, or `CONFIRMED` where there is nothing to pay.
    pub status: Status,
    /// What the customer pays: items, tax and shipping.
    pub total_amount: Amount,
    /// Of every amount of the order.
    pub currency: Currency,
    /// How many lines it has; not how many pieces.
    pub item_count: u32,
    /// What the items cost.
    pub subtotal: Amount,
    /// Tax.
    pub tax: Amount,
    /// Shipping.
    pub shipping: Amount,
    /// Whether Inventory shall allocate on this event. False where the order service has reserved by itself.
    pub requires_pre_allocation: bool,
    /// How the customer is addressed and reached.
    pub customer_details: CustomerDetails,
    /// Where it goes.
    pub shipping_address: ShippingAddress,
    /// Every line.
    pub items: Vec<OrderLine>,
    /// The key of the order's confirmation, whichever event asks for it: a Notification Service that sends one for this
    /// event and gets `notification.send_requested` as well sends one.
    pub idempotency_key: String,
    /// The same as `orderDate`, by the name that Product reads.
    pub timestamp: Timestamp,
}

/// A detail that an update changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ChangedField {
    /// Where it goes.
    ShippingAddress,
    /// How the customer is addressed and reached.
    CustomerDetails,
}

order_event! {
    /// Details of an order were changed before it was processed.
    OrderUpdatedEvent with customer {
        /// Which details.
        changes: Vec<ChangedField>,
        /// Where the order goes now.
        shipping_address: ShippingAddress,
        /// When it was changed.
        updated_at: Timestamp,
    }
}

order_event! {
    /// The order's status changed. Comes first of the events of its transaction.
    OrderStatusChangedEvent with customer {
        /// The status before.
        previous_status: Status,
        /// The status after; the same as `status`.
        new_status: Status,
        /// Why, where somebody said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// When it changed.
        changed_at: Timestamp,
    }
}

order_event! {
    /// The order is paid, or there is nothing to pay: Inventory confirms what it has allocated. Tells no more about the
    /// customer than the account.
    OrderConfirmedEvent {
        /// What was paid.
        total_amount: Amount,
        /// Of every amount of the order.
        currency: Currency,
        /// When it was confirmed.
        confirmed_at: Timestamp,
    }
}

order_event! {
    /// The order was cancelled: the customer is told.
    OrderCancelledEvent with customer {
        /// The status before.
        previous_status: Status,
        /// Why.
        reason: String,
        /// Whether a refund was requested along with it.
        refund_requested: bool,
        /// When it was cancelled.
        cancelled_at: Timestamp,
    }
}

order_event! {
    /// An order was placed, for analytics: nothing personal beyond the account's id.
    OrderPlacedForAnalyticsEvent {
        /// When it was placed.
        order_date: Timestamp,
        /// What the customer pays.
        total_amount: Amount,
        /// Of every amount of the order.
        currency: Currency,
        /// How many lines it has; not how many pieces.
        item_count: u32,
        /// What the items cost.
        subtotal: Amount,
        /// Tax.
        tax: Amount,
        /// Shipping.
        shipping: Amount,
    }
}
