//! Bodies and parameters of requests, each refused in the service's own shape. A refusal says where it is wrong and never
//! repeats what stands there, which may be personal.

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use order_domain::Invalid;
use order_domain::value::id::{OrderId, ProductId};
use order_domain::value::text::ForeignText;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::{Deserializer, json};
use utoipa::IntoParams;

use crate::problem::Problem;
use crate::request::Object;

/// What the schemas say of a reason.
const REASON_BYTES_MAX: usize = 1024;

/// A JSON body. Fields that are not known are passed over.
pub struct Body<T> {
    pub value: T,
    /// As it was sent.
    pub bytes: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_type(request.headers())?;
        let bytes = Bytes::from_request(request, state).await?;
        let value = read(&bytes)?;
        Ok(Self { value, bytes })
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let (status, message) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has to be application/json");
    Err(Problem::new(status, "UNSUPPORTED_MEDIA_TYPE", message, json!({ "expected": "application/json" })))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = Deserializer::from_slice(bytes);
    let Object(read) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        problem(error.inner(), &path)
    })?;
    deserializer.end().map_err(|error| problem(&error, "."))?;
    Ok(read)
}

fn problem(error: &serde_json::Error, path: &str) -> Problem {
    let mut details = json!({ "line": error.line(), "column": error.column() });
    if error.classify() != Category::Data {
        return Problem::bad_request("MALFORMED_JSON", "the body is no JSON", details);
    }
    let text = error.to_string();
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    details["field"] = path.into();
    if let Some(missing) = missing {
        details["missing"] = missing.into();
        return Problem::bad_request("MISSING_FIELD", format!("the field {missing} is missing"), details);
    }
    Problem::bad_request("INVALID_FIELD", "a field of the body is not of its type", details)
}

/// A text as the domain takes one: not empty, not too long, no control character.
pub fn text(field: &'static str, text: &str, bytes_max: usize) -> Result<(), Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::Empty { field });
    }
    if text.len() > bytes_max {
        return Err(Invalid::TooLong { field, bytes: text.len(), bytes_max });
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::Malformed { field, expected: "text without control characters" });
    }
    Ok(())
}

/// A text that somebody else has said, within the same limits.
pub fn foreign(field: &'static str, said: String) -> Result<ForeignText, Invalid> {
    text(field, &said, REASON_BYTES_MAX)?;
    Ok(ForeignText::new(said))
}

/// The order that the path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OrderPath {
    /// Names the order; at most 255 bytes.
    #[param(rename = "orderId", value_type = String, min_length = 1, max_length = 255)]
    pub order_id: OrderId,
}

impl<S: Send + Sync> FromRequestParts<S> for OrderPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        Ok(Self { order_id: OrderId::new(path?.0)? })
    }
}

/// The product that a path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ProductPath {
    /// Names the product; at most 255 bytes.
    #[param(rename = "productId", value_type = String, min_length = 1, max_length = 255)]
    pub product_id: ProductId,
}

impl<S: Send + Sync> FromRequestParts<S> for ProductPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        Ok(Self { product_id: ProductId::new(path?.0)? })
    }
}

/// Parameters of the query.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        Ok(Self(query?.0))
    }
}
