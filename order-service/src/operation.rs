//! The operation that a request belongs to: its correlation id and its trace, which its events carry on.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use order_domain::Context;
use order_domain::value::id::CorrelationId;
use order_domain::value::traceparent::TraceParent;
use serde_json::json;

use crate::problem::Problem;

/// Named by the client, and given back with the answer. Where the client names none, the relay takes the order's id for it.
pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const TRACEPARENT: &str = "traceparent";
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What a key may have, of visible ASCII.
const KEY_BYTES_MAX: usize = 255;

/// The context of a command: now, within the operation of its request.
pub struct Operation(pub Context);

impl<S: Send + Sync> FromRequestParts<S> for Operation {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut context = Context::now();
        if let Some(id) = parts.extensions.get::<CorrelationId>() {
            context = context.with_correlation_id(id.clone());
        }
        // One that is malformed is passed over, as the standard asks.
        let trace: Option<TraceParent> = text(&parts.headers, TRACEPARENT).and_then(|text| text.parse().ok());
        Ok(Self(match trace {
            Some(trace) => context.with_traceparent(trace),
            None => context,
        }))
    }
}

/// The client's correlation id. None is made up: consumers expect the order's id where the client names no other.
pub fn correlation_id(headers: &HeaderMap) -> Result<Option<CorrelationId>, Problem> {
    let Some(given) = headers.get(CORRELATION_ID) else { return Ok(None) };
    let visible = given.to_str().ok().filter(|text| is_visible(text));
    let visible = visible.ok_or_else(|| {
        let expected = "visible ASCII";
        let details = json!({ "header": CORRELATION_ID.as_str(), "expected": expected });
        Problem::bad_request("MALFORMED_HEADER", "the correlation id has to be visible ASCII", details)
    })?;
    Ok(Some(CorrelationId::new(visible)?))
}

/// What the client calls this order, so that it can ask for it again.
pub struct IdempotencyKey(pub String);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let details = json!({ "header": IDEMPOTENCY_KEY, "bytesMax": KEY_BYTES_MAX });
        if !parts.headers.contains_key(IDEMPOTENCY_KEY) {
            let message = "an order needs an Idempotency-Key header, the same for every try to place it";
            return Err(Problem::bad_request("IDEMPOTENCY_KEY_MISSING", message, details));
        }
        match text(&parts.headers, IDEMPOTENCY_KEY) {
            Some(key) if is_visible(key) && key.len() <= KEY_BYTES_MAX => Ok(Self(key.to_owned())),
            Some(_) | None => {
                let message = "the Idempotency-Key has to be 1 to 255 characters of visible ASCII";
                Err(Problem::bad_request("MALFORMED_HEADER", message, details))
            }
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}
