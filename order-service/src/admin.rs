//! The admin port: `/metrics` for Prometheus, on an address of its own, so that what is counted is not for whoever may place orders.
//! Started by `main` where `--admin-listen` is given.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::serve::{Service, serve};
use crate::settings::Settings;

/// Prometheus, a person, and one more.
const CONNECTIONS_MAX: usize = 16;
/// A page that has begun is written within this.
const DRAIN: Duration = Duration::from_secs(1);

/// Listens, if an address is given, until `stop`.
pub async fn start(
    settings: &Settings,
    metrics: &Arc<Metrics>,
    stop: &CancellationToken,
) -> Result<Option<JoinHandle<()>>, String> {
    let Some(address) = settings.admin_listen else { return Ok(None) };
    let listener = TcpListener::bind(address).await.map_err(|e| format!("listening on {address}: {e}"))?;
    let address = listener.local_addr().map_err(|e| format!("asking for the admin port's address: {e}"))?;
    tracing::info!(%address, "the admin port listens");
    let router = Router::new().route("/metrics", get(page)).with_state(Arc::clone(metrics));
    let service = Service { router, connections_max: CONNECTIONS_MAX };
    let stop = stop.clone();
    Ok(Some(tokio::spawn(async move { serve(listener, service, stop.cancelled(), DRAIN).await })))
}

async fn page(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.page() {
        Ok(page) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], page).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
