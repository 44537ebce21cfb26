//! The statuses of an order, and which may follow which. The only definition: commands ask here before they move.

/// How far an order has come. Parts of an order (two of three lines shipped) do not show here but on its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Placed; a payment is awaited.
    PendingPayment,
    /// The payment failed; it may be tried again.
    PaymentFailed,
    /// Paid, or nothing to pay.
    Confirmed,
    /// Being picked and packed; parts may have left.
    Processing,
    /// Everything has left.
    Shipped,
    /// Everything has arrived.
    Delivered,
    /// The customer wants to send something back.
    ReturnInitiated,
    /// And may.
    ReturnApproved,
    /// Cancelled before it left; a refund may follow.
    Cancelled,
    /// The whole payment is to be given back.
    RefundRequested,
    /// The Payment Service is giving it back.
    RefundInitiated,
    /// It has been given back.
    Refunded,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 12] = [
        Self::PendingPayment,
        Self::PaymentFailed,
        Self::Confirmed,
        Self::Processing,
        Self::Shipped,
        Self::Delivered,
        Self::ReturnInitiated,
        Self::ReturnApproved,
        Self::Cancelled,
        Self::RefundRequested,
        Self::RefundInitiated,
        Self::Refunded,
    ];

    /// The statuses that may follow this one.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::PendingPayment => &[Self::Confirmed, Self::PaymentFailed, Self::Cancelled],
            Self::PaymentFailed => &[Self::PendingPayment, Self::Cancelled],
            Self::Confirmed => &[Self::Processing, Self::Cancelled],
            Self::Processing => &[Self::Shipped, Self::Cancelled, Self::RefundRequested],
            Self::Shipped => &[Self::Delivered, Self::RefundRequested],
            Self::Delivered => &[Self::ReturnInitiated, Self::RefundRequested],
            Self::ReturnInitiated => &[Self::ReturnApproved, Self::RefundRequested],
            Self::ReturnApproved => &[Self::RefundRequested],
            Self::Cancelled | Self::RefundRequested => &[Self::RefundInitiated],
            Self::RefundInitiated => &[Self::Refunded],
            Self::Refunded => &[],
        }
    }

    /// The name on the wire, such as `PENDING_PAYMENT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingPayment => "PENDING_PAYMENT",
            Self::PaymentFailed => "PAYMENT_FAILED",
            Self::Confirmed => "CONFIRMED",
            Self::Processing => "PROCESSING",
            Self::Shipped => "SHIPPED",
            Self::Delivered => "DELIVERED",
            Self::ReturnInitiated => "RETURN_INITIATED",
            Self::ReturnApproved => "RETURN_APPROVED",
            Self::Cancelled => "CANCELLED",
            Self::RefundRequested => "REFUND_REQUESTED",
            Self::RefundInitiated => "REFUND_INITIATED",
            Self::Refunded => "REFUNDED",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
