//! What surrounds every request: its deadline, and one line in the log that says how it went. No line has a body, a
//! query or a name.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use order_domain::value::id::CorrelationId;

use crate::operation::{CORRELATION_ID, correlation_id};
use crate::problem::{Problem, Told};

/// Answers 503 where a request is not done within `limit`. What it had begun in the database is rolled back.
pub async fn deadline(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::deadline(limit.as_secs()).into_response(),
    }
}

/// Gives the request its correlation id, and tells the log how it went.
pub async fn log(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let mut response = match correlation_id(request.headers()) {
        Ok(id) => {
            request.extensions_mut().insert(id.clone());
            let mut response = next.run(request).await;
            response.extensions_mut().insert(id);
            response
        }
        Err(problem) => problem.into_response(),
    };
    let id = response.extensions().get::<CorrelationId>().map(ToString::to_string).unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&id)
        && !id.is_empty()
    {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let told = response.extensions().get::<Told>();
    let code = told.map(|told| told.code);
    let cause = told.and_then(|told| told.cause.as_deref());
    if status >= 500 {
        tracing::error!(%method, path, status, code, cause, duration_ms, correlation_id = id, "request failed");
    } else {
        tracing::info!(%method, path, status, code, duration_ms, correlation_id = id, "request");
    }
    response
}
