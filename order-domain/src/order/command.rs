//! Every command as a value, for code that knows what is asked before it has the order: a request is read first and decided on
//! once the order is locked. A value of the program, not of the wire: it has no serialised form. Each is a method of [`Order`]
//! as well.

use super::{Decision, Lines, Order, RefundRequest, ReturnRequest, Shipment, Update};
use crate::notification::CustomNotification;
use crate::value::amount::Amount;
use crate::value::id::{PaymentId, RefundId};
use crate::value::timestamp::Timestamp;
use crate::{Context, Refusal};

/// What can be asked of an order that was placed.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// [`Order::update`]
    Update(Update),
    /// [`Order::cancel`]
    Cancel {
        /// Why.
        reason: String,
    },
    /// [`Order::start_payment`]
    StartPayment {
        /// The payment.
        payment_id: PaymentId,
    },
    /// [`Order::complete_payment`]
    CompletePayment {
        /// The payment.
        payment_id: PaymentId,
        /// What was paid.
        amount: Amount,
    },
    /// [`Order::fail_payment`]
    FailPayment {
        /// The payment.
        payment_id: PaymentId,
        /// Why.
        reason: String,
    },
    /// [`Order::retry_payment`]
    RetryPayment,
    /// [`Order::start_processing`]
    StartProcessing,
    /// [`Order::ship`]
    Ship(Shipment),
    /// [`Order::report_delay`]
    ReportDelay {
        /// Why.
        reason: String,
        /// When it should arrive now.
        estimated_delivery: Option<Timestamp>,
    },
    /// [`Order::deliver`]
    Deliver(Lines),
    /// [`Order::initiate_return`]
    InitiateReturn(ReturnRequest),
    /// [`Order::approve_return`]
    ApproveReturn,
    /// [`Order::request_refund`]
    RequestRefund(RefundRequest),
    /// [`Order::initiate_refund`]
    InitiateRefund(RefundId),
    /// [`Order::complete_refund`]
    CompleteRefund(RefundId),
    /// [`Order::notify`]
    Notify(CustomNotification),
}

impl Order {
    /// Does what `command` asks, or refuses.
    pub fn handle(&self, command: Command, context: &Context) -> Result<Decision, Refusal> {
        match command {
            Command::Update(update) => self.update(update, context),
            Command::Cancel { reason } => self.cancel(&reason, context),
            Command::StartPayment { payment_id } => self.start_payment(payment_id, context),
            Command::CompletePayment { payment_id, amount } => self.complete_payment(payment_id, amount, context),
            Command::FailPayment { payment_id, reason } => self.fail_payment(payment_id, &reason, context),
            Command::RetryPayment => self.retry_payment(context),
            Command::StartProcessing => self.start_processing(context),
            Command::Ship(shipment) => self.ship(shipment, context),
            Command::ReportDelay { reason, estimated_delivery } => {
                self.report_delay(&reason, estimated_delivery, context)
            }
            Command::Deliver(lines) => self.deliver(&lines, context),
            Command::InitiateReturn(request) => self.initiate_return(request, context),
            Command::ApproveReturn => self.approve_return(context),
            Command::RequestRefund(request) => self.request_refund(request, context),
            Command::InitiateRefund(refund_id) => self.initiate_refund(&refund_id, context),
            Command::CompleteRefund(refund_id) => self.complete_refund(&refund_id, context),
            Command::Notify(request) => self.notify(request, context),
        }
    }
}
