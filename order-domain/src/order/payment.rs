//! Paying for an order. The order service starts the payment; the Payment Service says what became of it.

use super::draft::{Decision, Draft};
use super::{ConfirmationTrigger, Order, Status};
use crate::event::{
    OrderConfirmedEvent, OrderPaymentCompletedEvent, OrderPaymentFailedEvent, OrderPaymentProcessingInitiatedEvent,
    Payload, about,
};
use crate::notification;
use crate::value::amount::Amount;
use crate::value::id::PaymentId;
use crate::value::text::{TEXT_BYTES_MAX, check};
use crate::{Context, Refusal};

impl Order {
    /// A payment was started.
    pub fn start_payment(&self, payment_id: PaymentId, context: &Context) -> Result<Decision, Refusal> {
        self.require(&[Status::PendingPayment], "start a payment")?;
        let mut draft = Draft::of(self, context);
        draft.order.payment_id = Some(payment_id.clone());
        let payload = about!(draft.order, OrderPaymentProcessingInitiatedEvent with customer {
            payment_id: payment_id,
            amount: self.totals.total,
            currency: self.currency,
            initiated_at: context.occurred_at,
        });
        draft.emit(Payload::OrderPaymentProcessingInitiated(payload));
        Ok(draft.done())
    }

    /// The payment was completed; `amount` is what was paid, which has to be the total.
    pub fn complete_payment(
        &self,
        payment_id: PaymentId,
        amount: Amount,
        context: &Context,
    ) -> Result<Decision, Refusal> {
        let mut draft = Draft::of(self, context);
        draft.move_to(Status::Confirmed, "be paid", None)?;
        if amount != self.totals.total {
            return Err(Refusal::PaymentMismatch { paid: amount, total: self.totals.total });
        }
        draft.order.paid = true;
        draft.order.payment_id = Some(payment_id.clone());
        let payload = about!(draft.order, OrderPaymentCompletedEvent with customer {
            payment_id: payment_id,
            amount: self.totals.total,
            currency: self.currency,
            paid_at: context.occurred_at,
        });
        draft.emit(Payload::OrderPaymentCompleted(payload));
        draft.emit(draft.order.confirmed(context));
        if self.confirmation == ConfirmationTrigger::Paid {
            draft.push(notification::order_confirmation(&draft.order, &draft.order.customer, context));
        }
        Ok(draft.done())
    }

    /// The payment failed.
    pub fn fail_payment(&self, payment_id: PaymentId, reason: &str, context: &Context) -> Result<Decision, Refusal> {
        check("reason", reason, TEXT_BYTES_MAX)?;
        let mut draft = Draft::of(self, context);
        draft.move_to(Status::PaymentFailed, "fail to be paid", Some(reason))?;
        draft.order.payment_id = Some(payment_id.clone());
        let payload = about!(draft.order, OrderPaymentFailedEvent with customer {
            payment_id: payment_id,
            amount: self.totals.total,
            currency: self.currency,
            reason: reason.to_owned(),
            failed_at: context.occurred_at,
        });
        draft.emit(Payload::OrderPaymentFailed(payload));
        Ok(draft.done())
    }

    /// The customer wants to try another payment.
    pub fn retry_payment(&self, context: &Context) -> Result<Decision, Refusal> {
        let mut draft = Draft::of(self, context);
        draft.move_to(Status::PendingPayment, "await another payment", None)?;
        Ok(draft.done())
    }

    /// What Inventory is told once nothing more is to be paid.
    pub(super) fn confirmed(&self, context: &Context) -> Payload {
        Payload::OrderConfirmed(about!(
            self,
            OrderConfirmedEvent {
                total_amount: self.totals.total,
                currency: self.currency,
                confirmed_at: context.occurred_at,
            }
        ))
    }
}
