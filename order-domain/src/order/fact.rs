//! What has happened to an order elsewhere: the money was taken, the parcel arrived. A fact is answered by a [`Reaction`] and
//! never refused: the same fact told again, too late, or about what nobody asked for has its own answer.
//!
//! Promises: any permutation of facts with any copies ends in the same status, payments, refunds and reviews. Money that was
//! taken counts for more than a report that the same payment failed, whichever comes first.

use super::draft::Decision;
use super::payment::PaymentState;
use super::{LineQuantity, Lines, Order, RefundState, Status};
use crate::inbound::{Dead, DeadReason, Reaction};
use crate::review::{Review, ReviewReason};
use crate::value::amount::Amount;
use crate::value::currency::Currency;
use crate::value::id::{PaymentId, RefundId};
use crate::value::quantity::Quantity;
use crate::value::text::ForeignText;
use crate::value::timestamp::Timestamp;
use crate::{Context, Refusal};

/// A fact about an order.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderFact {
    /// The Payment Service is at a payment. Only the order service starts one, so this changes nothing.
    PaymentInitiated {
        /// The payment.
        payment_id: PaymentId,
    },
    /// The money of a payment was taken.
    PaymentCompleted {
        /// The payment.
        payment_id: PaymentId,
        /// What was paid; absent means the total.
        amount: Option<Amount>,
        /// Its currency; absent means the order's.
        currency: Option<Currency>,
    },
    /// A payment failed.
    PaymentFailed {
        /// The payment.
        payment_id: PaymentId,
        /// Why, as the Payment Service said.
        reason: ForeignText,
    },
    /// The Payment Service is giving money back.
    RefundInitiated {
        /// The refund.
        refund_id: RefundId,
        /// How much; absent means what was asked for.
        amount: Option<Amount>,
        /// Its currency; absent means the order's.
        currency: Option<Currency>,
    },
    /// The money was given back.
    RefundProcessed {
        /// The refund.
        refund_id: RefundId,
        /// How much; absent means what was asked for.
        amount: Option<Amount>,
        /// Its currency; absent means the order's.
        currency: Option<Currency>,
    },
    /// Goods arrived.
    Delivered(Lines),
    /// The carrier is late.
    Delayed {
        /// Why.
        reason: ForeignText,
        /// When it should arrive now.
        estimated_delivery: Option<Timestamp>,
    },
}

impl Order {
    /// What to do with a fact. Lock the order before, as for a command.
    pub fn hear(&self, fact: &OrderFact, context: &Context) -> Reaction<Decision> {
        match fact {
            OrderFact::PaymentInitiated { payment_id } => match self.payment(payment_id) {
                Some(_) => Reaction::Known,
                None => Reaction::Stale,
            },
            OrderFact::PaymentCompleted { payment_id, amount, currency } => {
                self.hear_completed(payment_id, self.is_total(*amount, *currency), context)
            }
            OrderFact::PaymentFailed { payment_id, reason } => self.hear_failed(payment_id, reason, context),
            OrderFact::RefundInitiated { refund_id, amount, currency } => {
                self.hear_refund(refund_id, RefundState::Initiated, *amount, *currency, context)
            }
            OrderFact::RefundProcessed { refund_id, amount, currency } => {
                self.hear_refund(refund_id, RefundState::Completed, *amount, *currency, context)
            }
            OrderFact::Delivered(lines) => self.hear_delivered(lines, context),
            OrderFact::Delayed { reason, estimated_delivery } => {
                if self.is_under_way() {
                    applied(self.report_delay(text(reason), *estimated_delivery, context))
                } else {
                    Reaction::Stale
                }
            }
        }
    }

    fn is_total(&self, amount: Option<Amount>, currency: Option<Currency>) -> bool {
        amount.is_none_or(|amount| amount == self.totals.total) && currency.is_none_or(|given| given == self.currency)
    }

    fn hear_completed(&self, payment_id: &PaymentId, is_total: bool, context: &Context) -> Reaction<Decision> {
        if !is_total {
            let message = format!("Payment {payment_id} was completed with another amount than the order's total");
            return Reaction::review(review(format!("{payment_id} amount"), message));
        }
        // One text for every cause: which one it is depends on what else was heard by then.
        let message = format!("Payment {payment_id} was completed, and the order does not wait for it");
        let unexpected = review(payment_id.to_string(), message);
        let Some(payment) = self.payment(payment_id) else { return Reaction::review(unexpected) };
        if payment.state == PaymentState::Completed {
            return Reaction::Known;
        }
        match self.status {
            Status::PendingPayment if self.is_latest_payment(payment_id) => applied(self.confirm(payment_id, context)),
            Status::PaymentFailed if self.is_latest_payment(payment_id) => {
                let again = self.retry_payment(context);
                applied(again.and_then(|awaited| awaited.then(|order| order.confirm(payment_id, context))))
            }
            Status::Cancelled => match self.refund_late_payment(payment_id, context) {
                Ok(decision) => Reaction::Review { reviews: vec![unexpected], change: Some(decision) },
                Err(refusal) => refused(&refusal),
            },
            Status::PendingPayment
            | Status::PaymentFailed
            | Status::Confirmed
            | Status::Processing
            | Status::Shipped
            | Status::Delivered
            | Status::ReturnInitiated
            | Status::ReturnApproved
            | Status::RefundRequested
            | Status::RefundInitiated
            | Status::Refunded => Reaction::review(unexpected),
        }
    }

