//! Bodies of what succeeded: `{"success": true, "data": …}`, from which callers read `data`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

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

/// `data` with another status that tells of success.
pub fn with<T: Serialize>(status: StatusCode, data: &T) -> Response {
    (status, Json(Success { success: true, data })).into_response()
}
