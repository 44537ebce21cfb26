//! Paying for an order. The order service starts a payment; what becomes of it counts for that payment alone.

use serde::{Deserialize, Serialize};

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

const PAYMENTS_MAX: usize = 1000;

/// A payment that was started for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Names it.
    pub payment_id: PaymentId,
    /// What became of it.
    pub state: PaymentState,
}

/// What became of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentState {
    /// Nothing yet.
    Started,
    /// It failed.
    Failed,
    /// The money was taken.
    Completed,
}

impl Order {
    /// A payment was started. It is the one that runs from now on, whatever ran before.
    pub fn start_payment(&self, payment_id: PaymentId, context: &Context) -> Result<Decision, Refusal> {
        self.require(&[Status::PendingPayment], "start a payment")?;
        if self.payment(&payment_id).is_some() {
            return Err(Refusal::DuplicatePayment { payment_id });
        }
        if self.payments.len() >= PAYMENTS_MAX {
            return Err(Refusal::TooMany { what: "payments of an order", count_max: PAYMENTS_MAX });
        }
        let mut draft = Draft::of(self, context);
        draft.order.payments.push(Payment { payment_id: payment_id.clone(), state: PaymentState::Started });
        let payload = about!(draft.order, OrderPaymentProcessingInitiatedEvent with customer {
            payment_id: payment_id,
            amount: self.totals.total,
            currency: self.currency,
            initiated_at: context.occurred_at,
        });
        draft.emit(Payload::OrderPaymentProcessingInitiated(payload));
        Ok(draft.done())
    }

    /// The payment that runs was completed; `amount` is what was paid, which has to be the total.
    pub fn complete_payment(
        &self,
        payment_id: PaymentId,
        amount: Amount,
        context: &Context,
    ) -> Result<Decision, Refusal> {
        self.require(&[Status::PendingPayment], "be paid")?;
        self.require_running(&payment_id)?;
        if amount != self.totals.total {
            return Err(Refusal::PaymentMismatch { paid: amount, total: self.totals.total });
        }
        self.confirm(&payment_id, context)
    }

    /// The order is paid by `payment_id`, which was started.
    pub(super) fn confirm(&self, payment_id: &PaymentId, context: &Context) -> Result<Decision, Refusal> {
        let mut draft = Draft::of(self, context);
        draft.move_to(Status::Confirmed, "be paid", None)?;
        draft.order.set_completed(payment_id);
        let payload = about!(draft.order, OrderPaymentCompletedEvent with customer {
            payment_id: payment_id.clone(),
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

    /// The payment that runs failed.
    pub fn fail_payment(&self, payment_id: PaymentId, reason: &str, context: &Context) -> Result<Decision, Refusal> {
        check("reason", reason, TEXT_BYTES_MAX)?;
        self.require(&[Status::PendingPayment], "fail to be paid")?;
        self.require_running(&payment_id)?;
        let mut draft = Draft::of(self, context);
        draft.move_to(Status::PaymentFailed, "fail to be paid", Some(reason))?;
        draft.order.set_payment(&payment_id, PaymentState::Failed);
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

    /// A payment of the order by its id.
    pub(super) fn payment(&self, payment_id: &PaymentId) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.payment_id == *payment_id)
    }

    /// Whether `payment_id` is the payment that was started last.
    pub(super) fn is_latest_payment(&self, payment_id: &PaymentId) -> bool {
        self.payment_id() == Some(payment_id)
    }

    fn require_running(&self, payment_id: &PaymentId) -> Result<(), Refusal> {
        let is_running = self.payment(payment_id).is_some_and(|payment| payment.state == PaymentState::Started)
            && self.is_latest_payment(payment_id);
        if is_running { Ok(()) } else { Err(Refusal::PaymentNotRunning { payment_id: payment_id.clone() }) }
    }

    /// The money of a payment was taken.
    pub(super) fn set_completed(&mut self, payment_id: &PaymentId) {
        self.set_payment(payment_id, PaymentState::Completed);
        self.paid = true;
    }

    fn set_payment(&mut self, payment_id: &PaymentId, state: PaymentState) {
        let payment = self.payments.iter_mut().find(|payment| payment.payment_id == *payment_id);
        payment.expect("the payment was looked up before").state = state;
    }
}
