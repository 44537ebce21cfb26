//! Why a command was refused. A refused command changes nothing and emits nothing; the service turns the refusal into a
//! 4xx body by [`Refusal::code`], its text, and [`Refusal::details`].

use serde_json::{Map, Value, json};

use crate::Invalid;
use crate::order::Status;
use crate::value::amount::Amount;
use crate::value::id::{OrderItemId, PaymentId, RefundId, ShipmentId};

/// What a command cannot do, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A value in the command is no such value.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The order's status does not allow it.
    #[error("an order that is {status} cannot {command}")]
    IllegalTransition {
        /// What was asked, as a verb phrase.
        command: &'static str,
        /// Where the order is.
        status: Status,
    },
    /// An order without lines, or with more than anyone can mean.
    #[error("an order has 1 to {lines_max} lines, not {lines}")]
    LineCount {
        /// What was given.
        lines: usize,
        /// What is taken.
        lines_max: usize,
    },
    /// A line is named twice.
    #[error("line {order_item_id} is named twice")]
    DuplicateItem {
        /// The line.
        order_item_id: OrderItemId,
    },
    /// No such line.
    #[error("the order has no line {order_item_id}")]
    UnknownItem {
        /// What was named.
        order_item_id: OrderItemId,
    },
    /// More pieces of a line than are left for this command.
    #[error("{requested} pieces of line {order_item_id} are requested, {available} are left")]
    QuantityExceeded {
        /// The line.
        order_item_id: OrderItemId,
        /// What was asked for.
        requested: u32,
        /// What is left.
        available: u32,
    },
    /// Nothing of the order is left for this command.
    #[error("nothing of the order is left for this")]
    NothingLeft,
    /// Part of the order has left already.
    #[error("part of the order has been shipped: what was delivered can be returned, the rest be refunded")]
    PartlyShipped,
    /// That shipment is known already.
    #[error("shipment {shipment_id} is recorded already")]
    DuplicateShipment {
        /// The shipment.
        shipment_id: ShipmentId,
    },
    /// There are as many as are taken.
    #[error("there can be at most {count_max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        count_max: usize,
    },
    /// An update that would change nothing.
    #[error("the order has these details already")]
    NothingToChange,
    /// That payment is known already.
    #[error("payment {payment_id} is recorded already")]
    DuplicatePayment {
        /// The payment.
        payment_id: PaymentId,
    },
    /// Not the payment that the order waits for.
    #[error("payment {payment_id} is not the one that runs")]
    PaymentNotRunning {
        /// What was named.
        payment_id: PaymentId,
    },
    /// All of the money back before anything has left: only a cancellation gives the stock back too.
    #[error("nothing has left yet: cancel the order, which refunds it as well")]
    CancelInstead,
    /// A payment of another amount than the order's total.
    #[error("{paid} was paid, the total is {total}")]
    PaymentMismatch {
        /// What was paid.
        paid: Amount,
        /// What is due.
        total: Amount,
    },
    /// Nothing was paid, or more is to be given back than is left of it.
    #[error("{requested} is to be refunded, {refundable} can be")]
    RefundExceedsPaid {
        /// What was asked for.
        requested: Amount,
        /// What is left.
        refundable: Amount,
    },
    /// That refund is known already.
    #[error("refund {refund_id} is recorded already")]
    DuplicateRefund {
        /// The refund.
        refund_id: RefundId,
    },
    /// No such refund, or not in the state that the command needs.
    #[error("refund {refund_id} cannot be {command}: it is {state}")]
    RefundState {
        /// The refund.
        refund_id: RefundId,
        /// What was asked, as a participle.
        command: &'static str,
        /// Where the refund is, or that there is none.
        state: &'static str,
    },
    /// A text or object is too large to be sent.
    #[error("{field} has {bytes} bytes, of at most {bytes_max}")]
    TooLarge {
        /// Its name on the wire.
        field: &'static str,
        /// What was given.
        bytes: usize,
        /// What is taken.
        bytes_max: usize,
    },
}

