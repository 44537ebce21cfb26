//! Why a call has no answer, by what the caller can do about it. Shared by the clients of all services.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::service::Neighbour;
use crate::value::text::ForeignText;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The service knows nothing of the kind (404).
    #[error("{service} does not know this")]
    NotFound {
        /// Who was asked.
        service: Neighbour,
    },
    /// The service will not do this, now or later (another 4xx, or `success: false`).
    #[error("{service} refused this: {refused}")]
    Refused {
        /// Who was asked.
        service: Neighbour,
        /// What it said.
        refused: Box<Refused>,
    },
    /// Nothing was done, or doing it again is safe: try later, or do without.
    #[error("{service}: {cause}")]
    TryLater {
        /// Who was asked.
        service: Neighbour,
        /// Why.
        cause: Cause,
        /// For how long the service asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// It may have been done. To do it again may do it twice.
    #[error("{service} may have done this: {cause}")]
    OutcomeUnknown {
        /// Who was asked.
        service: Neighbour,
        /// Why that is not known.
        cause: Cause,
    },
}

impl CallError {
    /// A name for logs and metrics.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Refused { .. } => "refused",
            Self::TryLater { cause: Cause::CircuitOpen, .. } => "circuit_open",
            Self::TryLater { .. } => "try_later",
            Self::OutcomeUnknown { .. } => "outcome_unknown",
        }
    }

    /// Whether the service was surely not asked.
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::TryLater { cause, .. } => cause.is_unsent(),
            Self::NotFound { .. } | Self::Refused { .. } | Self::OutcomeUnknown { .. } => false,
        }
    }

    /// Whether the service has answered, be it with a no.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Refused { .. } => true,
            Self::TryLater { .. } | Self::OutcomeUnknown { .. } => false,
        }
    }
}

/// What a service said as it refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The status of its answer.
    pub status: u16,
    /// Its name for programs, such as `INSUFFICIENT_STOCK`; empty where it gave none.
    pub code: ForeignText,
    /// Its words for people; empty where it gave none.
    pub message: ForeignText,
    /// The parts of it.
    pub details: Map<String, Value>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.message.as_str()) {
            ("", "") => write!(f, "status {}", self.status),
            ("", message) => f.write_str(message),
            (code, "") => f.write_str(code),
            (code, message) => write!(f, "{code}: {message}"),
        }
    }
}

/// What went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// It failed too often lately: it is not asked for a while.
    #[error("the circuit breaker is open")]
    CircuitOpen,
    /// Not enough of the deadline is left for an attempt.
    #[error("there is no time left for an attempt")]
    NoTime,
    /// No token could be had for it.
    #[error("there is no token for it: {0}")]
    NoToken(String),
    /// No connection could be made.
    #[error("it cannot be reached")]
    NotConnected,
    /// It did not answer in time.
    #[error("no answer within {limit:?}")]
    TimedOut {
        /// Of one attempt.
        limit: Duration,
    },
    /// The connection ended before the answer was there.
    #[error("the connection was lost")]
    ConnectionLost,
    /// It answered with a status that tells of a fault.
    #[error("status {0}")]
    Status(u16),
    /// It answered with a redirect; none is followed.
    #[error("it redirects (status {0}), which is not followed")]
    Redirected(u16),
    /// Its answer is too large to be read.
    #[error("the answer has more than {bytes_max} bytes")]
    TooLarge {
        /// What is read.
        bytes_max: usize,
    },
    /// Its answer is not what was asked for.
    #[error("the answer cannot be used: {0}")]
    Unusable(String),
}

impl Cause {
    /// Whether the request surely never left.
    pub fn is_unsent(&self) -> bool {
        match self {
            Self::CircuitOpen | Self::NoTime | Self::NoToken(_) | Self::NotConnected => true,
            Self::TimedOut { .. }
            | Self::ConnectionLost
            | Self::Status(_)
            | Self::Redirected(_)
            | Self::TooLarge { .. }
            | Self::Unusable(_) => false,
        }
    }

    /// Whether the same request may succeed in a moment.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::NotConnected | Self::TimedOut { .. } | Self::ConnectionLost | Self::Status(_) => true,
            Self::CircuitOpen
            | Self::NoTime
            | Self::NoToken(_)
            | Self::Redirected(_)
            | Self::TooLarge { .. }
            | Self::Unusable(_) => false,
        }
    }

    /// Whether it says something about the service, and not about us.
    pub(super) fn is_its_fault(&self) -> bool {
        match self {
            Self::CircuitOpen | Self::NoTime | Self::NoToken(_) => false,
            Self::NotConnected
            | Self::TimedOut { .. }
            | Self::ConnectionLost
            | Self::Status(_)
            | Self::Redirected(_)
            | Self::TooLarge { .. }
            | Self::Unusable(_) => true,
        }
    }
}
