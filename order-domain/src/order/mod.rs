//! The order: its state, and the commands that move it. A command borrows the order and answers with a [`Decision`], the
//! new state and the events to append, or with a [`Refusal`]; the order it borrowed is as it was.

mod address;
mod customer;
mod line;
mod status;
mod draft;
mod record;
mod place;
mod change;
mod payment;
mod fact;
mod fulfilment;
mod returns;
mod refund;
mod command;

use serde::Serialize;

pub use self::address::Address;
pub use self::change::Update;
pub use self::command::Command;
pub use self::customer::Customer;
pub use self::draft::Decision;
pub use self::fact::OrderFact;
pub use self::fulfilment::Shipment;
pub use self::line::{Item, Line, LineQuantity, Lines};
pub use self::payment::{Payment, PaymentState};
pub use self::place::{AllocationMode, ConfirmationTrigger, LINES_MAX, NewOrder};
pub use self::record::Inconsistent;
use self::record::RecordVersion;
pub use self::refund::{Refund, RefundRequest, RefundState};
pub use self::returns::{Return, ReturnRequest};
pub use self::status::Status;
use crate::value::amount::Amount;
use crate::value::currency::Currency;
use crate::value::id::{OrderId, OrderNumber, PaymentId, ShipmentId};
use crate::value::timestamp::Timestamp;

#[cfg(doc)]
use crate::Refusal;

/// What an order costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Totals {
    /// The items.
    pub subtotal: Amount,
    /// Tax.
    pub tax: Amount,
    /// Shipping.
    pub shipping: Amount,
    /// All of it.
    pub total: Amount,
}

/// An order. Made by [`Order::place`], moved by commands, stored as JSON text.
///
/// Store it as `json` or `text`, beside the columns that are searched for: [`Order::version`] for an optimistic check,
/// [`Order::status`], the user's id. Reading it back refuses what no sequence of commands could have made. What an earlier
/// version of this crate has stored is read too, for ever; what a later one has stored is refused by its `recordVersion`.
#[derive(Debug, Clone, PartialEq, Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", try_from = "record::Record")]
pub struct Order {
    pub(crate) record_version: RecordVersion,
    pub(crate) id: OrderId,
    pub(crate) order_number: OrderNumber,
    pub(crate) version: u64,
    pub(crate) status: Status,
    pub(crate) customer: Customer,
    pub(crate) shipping_address: Address,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<Line>,
    pub(crate) totals: Totals,
    pub(crate) paid: bool,
    pub(crate) payments: Vec<Payment>,
    pub(crate) shipments: Vec<ShipmentId>,
    pub(crate) delivery_delayed: bool,
    pub(crate) returned: Option<Return>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) allocation: AllocationMode,
    pub(crate) confirmation: ConfirmationTrigger,
    pub(crate) created_at: Timestamp,
}

impl Order {
    /// Names it everywhere.
    pub fn id(&self) -> &OrderId {
        &self.id
    }

    /// Its number, as the customer knows it.
    pub fn order_number(&self) -> &OrderNumber {
        &self.order_number
    }

    /// One more with every command. Compare it when the order is written back, if it was not locked when it was read.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How far it has come.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Who ordered.
    pub fn customer(&self) -> &Customer {
        &self.customer
    }

    /// Where it goes.
    pub fn shipping_address(&self) -> &Address {
        &self.shipping_address
    }

    /// Of every amount.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// What was ordered, and how far each line has come.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// What it costs.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Whether a payment was completed. Never true of an order without anything to pay.
    pub fn is_paid(&self) -> bool {
        self.paid
    }

    /// Every payment that was started; the last one is the one that runs, if any does.
    pub fn payments(&self) -> &[Payment] {
        &self.payments
    }

    /// The payment that was started last.
    pub fn payment_id(&self) -> Option<&PaymentId> {
        self.payments.last().map(|payment| &payment.payment_id)
    }

    /// Every shipment so far.
    pub fn shipments(&self) -> &[ShipmentId] {
        &self.shipments
    }

    /// Whether the carrier has said that it is late.
    pub fn is_delivery_delayed(&self) -> bool {
        self.delivery_delayed
    }

    /// The return, once one was asked for.
    pub fn returned(&self) -> Option<&Return> {
        self.returned.as_ref()
    }

    /// Every refund that was asked for.
    pub fn refunds(&self) -> &[Refund] {
        &self.refunds
    }

    /// When it was placed.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    pub(crate) fn is_all_shipped(&self) -> bool {
        self.lines.iter().all(|line| line.shipped == line.ordered())
    }

    pub(crate) fn is_all_delivered(&self) -> bool {
        self.lines.iter().all(|line| line.delivered == line.ordered())
    }

    /// Whether pieces have left and not arrived.
    pub(crate) fn is_under_way(&self) -> bool {
        self.lines.iter().any(|line| line.shipped > line.delivered)
    }

    pub(crate) fn is_partly_shipped(&self) -> bool {
        self.lines.iter().any(|line| line.shipped > 0)
    }
}