impl Refusal {
    /// A stable name for programs, for example `ILLEGAL_TRANSITION`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(invalid) => invalid.code(),
            Self::IllegalTransition { .. } => "ILLEGAL_TRANSITION",
            Self::LineCount { .. } => "INVALID_LINE_COUNT",
            Self::DuplicateItem { .. } => "DUPLICATE_ITEM",
            Self::UnknownItem { .. } => "UNKNOWN_ITEM",
            Self::QuantityExceeded { .. } => "QUANTITY_EXCEEDED",
            Self::NothingLeft => "NOTHING_LEFT",
            Self::PartlyShipped => "PARTLY_SHIPPED",
            Self::DuplicateShipment { .. } => "DUPLICATE_SHIPMENT",
            Self::TooMany { .. } => "TOO_MANY",
            Self::NothingToChange => "NOTHING_TO_CHANGE",
            Self::DuplicatePayment { .. } => "DUPLICATE_PAYMENT",
            Self::PaymentNotRunning { .. } => "PAYMENT_NOT_RUNNING",
            Self::CancelInstead => "CANCEL_INSTEAD",
            Self::PaymentMismatch { .. } => "PAYMENT_MISMATCH",
            Self::RefundExceedsPaid { .. } => "REFUND_EXCEEDS_PAID",
            Self::DuplicateRefund { .. } => "DUPLICATE_REFUND",
            Self::RefundState { .. } => "REFUND_STATE",
            Self::TooLarge { .. } => "TOO_LARGE",
        }
    }

    /// Whether the request itself is wrong (400), and not only at odds with the state of the order (409).
    pub fn is_invalid_input(&self) -> bool {
        match self {
            Self::Invalid(_)
            | Self::LineCount { .. }
            | Self::DuplicateItem { .. }
            | Self::UnknownItem { .. }
            | Self::TooLarge { .. } => true,
            Self::IllegalTransition { .. }
            | Self::QuantityExceeded { .. }
            | Self::NothingLeft
            | Self::PartlyShipped
            | Self::DuplicateShipment { .. }
            | Self::TooMany { .. }
            | Self::NothingToChange
            | Self::DuplicatePayment { .. }
            | Self::PaymentNotRunning { .. }
            | Self::CancelInstead
            | Self::PaymentMismatch { .. }
            | Self::RefundExceedsPaid { .. }
            | Self::DuplicateRefund { .. }
            | Self::RefundState { .. } => false,
        }
    }

    /// The same as [`Display`](std::fmt::Display) in parts, for the `details` of an error body. Amounts are texts.
    pub fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::Invalid(invalid) => return invalid.details(),
            Self::IllegalTransition { command, status } => {
                json!({ "command": command, "status": status.as_str() })
            }
            Self::LineCount { lines, lines_max } => json!({ "lines": lines, "linesMax": lines_max }),
            Self::DuplicateItem { order_item_id } | Self::UnknownItem { order_item_id } => {
                json!({ "orderItemId": order_item_id })
            }
            Self::QuantityExceeded { order_item_id, requested, available } => {
                json!({ "orderItemId": order_item_id, "requested": requested, "available": available })
            }
            Self::NothingLeft | Self::PartlyShipped | Self::NothingToChange | Self::CancelInstead => json!({}),
            Self::DuplicatePayment { payment_id } | Self::PaymentNotRunning { payment_id } => {
                json!({ "paymentId": payment_id })
            }
            Self::DuplicateShipment { shipment_id } => json!({ "shipmentId": shipment_id }),
            Self::TooMany { what, count_max } => json!({ "what": what, "countMax": count_max }),
            Self::PaymentMismatch { paid, total } => json!({ "paid": paid.to_string(), "total": total.to_string() }),
            Self::RefundExceedsPaid { requested, refundable } => {
                json!({ "requested": requested.to_string(), "refundable": refundable.to_string() })
            }
            Self::DuplicateRefund { refund_id } => json!({ "refundId": refund_id }),
            Self::RefundState { refund_id, state, .. } => json!({ "refundId": refund_id, "state": state }),
            Self::TooLarge { field, bytes, bytes_max } => {
                json!({ "field": field, "bytes": bytes, "bytesMax": bytes_max })
            }
        };
        match details {
            Value::Object(fields) => fields,
            other => unreachable!("details are written as an object above: {other}"),
        }
    }
}
