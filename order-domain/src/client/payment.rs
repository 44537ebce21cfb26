//! The client of the Payment Service: taking the money of an order. No document of the platform shows its endpoints; the README lists what
//! is assumed. Every request carries an idempotency key, and is repeated because of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::body;
use super::breaker::{BreakerPolicy, BreakerState, Opening};
use super::error::CallError;
use super::retry::RetryPolicy;
use super::scope::Scope;
use super::service::{CallPolicy, Caller, Neighbour, Request, Service};
use crate::value::amount::Amount;
use crate::value::currency::Currency;
use crate::value::id::{OrderId, PaymentId};
use crate::value::text::ForeignText;

/// How the Payment Service is called: as the documents have it for every service that they give no numbers for.
pub const POLICY: CallPolicy = CallPolicy {
    attempt: Duration::from_secs(3),
    retry: RetryPolicy {
        delay: Duration::from_millis(300),
        retries: 3,
        total: Duration::from_secs(10),
        on_too_many: false,
        retry_after_max: Duration::from_secs(2),
    },
    breaker: BreakerPolicy { opening: Opening::MoreThanHalf { calls_min: 5 }, open_for: Duration::from_secs(30) },
    body_bytes_max: 256 << 10,
};

/// What is to be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequest {
    /// Our name for the payment, and its idempotency key.
    pub payment_id: PaymentId,
    /// For which order.
    pub order_id: OrderId,
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRecord {
    /// The payment.
    pub payment_id: PaymentId,
    /// How far it is, in the service's words; `payment.events` tell how it ends.
    #[serde(default)]
    pub status: Option<ForeignText>,
}

/// The client of the Payment Service.
pub struct PaymentClient(Service);

impl PaymentClient {
    /// Calls the service at `base`.
    ///
    /// # Errors
    /// Where `base` is no address.
    pub fn new(base: &str, caller: &Caller) -> Result<Self, String> {
        Self::with(base, POLICY, caller)
    }

    /// The same with another policy.
    ///
    /// # Errors
    /// Where `base` is no address.
    pub fn with(base: &str, policy: CallPolicy, caller: &Caller) -> Result<Self, String> {
        Service::new(Neighbour::Payment, base, policy, caller).map(Self)
    }

    /// Where the breaker is.
    pub fn state(&self) -> BreakerState {
        self.0.state()
    }

    /// Has the money taken (`POST /api/v1/payments`). Asking twice for one payment takes it once.
    ///
    /// # Errors
    /// As [`CallError`] says.
    pub async fn pay(&self, payment: &PaymentRequest, scope: &Scope) -> Result<PaymentRecord, CallError> {
        let mut request = Request::post("pay", &["api", "v1", "payments"], payment).repeatable();
        request.idempotency_key = Some(payment.payment_id.as_str());
        let read = |text: &str| {
            let record: PaymentRecord = body::owned(text)?;
            if record.payment_id == payment.payment_id { Ok(record) } else { Err("it is another payment".to_owned()) }
        };
        self.0.call(request, scope, read).await
    }
}
