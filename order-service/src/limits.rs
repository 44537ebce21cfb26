//! What surrounds every request: its deadline, and one line in the log that says how it went. No line has a body, a
//! query or a name.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use order_domain::client::Deadline;
use order_domain::value::id::CorrelationId;

use crate::operation::{CORRELATION_ID, correlation_id};
use crate::problem::{Problem, Told};

/// Of an order's id in the log; a longer one is refused anyway.
const ORDER_ID_CHARS_MAX: usize = 255;

/// Answers 503 where a request is not done within `limit`. What it had begun in the database is rolled back.
/// Calls to other services that the request makes share the deadline.
pub async fn deadline(State(limit): State<Duration>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Deadline::after(limit));
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::deadline(limit.as_secs()).into_response(),
    }
}

/// Reads the client's correlation id, and tells the log how the request went.
pub async fn log(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let order_id = order_id(&path, request.uri().path());
    let (correlation_id, response) = match correlation_id(request.headers()) {
        Ok(None) => (None, next.run(request).await),
        Ok(Some(id)) => {
            request.extensions_mut().insert(id.clone());
            let mut response = next.run(request).await;
            let value = HeaderValue::from_str(id.as_str()).expect("it was read from a header");
            response.headers_mut().insert(CORRELATION_ID, value);
            (Some(id), response)
        }
        Err(problem) => (None, problem.into_response()),
    };
    let correlation_id = correlation_id.as_ref().map(CorrelationId::as_str);
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let told = response.extensions().get::<Told>();
    let code = told.map(|told| told.code);
    let cause = told.and_then(|told| told.cause.as_deref());
    if status >= 500 {
        tracing::error!(%method, path, order_id, status, code, cause, duration_ms, correlation_id, "request failed");
    } else {
        tracing::info!(%method, path, order_id, status, code, duration_ms, correlation_id, "request");
    }
    response
}

/// The order that the path names, as it stands there, cut short. It is in the log also where the request was refused.
fn order_id(template: &str, path: &str) -> Option<String> {
    let segment = path.split('/').nth(2).filter(|_| template.starts_with("/orders/{orderId}"))?;
    Some(segment.chars().take(ORDER_ID_CHARS_MAX).collect())
}
