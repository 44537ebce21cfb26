//! Bodies of what failed: `{"success": false, "error": {code, message, details}}`, as the platform's documents show them.
//! The one place where refusals and faults become a status.
//!
//! 400: no request that can be read. 422: it can be read, and has a value that no order can have. 409: it is at odds with
//! the state of the order. 503: try again.

use axum::Json;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use order_domain::value::id::NotificationId;
use order_domain::{Invalid, Refusal};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::store::StoreError;

/// Seconds after which a client may try again what could not be done now.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Why there is no answer to a request. Boxed, because every result has room for it.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Map<String, Value>,
    /// For the log, and nobody else.
    cause: Option<String>,
}

/// What the log is told of a problem. Handed on beside the response.
#[derive(Clone)]
pub struct Told {
    pub code: &'static str,
    pub cause: Option<String>,
}

/// What failed.
#[derive(Serialize, ToSchema)]
pub struct Failure {
    /// Always false.
    success: bool,
    error: ErrorBody,
}

/// What is wrong: for programs, for people, and in parts.
#[derive(Serialize, ToSchema)]
struct ErrorBody {
    /// A stable name.
    #[schema(pattern = "^[A-Z_]+$")]
    code: &'static str,
    message: String,
    #[schema(value_type = Object)]
    details: Map<String, Value>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>, details: Value) -> Self {
        let details = match details {
            Value::Object(details) => details,
            other => unreachable!("details are written as an object: {other}"),
        };
        Self::of(status, code, message.into(), details)
    }

    fn of(status: StatusCode, code: &'static str, message: String, details: Map<String, Value>) -> Self {
        Self(Box::new(Parts { status, code, message, details, cause: None }))
    }

    /// Tells the log why.
    fn because(mut self, cause: String) -> Self {
        self.0.cause = Some(cause);
        self
    }

    /// The body is no JSON of the expected form, or there is none.
    pub fn bad_request(code: &'static str, message: impl Into<String>, details: Value) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, details)
    }

    /// There is nothing under this path.
    pub fn path(uri: &Uri) -> Self {
        let path: String = uri.path().chars().take(256).collect();
        Self::new(StatusCode::NOT_FOUND, "UNKNOWN_PATH", "there is nothing under this path", json!({ "path": path }))
    }

    /// The order has no such notification.
    pub fn notification(id: &NotificationId) -> Self {
        let details = json!({ "notificationId": id });
        Self::new(StatusCode::NOT_FOUND, "NOTIFICATION_NOT_FOUND", "the order has no such notification", details)
    }

    /// The path is there, for other methods.
    pub fn method(method: &Method) -> Self {
        let details = json!({ "method": method.as_str() });
        let message = "this path is for other methods: the Allow header names them";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message, details)
    }

    /// The request took too long.
    pub fn deadline(seconds: u64) -> Self {
        let message = format!("the request was not done within {seconds} seconds");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "DEADLINE_EXCEEDED", message, json!({ "seconds": seconds }))
    }

    fn unavailable(code: &'static str, message: &str, cause: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message, json!({})).because(cause)
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Refusal::from(invalid).into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = if refusal.is_invalid_input() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::CONFLICT };
        Self::of(status, refusal.code(), refusal.to_string(), refusal.details())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let cause = error.cause();
        match error {
            StoreError::Refused(refusal) => (*refusal).into(),
            StoreError::NotFound(id) => {
                let details = json!({ "orderId": id });
                Self::new(StatusCode::NOT_FOUND, "ORDER_NOT_FOUND", "there is no such order", details)
            }
            StoreError::KeyReused(key) => {
                let message = "the idempotency key has been used with another body";
                Self::new(StatusCode::CONFLICT, "IDEMPOTENCY_KEY_REUSED", message, json!({ "idempotencyKey": key }))
            }
            StoreError::NoDeadLetter(id) => {
                let details = json!({ "deadLetterId": id });
                Self::new(StatusCode::NOT_FOUND, "DEAD_LETTER_NOT_FOUND", "there is no such dead letter", details)
            }
            StoreError::DeadLetterClosed(id) => {
                let message = "the dead letter was replayed or resolved before";
                Self::new(StatusCode::CONFLICT, "DEAD_LETTER_CLOSED", message, json!({ "deadLetterId": id }))
            }
            StoreError::NotWhole(id) => {
                let message = "the body was larger than is kept: it can be resolved, not replayed";
                Self::new(StatusCode::CONFLICT, "NOT_REPLAYABLE", message, json!({ "deadLetterId": id }))
            }
            StoreError::Dead(dead) => {
                let message = "this fact is of no use";
                let details = json!({ "reason": dead.reason.as_str(), "detail": dead.detail });
                Self::new(StatusCode::CONFLICT, dead.reason.as_str(), message, details)
            }
            StoreError::Busy(_) | StoreError::NoConnection(_) => {
                Self::unavailable("TRY_AGAIN", "this cannot be done now, and was not", cause)
            }
            StoreError::OutcomeUnknown(_) => {
                let message = "the database did not answer whether this was done: read the order, or repeat an order that was placed";
                Self::unavailable("OUTCOME_UNKNOWN", message, cause)
            }
            StoreError::TooMuch(_) => {
                let message = "what others are to be told of this is larger than a message may be";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "TOO_LARGE", message, json!({}))
            }
            StoreError::Broken(_) => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, "INTERNAL_ERROR", "this is a fault of the service", json!({})).because(cause)
            }
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let message = "the body is larger than is taken";
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", message, json!({}));
        }
        Self::bad_request("BODY_INCOMPLETE", "the body did not arrive whole", json!({}))
    }
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::bad_request("MALFORMED_PATH", "the path is no percent-encoded UTF-8", json!({}))
    }
}

impl From<QueryRejection> for Problem {
    fn from(_: QueryRejection) -> Self {
        let message = "a parameter of the query is not of its type, or is there twice";
        Self::bad_request("MALFORMED_QUERY", message, json!({}))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Parts { status, code, message, details, cause } = *self.0;
        let told = Told { code, cause };
        let error = ErrorBody { code, message, details };
        let mut response = (status, Json(Failure { success: false, error })).into_response();
        response.extensions_mut().insert(told);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}
