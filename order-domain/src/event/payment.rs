//! Events about paying and giving back.

use serde::{Deserialize, Serialize};

use super::parts::OrderPart;
use super::shape::order_event;
use crate::value::amount::Amount;
use crate::value::currency::Currency;
use crate::value::id::{PaymentId, RefundId};
use crate::value::timestamp::Timestamp;

/// Who asked for a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundRequester {
    /// The customer, or somebody for the customer.
    User,
    /// The order service, after a cancellation.
    System,
}

order_event! {
    /// The order service has started a payment.
    OrderPaymentProcessingInitiatedEvent with customer {
        /// The payment.
        payment_id: PaymentId,
        /// What is to be paid.
        amount: Amount,
        /// Its currency.
        currency: Currency,
        /// When it was started.
        initiated_at: Timestamp,
    }
}

order_event! {
    /// The Payment Service has confirmed the payment.
    OrderPaymentCompletedEvent with customer {
        /// The payment.
        payment_id: PaymentId,
        /// What was paid.
        amount: Amount,
        /// Its currency.
        currency: Currency,
        /// When it was confirmed.
        paid_at: Timestamp,
    }
}

order_event! {
    /// The Payment Service has reported that the payment failed.
    OrderPaymentFailedEvent with customer {
        /// The payment.
        payment_id: PaymentId,
        /// What was to be paid.
        amount: Amount,
        /// Its currency.
        currency: Currency,
        /// Why, as the Payment Service said.
        reason: String,
        /// When it failed.
        failed_at: Timestamp,
    }
}

order_event! {
    /// A refund was asked for, of the order or of a part of it.
    OrderRefundRequestedEvent with customer {
        /// The refund.
        refund_id: RefundId,
        /// What is to be given back.
        refund_amount: Amount,
        /// Its currency.
        currency: Currency,
        /// Whether some of the payment stays after this refund and all before it.
        partial: bool,
        /// The pieces it is for; none where it is for no piece in particular.
        refund_items: Vec<OrderPart>,
        /// Why.
        reason: String,
        /// Who asked.
        requested_by: RefundRequester,
        /// When it was asked for.
        requested_at: Timestamp,
    }
}

order_event! {
    /// The Payment Service is giving money back.
    OrderRefundInitiatedEvent with customer {
        /// The refund.
        refund_id: RefundId,
        /// What is being given back.
        refund_amount: Amount,
        /// Its currency.
        currency: Currency,
        /// Whether some of the payment stays after all refunds that were asked for.
        partial: bool,
        /// The pieces it is for; none where it is for no piece in particular.
        refund_items: Vec<OrderPart>,
        /// When it was started.
        initiated_at: Timestamp,
    }
}

order_event! {
    /// The Payment Service has given money back. `order.refund_completed` for Notification.
    OrderRefundProcessedEvent with customer {
        /// The refund.
        refund_id: RefundId,
        /// What was given back.
        refund_amount: Amount,
        /// Its currency.
        currency: Currency,
        /// Whether some of the payment stays after all refunds that were asked for.
        partial: bool,
        /// The pieces it is for; none where it is for no piece in particular.
        refund_items: Vec<OrderPart>,
        /// When it was confirmed.
        processed_at: Timestamp,
    }
}
