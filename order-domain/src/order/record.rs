//! The order as it is stored, and the check that what is read back is an order.

use serde::Deserialize;

use super::*;
use crate::order::place::total;

/// A stored order that no sequence of commands could have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored order is inconsistent: {0}")]
pub struct Inconsistent(&'static str);

/// The form that orders are stored in: 2 has `payments` where 1, which did not say its number, had the latest `paymentId`. A field
/// that only adds something is no new form; give it a default here.
const RECORD_VERSION: u32 = 2;

/// [`RECORD_VERSION`], as every stored order has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordVersion;

impl Serialize for RecordVersion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(RECORD_VERSION)
    }
}

/// The fields of [`Order`], unchecked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    #[serde(default = "first_version")]
    record_version: u32,
    id: OrderId,
    order_number: OrderNumber,
    version: u64,
    status: Status,
    customer: Customer,
    shipping_address: Address,
    currency: Currency,
    lines: Vec<Line>,
    totals: Totals,
    paid: bool,
    payment_id: Option<PaymentId>,
    #[serde(default)]
    payments: Vec<Payment>,
    shipments: Vec<ShipmentId>,
    delivery_delayed: bool,
    returned: Option<Return>,
    refunds: Vec<Refund>,
    allocation: AllocationMode,
    confirmation: ConfirmationTrigger,
    created_at: Timestamp,
}

fn first_version() -> u32 {
    1
}

impl Record {
    /// Of an order in form 1, what can be known of its latest payment.
    fn payments(&self) -> Vec<Payment> {
        let Some(payment_id) = self.payment_id.clone().filter(|_| self.record_version == 1) else {
            return self.payments.clone();
        };
        let state = if self.paid {
            PaymentState::Completed
        } else if self.status == Status::PaymentFailed {
            PaymentState::Failed
        } else {
            PaymentState::Started
        };
        vec![Payment { payment_id, state }]
    }
}

impl TryFrom<Record> for Order {
    type Error = Inconsistent;

    fn try_from(record: Record) -> Result<Self, Inconsistent> {
        if record.record_version > RECORD_VERSION {
            return Err(Inconsistent("it was stored by a later version of this program"));
        }
        let payments = record.payments();
        let order = Self {
            record_version: RecordVersion,
            id: record.id,
            order_number: record.order_number,
            version: record.version,
            status: record.status,
            customer: record.customer,
            shipping_address: record.shipping_address,
            currency: record.currency,
            lines: record.lines,
            totals: record.totals,
            paid: record.paid,
            payments,
            shipments: record.shipments,
            delivery_delayed: record.delivery_delayed,
            returned: record.returned,
            refunds: record.refunds,
            allocation: record.allocation,
            confirmation: record.confirmation,
            created_at: record.created_at,
        };
        order.check()?;
        Ok(order)
    }
}

impl Order {
    /// Says what contradicts itself. Every command leaves an order that passes.
    pub(super) fn check(&self) -> Result<(), Inconsistent> {
        let rule = |holds: bool, broken: &'static str| if holds { Ok(()) } else { Err(Inconsistent(broken)) };
        rule((1..=LINES_MAX).contains(&self.lines.len()), "it has no lines, or too many")?;
        rule(
            self.lines.iter().all(|l| l.delivered <= l.shipped && l.shipped <= l.ordered()),
            "more moved than ordered",
        )?;
        let Totals { tax, shipping, .. } = self.totals;
        let sum = total(self.lines.iter().map(|line| &line.item), tax, shipping);
        rule(sum.is_ok_and(|sum| sum == self.totals), "the totals are not those of its lines")?;
        self.check_progress(rule)?;
        self.check_money(rule)
    }

    fn check_progress(
        &self,
        rule: impl Fn(bool, &'static str) -> Result<(), Inconsistent>,
    ) -> Result<(), Inconsistent> {
        match self.status {
            Status::PendingPayment | Status::PaymentFailed | Status::Confirmed | Status::Cancelled => {
                rule(!self.is_partly_shipped(), "it was shipped before its time")
            }
            Status::Processing => rule(!self.is_all_shipped(), "everything was shipped and it is still processing"),
            Status::Shipped => {
                rule(self.is_all_shipped() && !self.is_all_delivered(), "it is not what a shipped order is")
            }
            Status::Delivered => rule(self.is_all_delivered(), "it was not delivered"),
            Status::ReturnInitiated | Status::ReturnApproved => {
                rule(self.is_all_delivered() && self.returned.is_some(), "nothing was delivered and returned")
            }
            Status::RefundRequested | Status::RefundInitiated | Status::Refunded => Ok(()),
        }
    }

    fn check_money(&self, rule: impl Fn(bool, &'static str) -> Result<(), Inconsistent>) -> Result<(), Inconsistent> {
        let asked = self.refunds_sum().map_err(|_| Inconsistent("more is refunded than can be"))?;
        let paid = self.paid_amount();
        rule(asked <= paid, "more is refunded than was paid")?;
        rule(!self.paid || !self.totals.total.is_zero(), "nothing was to be paid, and was")?;
        let completed = self.payments.iter().any(|payment| payment.state == PaymentState::Completed);
        rule(self.paid == completed, "it was paid by no payment, or has one and does not know")?;
        let is_whole = self.paid && asked == paid;
        match self.status {
            Status::PendingPayment | Status::PaymentFailed => rule(!self.paid, "it was paid and does not know"),
            Status::Cancelled => rule(!self.paid || is_whole, "it was cancelled and not refunded"),
            Status::RefundRequested | Status::RefundInitiated | Status::Refunded => {
                rule(is_whole, "it was not refunded")
            }
            Status::Confirmed
            | Status::Processing
            | Status::Shipped
            | Status::Delivered
            | Status::ReturnInitiated
            | Status::ReturnApproved => {
                rule(self.paid || self.totals.total.is_zero(), "it was never paid")?;
                rule(!is_whole, "it was refunded and does not know")
            }
        }
    }
}
