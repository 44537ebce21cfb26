//! Giving money back, in whole or in parts. A refund of a part leaves the order's status alone; once refunds of the whole
//! payment were asked for, the status follows the slowest of them.

use serde::{Deserialize, Serialize};

use super::draft::{Decision, Draft};
use super::{LineQuantity, Lines, Order, Status};
use crate::event::{
    OrderPart, OrderRefundInitiatedEvent, OrderRefundProcessedEvent, OrderRefundRequestedEvent, Payload,
    RefundRequester, about,
};
use crate::value::amount::Amount;
use crate::value::id::{PaymentId, RefundId};
use crate::value::text::{TEXT_BYTES_MAX, check};
use crate::{Context, Invalid, Refusal};

const REFUNDS_MAX: usize = 1000;

/// Who wants how much back, for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// Names the refund.
    pub refund_id: RefundId,
    /// How much; absent means everything that is left.
    pub amount: Option<Amount>,
    /// The pieces it is for; none where it is for no piece in particular.
    pub lines: Vec<LineQuantity>,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub requested_by: RefundRequester,
}

/// How far a refund has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundState {
    /// Asked for.
    Requested,
    /// The Payment Service is at it.
    Initiated,
    /// Done.
    Completed,
}

impl RefundState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Initiated => "initiated",
            Self::Completed => "completed",
        }
    }
}

/// A refund of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// Names it.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Amount,
    /// The pieces it is for.
    pub lines: Vec<LineQuantity>,
    /// How far it has come.
    pub state: RefundState,
}

const REFUNDABLE: [Status; 6] = [
    Status::Confirmed,
    Status::Processing,
    Status::Shipped,
    Status::Delivered,
    Status::ReturnInitiated,
    Status::ReturnApproved,
];

impl Order {
    /// Somebody wants money back. All of it before anything has left is a cancellation, which also gives the stock back.
    pub fn request_refund(&self, request: RefundRequest, context: &Context) -> Result<Decision, Refusal> {
        check("reason", &request.reason, TEXT_BYTES_MAX)?;
        self.require(&REFUNDABLE, "be refunded")?;
        let refund_id = request.refund_id.clone();
        if self.refunds.iter().any(|refund| refund.refund_id == refund_id) {
            return Err(Refusal::DuplicateRefund { refund_id });
        }
        if self.refunds.len() >= REFUNDS_MAX {
            return Err(Refusal::TooMany { what: "refunds of an order", count_max: REFUNDS_MAX });
        }
        let amount = self.refund_amount(request.amount)?;
        if amount == self.refundable() && !self.is_partly_shipped() {
            return Err(Refusal::CancelInstead);
        }
        let lines = if request.lines.is_empty() {
            Vec::new()
        } else {
            Lines::Some(request.lines).pick(&self.lines, |line| self.not_refunded(line))?
        };
        let mut draft = Draft::of(self, context);
        draft.order.refunds.push(Refund { refund_id, amount, lines, state: RefundState::Requested });
        draft.follow_refunds("be refunded", Some(&request.reason))?;
        draft.emit_refund_requested(&request.reason, request.requested_by);
        Ok(draft.done())
    }

    /// The Payment Service has started a refund.
    pub fn initiate_refund(&self, refund_id: &RefundId, context: &Context) -> Result<Decision, Refusal> {
        let (mut draft, refund) = self.advance_refund(refund_id, RefundState::Initiated, context)?;
        let payload = about!(draft.order, OrderRefundInitiatedEvent with customer {
            refund_items: OrderPart::all(&draft.order, &refund.lines),
            refund_id: refund.refund_id,
            refund_amount: refund.amount,
            currency: self.currency,
            partial: self.is_partly_refunded(),
            initiated_at: context.occurred_at,
        });
        draft.emit(Payload::OrderRefundInitiated(payload));
        Ok(draft.done())
    }

    /// The Payment Service has completed a refund.
    pub fn complete_refund(&self, refund_id: &RefundId, context: &Context) -> Result<Decision, Refusal> {
        let (mut draft, refund) = self.advance_refund(refund_id, RefundState::Completed, context)?;
        let payload = about!(draft.order, OrderRefundProcessedEvent with customer {
            refund_items: OrderPart::all(&draft.order, &refund.lines),
            refund_id: refund.refund_id,
            refund_amount: refund.amount,
            currency: self.currency,
            partial: self.is_partly_refunded(),
            processed_at: context.occurred_at,
        });
        draft.emit(Payload::OrderRefundProcessed(payload));
        Ok(draft.done())
    }

    /// The money of a payment was taken after the order was cancelled: it is asked back. What comes after that was taken twice,
    /// which a person has to sort out.
    pub(super) fn refund_late_payment(&self, payment_id: &PaymentId, context: &Context) -> Result<Decision, Refusal> {
        let mut draft = Draft::of(self, context);
        let was_paid = self.paid;
        draft.order.set_completed(payment_id);
        if !was_paid {
            let refundable = draft.order.refundable();
            draft.refund_cancelled(refundable, "the order was cancelled before it was paid")?;
        }
        Ok(draft.done())
    }

