//! The admin port: `/livez`, `/readyz`, `/metrics`, `/status` and `POST /wake`. Started by `app`.
//!
//! A sidecar's readiness is the pod's: it says that the configuration is loaded and the loop runs, never how the broker or the database
//! are, or a broker outage would take the order service down (hazard D2). Writes are refused from anywhere but loopback unless
//! configured.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::deadline::deadline;
use crate::ops::metrics::Metrics;
use crate::relay::broker::LinkState;
use crate::relay::wake::{Cause, Hints};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests answered at one time.
const REQUESTS_MAX: usize = 32;

/// Who may poke the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WakeFrom {
    /// This host only.
    Loopback,
    /// Anyone who reaches the port.
    Any,
}

/// What the admin port shows and does.
#[derive(Clone)]
pub struct Admin {
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Where pokes go.
    pub hints: Hints,
    /// The broker link.
    pub link: watch::Receiver<LinkState>,
    /// Who may poke.
    pub wake_from: WakeFrom,
    /// Bounds the requests.
    pub requests: Arc<Semaphore>,
}

impl Admin {
    /// For one process.
    pub fn new(metrics: Arc<Metrics>, hints: Hints, link: watch::Receiver<LinkState>, wake_from: WakeFrom) -> Self {
        Self { metrics, hints, link, wake_from, requests: Arc::new(Semaphore::new(REQUESTS_MAX)) }
    }
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/wake", post(wake))
        .layer(middleware::from_fn_with_state(admin.clone(), bounded))
        .with_state(admin);
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn bounded(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let Ok(_permit) = admin.requests.try_acquire() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many requests at one time\n").into_response();
    };
    match deadline(ANSWER_TIMEOUT, "the answer", next.run(request)).await {
        Ok(response) => response,
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let link = *admin.link.borrow();
    admin.metrics.broker(!matches!(link, LinkState::Down), matches!(link, LinkState::Blocked(_)));
    match admin.metrics.text() {
        Ok(text) => ([("content-type", "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status(State(admin): State<Admin>) -> Response {
    let (broker, generation) = match *admin.link.borrow() {
        LinkState::Down => ("down", None),
        LinkState::Up(generation) => ("up", Some(generation)),
        LinkState::Blocked(generation) => ("blocked", Some(generation)),
    };
    axum::Json(json!({ "version": env!("CARGO_PKG_VERSION"), "broker": broker, "generation": generation }))
        .into_response()
}

async fn wake(State(admin): State<Admin>, ConnectInfo(from): ConnectInfo<SocketAddr>) -> Response {
    let allowed = match admin.wake_from {
        WakeFrom::Any => true,
        WakeFrom::Loopback => is_loopback(from.ip()),
    };
    if !allowed {
        return (StatusCode::FORBIDDEN, "only from loopback; see --wake-from\n").into_response();
    }
    admin.hints.give(Cause::Poke);
    StatusCode::NO_CONTENT.into_response()
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised_in_both_families_and_mapped() {
        for address in ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback(address.parse().expect("an address")), "{address}");
        }
        for address in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1"] {
            assert!(!is_loopback(address.parse().expect("an address")), "{address}");
        }
    }
}
