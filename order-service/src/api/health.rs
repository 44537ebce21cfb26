//! Whether the service can do anything.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success, ok};
use crate::app::App;

/// That it can.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `UP`.
    status: &'static str,
}

/// Asks the database; 503 where it does not answer.
#[utoipa::path(get, path = "/health", tag = "service", responses((status = 200, body = Success<Health>)))]
pub async fn health(State(app): State<App>) -> Answer {
    app.store.ping().await?;
    Ok(ok(&Health { status: "UP" }))
}
