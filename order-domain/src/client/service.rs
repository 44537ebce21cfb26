//! A call to a service: the breaker outside, the retries inside it, one deadline around both. The clients of the four services say what
//! is asked and how the answer is read; everything else is here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::Retryable as _;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use tokio::time::Instant;

use super::body::{self, Said};
use super::breaker::{BreakerPolicy, BreakerState, End};
use super::error::{CallError, Cause, Refused};
use super::gate::Gate;
use super::http::{Answer, Exchange, Http};
use super::observer::CallObserver;
use super::retry::{Fault, RetryPolicy};
use super::scope::{Deadline, Scope};
use super::token::Tokens;

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A service that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Neighbour {
    /// The Product Service.
    Product,
    /// The Inventory Service.
    Inventory,
    /// The User Service.
    User,
    /// The Payment Service.
    Payment,
}

impl Neighbour {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Product, Self::Inventory, Self::User, Self::Payment];

    /// The name in labels and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Inventory => "inventory",
            Self::User => "user",
            Self::Payment => "payment",
        }
    }
}

impl fmt::Display for Neighbour {
    /// As the documents write it: `Product Service`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Product => "Product Service",
            Self::Inventory => "Inventory Service",
            Self::User => "User Service",
            Self::Payment => "Payment Service",
        })
    }
}

/// How a service is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPolicy {
    /// For one attempt, with the reading of its answer.
    pub attempt: Duration,
    /// How attempts are repeated.
    pub retry: RetryPolicy,
    /// When the service is left alone.
    pub breaker: BreakerPolicy,
    /// Bytes of an answer that are read.
    pub body_bytes_max: usize,
}

/// What every client needs to call.
#[derive(Clone)]
pub struct Caller {
    /// The connections.
    pub http: Http,
    /// Who we are.
    pub tokens: Tokens,
    /// Who is told.
    pub observer: Arc<dyn CallObserver>,
}

/// A service, as it is called.
pub(super) struct Service {
    neighbour: Neighbour,
    base: Url,
    policy: CallPolicy,
    gate: Gate,
    caller: Caller,
}

/// What is asked.
pub(super) struct Request<'a> {
    /// For metrics.
    pub operation: &'static str,
    pub method: Method,
    /// Below the base address; each segment is escaped.
    pub path: &'a [&'a str],
    pub body: Option<Vec<u8>>,
    /// Whether doing it twice is doing it once.
    pub is_repeatable: bool,
    pub idempotency_key: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub fn get(operation: &'static str, path: &'a [&'a str]) -> Self {
        Self { operation, method: Method::GET, path, body: None, is_repeatable: true, idempotency_key: None }
    }

    pub fn put(operation: &'static str, path: &'a [&'a str]) -> Self {
        Self { method: Method::PUT, ..Self::get(operation, path) }
    }

    /// One that may be done twice if it is sent twice.
    pub fn post(operation: &'static str, path: &'a [&'a str], body: &impl serde::Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("bodies have text keys and no failing parts");
        Self { method: Method::POST, body: Some(body), is_repeatable: false, ..Self::get(operation, path) }
    }

    pub fn repeatable(self) -> Self {
        Self { is_repeatable: true, ..self }
    }
}

/// How an attempt ended that has no answer to hand on.
enum Failure {
    NotFound,
    Refused(Box<Refused>),
    Fault(Fault),
}

impl Failure {
    fn of(cause: Cause) -> Self {
        Self::Fault(Fault { cause, retry_after: None })
    }

    fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::NotFound | Self::Refused(_) => None,
        }
    }
}

impl Service {
    /// The service at `base`, such as `https://products.example/`.
    pub fn new(neighbour: Neighbour, base: &str, policy: CallPolicy, caller: &Caller) -> Result<Self, String> {
        let base: Url = base.parse().map_err(|error| format!("the address of {neighbour}: {error}"))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() || base.query().is_some() {
            return Err(format!("the address of {neighbour} is not http://host:port/path"));
        }
        let gate = Gate::new(neighbour, policy.breaker, Arc::clone(&caller.observer));
        Ok(Self { neighbour, base, policy, gate, caller: caller.clone() })
    }

    pub fn state(&self) -> BreakerState {
        self.gate.state()
    }

