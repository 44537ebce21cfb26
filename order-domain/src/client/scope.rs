//! What a call belongs to: the moment by which everything has to be done, and the operation that the neighbour is told of.
//! Made once for a request and handed to every call that the request makes.

use std::time::Duration;

use tokio::time::Instant;

use crate::Context;
use crate::value::id::CorrelationId;
use crate::value::traceparent::TraceParent;

/// When everything has to be done. It comes down from the request: calls, retries and waits share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// That long from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// This one, or `limit` from now where that is earlier.
    pub fn within(self, limit: Duration) -> Self {
        self.min(Self::after(limit))
    }

    /// This one, brought forward by `reserve` for what is to be done after the calls.
    pub fn less(self, reserve: Duration) -> Self {
        Self(self.0.checked_sub(reserve).unwrap_or_else(Instant::now))
    }

    /// How much time is left; zero once it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub(crate) fn instant(self) -> Instant {
        self.0
    }
}

/// What a call belongs to.
#[derive(Debug, Clone)]
pub struct Scope {
    /// When it has to be done.
    pub deadline: Deadline,
    /// Sent as `X-Correlation-Id`.
    pub correlation_id: Option<CorrelationId>,
    /// Sent as `traceparent`.
    pub traceparent: Option<TraceParent>,
}

impl Scope {
    /// Of a command's context.
    pub fn of(context: &Context, deadline: Deadline) -> Self {
        Self { deadline, correlation_id: context.correlation_id.clone(), traceparent: context.traceparent.clone() }
    }

    /// Of nothing but a deadline, for jobs.
    pub fn until(deadline: Deadline) -> Self {
        Self { deadline, correlation_id: None, traceparent: None }
    }

    /// The same, with `id` where there is no correlation id.
    pub fn or_correlated(mut self, id: &str) -> Self {
        if self.correlation_id.is_none() {
            self.correlation_id = CorrelationId::new(id).ok();
        }
        self
    }

    /// The same with an earlier deadline.
    pub fn by(&self, deadline: Deadline) -> Self {
        Self { deadline: self.deadline.min(deadline), ..self.clone() }
    }
}
