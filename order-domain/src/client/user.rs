//! The client of the User Service: whether an account may order. No document of the platform shows its endpoints; the README lists what
//! is assumed.

use std::time::Duration;

use serde::Deserialize;

use super::body;
use super::breaker::{BreakerPolicy, BreakerState, Opening};
use super::error::CallError;
use super::retry::RetryPolicy;
use super::scope::Scope;
use super::service::{CallPolicy, Caller, Neighbour, Request, Service};
use crate::value::id::UserId;
use crate::value::text::ForeignText;

/// How the User Service is called: as the documents have it for every service that they give no numbers for.
pub const POLICY: CallPolicy = CallPolicy {
    attempt: Duration::from_secs(3),
    retry: RetryPolicy {
        delay: Duration::from_millis(300),
        retries: 3,
        total: Duration::from_secs(5),
        on_too_many: false,
        retry_after_max: Duration::from_secs(2),
    },
    breaker: BreakerPolicy { opening: Opening::MoreThanHalf { calls_min: 5 }, open_for: Duration::from_secs(30) },
    body_bytes_max: 256 << 10,
};

/// An account, as far as an order needs it. Nothing personal is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Names it.
    pub id: UserId,
    /// Its status; absent counts as `ACTIVE`.
    #[serde(default)]
    pub status: Option<ForeignText>,
}

impl User {
    /// Whether it may order.
    pub fn is_active(&self) -> bool {
        self.status.as_ref().is_none_or(|status| status.as_str() == "ACTIVE")
    }
}

/// The client of the User Service.
pub struct UserClient(Service);

impl UserClient {
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
        Service::new(Neighbour::User, base, policy, caller).map(Self)
    }

    /// Where the breaker is.
    pub fn state(&self) -> BreakerState {
        self.0.state()
    }

    /// The account (`GET /api/v1/users/{id}`), or none.
    ///
    /// # Errors
    /// As [`CallError`] says; another account than was asked for is unusable.
    pub async fn get(&self, id: &UserId, scope: &Scope) -> Result<Option<User>, CallError> {
        let path = ["api", "v1", "users", id.as_str()];
        let read = |text: &str| {
            let user: User = body::owned(text)?;
            if user.id == *id { Ok(user) } else { Err("it is another account".to_owned()) }
        };
        match self.0.call(Request::get("get", &path), scope, read).await {
            Ok(user) => Ok(Some(user)),
            Err(CallError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