    fn hear_failed(&self, payment_id: &PaymentId, reason: &ForeignText, context: &Context) -> Reaction<Decision> {
        let Some(payment) = self.payment(payment_id) else { return Reaction::Stale };
        match payment.state {
            PaymentState::Failed => Reaction::Known,
            PaymentState::Started if self.status == Status::PendingPayment && self.is_latest_payment(payment_id) => {
                applied(self.fail_payment(payment_id.clone(), text(reason), context))
            }
            PaymentState::Started | PaymentState::Completed => Reaction::Stale,
        }
    }

    fn hear_refund(
        &self,
        refund_id: &RefundId,
        to: RefundState,
        amount: Option<Amount>,
        currency: Option<Currency>,
        context: &Context,
    ) -> Reaction<Decision> {
        let Some(refund) = self.refunds.iter().find(|refund| refund.refund_id == *refund_id) else {
            let message = format!("Refund {refund_id} was told of, and nobody asked for it");
            return Reaction::review(review(refund_id.to_string(), message));
        };
        let is_asked = amount.is_none_or(|amount| amount == refund.amount);
        if !is_asked || currency.is_some_and(|currency| currency != self.currency) {
            let message = format!("Refund {refund_id} is not of the amount that was asked for");
            return Reaction::review(review(format!("{refund_id} amount"), message));
        }
        if refund.state >= to {
            return Reaction::Known;
        }
        match (refund.state, to) {
            // The start was not heard yet, and has happened.
            (RefundState::Requested, RefundState::Completed) => {
                let initiated = self.initiate_refund(refund_id, context);
                applied(initiated.and_then(|first| first.then(|order| order.complete_refund(refund_id, context))))
            }
            (_, RefundState::Completed) => applied(self.complete_refund(refund_id, context)),
            (_, RefundState::Requested | RefundState::Initiated) => applied(self.initiate_refund(refund_id, context)),
        }
    }

    /// Only pieces that are under way can arrive; what is reported beyond them has arrived before, or is told again.
    fn hear_delivered(&self, lines: &Lines, context: &Context) -> Reaction<Decision> {
        let Lines::Some(wanted) = lines else {
            return if self.is_under_way() {
                applied(self.deliver(&Lines::All, context))
            } else {
                self.nothing_arrives()
            };
        };
        let mut pieces: Vec<LineQuantity> = Vec::new();
        for part in wanted {
            let Some(line) = self.lines.iter().find(|line| line.item.order_item_id == part.order_item_id) else {
                return Reaction::Dead(Dead::new(DeadReason::ItemUnknown, "the order has no such item"));
            };
            let under_way = line.shipped - line.delivered;
            let is_new = pieces.iter().all(|other| other.order_item_id != part.order_item_id);
            if let (true, Ok(quantity)) = (is_new, Quantity::new(part.quantity.get().min(under_way).into())) {
                pieces.push(LineQuantity { order_item_id: part.order_item_id.clone(), quantity });
            }
        }
        if pieces.is_empty() { self.nothing_arrives() } else { applied(self.deliver(&Lines::Some(pieces), context)) }
    }

    fn nothing_arrives(&self) -> Reaction<Decision> {
        if self.lines.iter().any(|line| line.delivered > 0) { Reaction::Known } else { Reaction::Stale }
    }
}

fn review(subject: String, message: String) -> Review {
    Review { reason: ReviewReason::Payment, subject, message }
}

fn text(reason: &ForeignText) -> &str {
    if reason.as_str().trim().is_empty() { "no reason was given" } else { reason.as_str() }
}

fn applied(decision: Result<Decision, Refusal>) -> Reaction<Decision> {
    match decision {
        Ok(decision) => Reaction::Applied(decision),
        Err(refusal) => refused(&refusal),
    }
}

/// What is left after every case above is a limit, such as the number of refunds. Trying again would not help.
fn refused(refusal: &Refusal) -> Reaction<Decision> {
    Reaction::Dead(Dead::new(DeadReason::SchemaInvalid, format!("the order refuses it: {}", refusal.code())))
}
