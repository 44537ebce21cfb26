//! What the Payment Service tells. No document shows these events, so what says which payment or refund is meant has to be
//! there, and the rest may be absent. What they do is the order's own matter: [`Order::hear`](crate::Order::hear).

use serde::Deserialize;

use super::InboundEvent;
use super::message::payload;
use super::reaction::Dead;
use crate::order::OrderFact;
use crate::value::amount::Amount;
use crate::value::currency::Currency;
use crate::value::id::{OrderId, PaymentId, RefundId};
use crate::value::text::ForeignText;

/// What the Payment Service tells of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentFact {
    /// The order.
    pub order_id: OrderId,
    /// What is told.
    pub fact: OrderFact,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PaymentWire {
    order_id: OrderId,
    payment_id: PaymentId,
    amount: Option<Amount>,
    currency: Option<Currency>,
    reason: Option<ForeignText>,
    error_message: Option<ForeignText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundWire {
    order_id: OrderId,
    refund_id: RefundId,
    amount: Option<Amount>,
    refund_amount: Option<Amount>,
    currency: Option<Currency>,
}

impl PaymentFact {
    pub(super) fn initiated(text: &str) -> Result<Self, Dead> {
        let wire: PaymentWire = payload(InboundEvent::PaymentProcessingInitiated, text)?;
        Ok(Self { order_id: wire.order_id, fact: OrderFact::PaymentInitiated { payment_id: wire.payment_id } })
    }

    pub(super) fn completed(text: &str) -> Result<Self, Dead> {
        let PaymentWire { order_id, payment_id, amount, currency, .. } = payload(InboundEvent::PaymentCompleted, text)?;
        Ok(Self { order_id, fact: OrderFact::PaymentCompleted { payment_id, amount, currency } })
    }

    pub(super) fn failed(text: &str) -> Result<Self, Dead> {
        let wire: PaymentWire = payload(InboundEvent::PaymentFailed, text)?;
        let reason = wire.reason.or(wire.error_message).unwrap_or_else(|| ForeignText::new("no reason was given"));
        Ok(Self { order_id: wire.order_id, fact: OrderFact::PaymentFailed { payment_id: wire.payment_id, reason } })
    }

    pub(super) fn refund_initiated(text: &str) -> Result<Self, Dead> {
        let wire: RefundWire = payload(InboundEvent::RefundInitiated, text)?;
        let amount = wire.refund_amount.or(wire.amount);
        let fact = OrderFact::RefundInitiated { refund_id: wire.refund_id, amount, currency: wire.currency };
        Ok(Self { order_id: wire.order_id, fact })
    }

    pub(super) fn refund_processed(text: &str) -> Result<Self, Dead> {
        let wire: RefundWire = payload(InboundEvent::RefundProcessed, text)?;
        let amount = wire.refund_amount.or(wire.amount);
        let fact = OrderFact::RefundProcessed { refund_id: wire.refund_id, amount, currency: wire.currency };
        Ok(Self { order_id: wire.order_id, fact })
    }
}