    /// Asks, and reads the answer with `read`, which gets the JSON text of its data.
    pub async fn call<T>(
        &self,
        request: Request<'_>,
        scope: &Scope,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CallError> {
        let started = Instant::now();
        let called = self.passed(&request, scope, read).await;
        let outcome = called.as_ref().map_or_else(CallError::outcome, |_| "ok");
        self.caller.observer.called(self.neighbour, request.operation, outcome, started.elapsed().as_secs_f64());
        if let Err(error) = &called
            && !error.is_answer()
        {
            let correlation_id = scope.correlation_id.as_ref().map(|id| id.as_str());
            let (service, operation) = (self.neighbour.as_str(), request.operation);
            tracing::debug!(service, operation, outcome, correlation_id, cause = %error, "a call has no answer");
        }
        called
    }

    /// Within the breaker: one call is one sample, however many attempts it took.
    async fn passed<T>(
        &self,
        request: &Request<'_>,
        scope: &Scope,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CallError> {
        let later = |cause| CallError::TryLater { service: self.neighbour, cause, retry_after: None };
        let url = self.url(request.path)?;
        let deadline = scope.deadline.within(self.policy.retry.total);
        if deadline.left() < self.policy.attempt {
            return Err(later(Cause::NoTime));
        }
        let pass = self.gate.pass().ok_or_else(|| later(Cause::CircuitOpen))?;
        let called = match self.headers(request, scope, deadline).await {
            Ok(headers) => self.attempts(request, &url, &headers, deadline, read).await,
            Err(cause) => Err(Failure::of(cause)),
        };
        let end = match &called {
            Ok(_) | Err(Failure::NotFound | Failure::Refused(_)) => End::Answered,
            Err(Failure::Fault(fault)) if fault.cause.is_its_fault() => End::Failed,
            Err(Failure::Fault(_)) => End::Dropped,
        };
        pass.ended(end);
        called.map_err(|failure| self.error(failure, request.is_repeatable))
    }

    async fn attempts<T>(
        &self,
        request: &Request<'_>,
        url: &Url,
        headers: &HeaderMap,
        deadline: Deadline,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let attempt = || self.attempt(request, url, headers, deadline, &read);
        let (policy, neighbour) = (&self.policy, self.neighbour);
        attempt
            .retry(Delays(policy.retry.delays()))
            .sleep(tokio::time::sleep)
            .when(|failure| failure.fault().is_some())
            .adjust(|failure: &Failure, next| {
                let fault = failure.fault()?;
                policy.retry.delay(fault, request.is_repeatable, next, deadline.left(), policy.attempt)
            })
            .notify(|failure: &Failure, delay| {
                let cause = failure.fault().map(|fault| fault.cause.to_string());
                let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(service = neighbour.as_str(), cause, delay_ms, "an attempt failed and is repeated");
                self.caller.observer.retried(neighbour);
            })
            .await
    }

    async fn attempt<T>(
        &self,
        request: &Request<'_>,
        url: &Url,
        headers: &HeaderMap,
        deadline: Deadline,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        // Waking from the delay takes some time as well, so a little less than a whole attempt may be left.
        let limit = self.policy.attempt.min(deadline.left());
        let exchange = Exchange {
            method: request.method.clone(),
            url: url.clone(),
            headers: headers.clone(),
            body: request.body.as_deref(),
            body_bytes_max: self.policy.body_bytes_max,
        };
        let answer = match tokio::time::timeout(limit, self.caller.http.exchange(exchange)).await {
            Ok(answer) => answer.map_err(Failure::of)?,
            Err(_) => return Err(Failure::of(Cause::TimedOut { limit })),
        };
        self.answered(&answer, read)
    }

    fn answered<T>(&self, answer: &Answer, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Failure> {
        let Answer { status, retry_after, body } = answer;
        let status = *status;
        match status {
            200..=299 => match body::read(status, body) {
                Ok(Said::Data(data)) => read(data).map_err(|error| Failure::of(Cause::Unusable(error))),
                Ok(Said::Refused(refused)) => Err(Failure::Refused(Box::new(refused))),
                Err(error) => Err(Failure::of(Cause::Unusable(error))),
            },
            300..=399 => Err(Failure::of(Cause::Redirected(status))),
            404 => Err(Failure::NotFound),
            429 => Err(Failure::Fault(Fault { cause: Cause::Status(status), retry_after: *retry_after })),
            400..=499 => {
                if status == 401 {
                    self.caller.tokens.rejected();
                }
                Err(Failure::Refused(Box::new(body::refusal(status, body))))
            }
            _ => Err(Failure::Fault(Fault { cause: Cause::Status(status), retry_after: *retry_after })),
        }
    }

    fn error(&self, failure: Failure, is_repeatable: bool) -> CallError {
        let service = self.neighbour;
        match failure {
            Failure::NotFound => CallError::NotFound { service },
            Failure::Refused(refused) => CallError::Refused { service, refused },
            // A 429 says that nothing was done.
            Failure::Fault(Fault { cause, retry_after })
                if is_repeatable || cause.is_unsent() || cause == Cause::Status(429) =>
            {
                CallError::TryLater { service, cause, retry_after }
            }
            Failure::Fault(Fault { cause, .. }) => CallError::OutcomeUnknown { service, cause },
        }
    }

    /// The address of what is asked. A segment that an address cannot have names nothing.
    fn url(&self, path: &[&str]) -> Result<Url, CallError> {
        if path.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(CallError::NotFound { service: self.neighbour });
        }
        let mut url = self.base.clone();
        url.path_segments_mut().expect("the address was checked to be a base").pop_if_empty().extend(path);
        Ok(url)
    }

    async fn headers(&self, request: &Request<'_>, scope: &Scope, deadline: Deadline) -> Result<HeaderMap, Cause> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, JSON);
        if request.body.is_some() {
            headers.insert(CONTENT_TYPE, JSON);
        }
        // Ids have no control characters, so each is a header's value.
        let mut add = |name: HeaderName, value: Option<&str>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
                headers.insert(name, value);
            }
        };
        add(CORRELATION_ID, scope.correlation_id.as_ref().map(|id| id.as_str()));
        add(TRACEPARENT, scope.traceparent.as_ref().map(|trace| trace.as_str()));
        add(IDEMPOTENCY_KEY, request.idempotency_key);
        if let Some(bearer) = self.caller.tokens.bearer(&self.caller.http, deadline).await.map_err(Cause::NoToken)? {
            headers.insert(AUTHORIZATION, bearer);
        }
        Ok(headers)
    }
}

/// The delays are made once for each call.
struct Delays(backon::ExponentialBackoff);

impl backon::BackoffBuilder for Delays {
    type Backoff = backon::ExponentialBackoff;

    fn build(self) -> Self::Backoff {
        self.0
    }
}
