//! Bodies of what succeeded: `{"success": true, "data": …}`, from which callers read `data`.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// Says that it was there before the request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What a handler answers.
pub type Answer = Result<Response, Problem>;

/// What was asked for.
#[derive(Serialize, ToSchema)]
pub struct Success<T> {
    /// Always true.
    success: bool,
    data: T,
}

/// 200 with `data`.
pub fn ok<T: Serialize>(data: &T) -> Response {
    with(StatusCode::OK, data)
}

/// 200 with what an earlier request with the same idempotency key has made.
pub fn replayed<T: Serialize>(data: &T) -> Response {
    ([(REPLAYED, HeaderValue::from_static("true"))], ok(data)).into_response()
}

/// `data` with another status that tells of success.
pub fn with<T: Serialize>(status: StatusCode, data: &T) -> Response {
    (status, Json(Success { success: true, data })).into_response()
}