    fn advance_refund<'a>(
        &self,
        refund_id: &RefundId,
        to: RefundState,
        context: &'a Context,
    ) -> Result<(Draft<'a>, Refund), Refusal> {
        let (from, command) = match to {
            RefundState::Initiated => (RefundState::Requested, "initiated"),
            RefundState::Requested | RefundState::Completed => (RefundState::Initiated, "completed"),
        };
        let mut draft = Draft::of(self, context);
        let refund = draft.order.refunds.iter_mut().find(|refund| refund.refund_id == *refund_id);
        let state = refund.as_ref().map_or("unknown", |refund| refund.state.as_str());
        let Some(refund) = refund.filter(|refund| refund.state == from) else {
            return Err(Refusal::RefundState { refund_id: refund_id.clone(), command, state });
        };
        refund.state = to;
        let refund = refund.clone();
        draft.follow_refunds("be refunded", None)?;
        Ok((draft, refund))
    }

    fn refund_amount(&self, wanted: Option<Amount>) -> Result<Amount, Refusal> {
        let refundable = self.refundable();
        let requested = wanted.unwrap_or(refundable);
        requested.check_for(self.currency)?;
        if requested > refundable || refundable.is_zero() {
            return Err(Refusal::RefundExceedsPaid { requested, refundable });
        }
        let expected = "more than 0";
        if requested.is_zero() {
            return Err(Invalid::Malformed { field: "refundAmount", expected }.into());
        }
        Ok(requested)
    }

    fn not_refunded(&self, line: &super::Line) -> u32 {
        let parts = self.refunds.iter().flat_map(|refund| &refund.lines);
        let refunded =
            parts.filter(|part| part.order_item_id == line.item.order_item_id).map(|part| part.quantity.get());
        line.ordered().saturating_sub(refunded.sum())
    }

    /// What was paid.
    pub(super) fn paid_amount(&self) -> Amount {
        if self.paid { self.totals.total } else { Amount::ZERO }
    }

    /// What was asked back so far.
    pub(super) fn refunds_sum(&self) -> Result<Amount, Invalid> {
        self.refunds.iter().try_fold(Amount::ZERO, |sum, refund| sum.plus(refund.amount))
    }

    /// What can still be asked back.
    pub fn refundable(&self) -> Amount {
        let rest = self.refunds_sum().and_then(|sum| self.paid_amount().minus(sum));
        rest.expect("refunds never exceed what was paid: they are checked when requested, and when read back")
    }

    fn is_partly_refunded(&self) -> bool {
        !self.refundable().is_zero()
    }

    /// The status that the refunds ask for, once the whole payment is asked back.
    fn refund_status(&self) -> Option<Status> {
        if self.is_partly_refunded() {
            return None;
        }
        let slowest = self.refunds.iter().map(|refund| refund.state).min()?;
        Some(match slowest {
            RefundState::Requested => Status::RefundRequested,
            RefundState::Initiated => Status::RefundInitiated,
            RefundState::Completed => Status::Refunded,
        })
    }
}

impl Draft<'_> {
    /// A cancelled order stays cancelled until its last refund is started: "cancelled" says more than "requested".
    fn follow_refunds(&mut self, command: &'static str, reason: Option<&str>) -> Result<(), Refusal> {
        let now = self.order.status;
        match self.order.refund_status() {
            Some(status) if status != now && (now, status) != (Status::Cancelled, Status::RefundRequested) => {
                self.move_to(status, command, reason)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Asks back what a cancelled order has cost, for all of its lines that were not refunded yet.
    pub(super) fn refund_cancelled(&mut self, amount: Amount, reason: &str) -> Result<(), Refusal> {
        let refund_id = RefundId::new(self.context().random_id().to_string())?;
        let order = &self.order;
        let lines = Lines::All.pick(&order.lines, |line| order.not_refunded(line)).unwrap_or_default();
        self.order.refunds.push(Refund { refund_id, amount, lines, state: RefundState::Requested });
        self.emit_refund_requested(reason, RefundRequester::System);
        Ok(())
    }

    fn emit_refund_requested(&mut self, reason: &str, requested_by: RefundRequester) {
        let order = &self.order;
        let refund = order.refunds.last().expect("the refund was added right before");
        let payload = about!(order, OrderRefundRequestedEvent with customer {
            refund_id: refund.refund_id.clone(),
            refund_amount: refund.amount,
            currency: order.currency,
            partial: order.is_partly_refunded(),
            refund_items: OrderPart::all(order, &refund.lines),
            reason: reason.to_owned(),
            requested_by: requested_by,
            requested_at: self.context().occurred_at,
        });
        self.emit(Payload::OrderRefundRequested(payload));
    }
}
