//! The pages of the admin port: `/livez`, `/readyz`, `/metrics`, `/status` and `POST /wake`.
//! `serve` handles the connections; `app` starts it.
//!
//! A sidecar's readiness is its pod's. So `/readyz` says only that the configuration is loaded and
//! the loop runs, not whether the broker or the database is up; otherwise a broker outage would
//! take down the order service. It also stays 200 while the relay drains, because the
//! order service may keep running. `/livez` fails only if a step of a loop does not end.
//!
//! Only `/wake` has an effect, and only from loopback unless configured otherwise. The address is
//! the connection's; `X-Forwarded-For` is ignored. Requests that a browser sends for a web page are
//! refused, or any page open on a developer's machine could wake the relay. Anybody who reaches the
//! port can read the other pages, so they contain no secrets; a web page cannot, by whatever name it
//! reaches the port (`host`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::deadline::deadline;
use crate::ops::host::is_ours;
use crate::ops::metrics::Metrics;
use crate::ops::status::{self, Process, Sources};
use crate::outbox::broker::LinkState;
use crate::outbox::hints::{Cause, Hints};

/// The deadline for a request and its body.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// No request here needs a body.
const BODY_BYTES_MAX: usize = 1_024;

/// Who may wake the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WakeFrom {
    /// This host only.
    Loopback,
    /// Anyone who reaches the port.
    Any,
}

/// What the admin port needs.
#[derive(Clone)]
pub struct Admin {
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Where `/wake` reports its hints.
    pub hints: Hints,
    /// The sources of `/status` and of the liveness.
    pub sources: Sources,
    /// The constant part of `/status`.
    pub process: Process,
    /// Who may `POST /wake`.
    pub wake_from: WakeFrom,
    /// Cancelled when the relay stops.
    pub draining: CancellationToken,
}

/// The router. Each request carries the peer's address as an extension.
pub fn pages(admin: Admin) -> Router {
    let checked = middleware::from_fn_with_state(admin.clone(), may_wake);
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/status", get(show_status))
        .route("/wake", post(wake).layer(checked))
        .layer(middleware::from_fn(for_us))
        .layer(middleware::from_fn(in_time))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(admin)
}

/// HTTP/1.0 needs no `Host`, and browsers do not speak it.
async fn for_us(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or_default().to_owned());
    let own_name = std::env::var("HOSTNAME").unwrap_or_default();
    if host.is_none_or(|host| is_ours(&host, &own_name)) {
        return next.run(request).await;
    }
    let words = "this host is not the relay's; use its address, or a name of this host or of a private network\n";
    (StatusCode::MISDIRECTED_REQUEST, words).into_response()
}

async fn in_time(request: Request, next: Next) -> Response {
    match deadline(ANSWER_TIMEOUT, "the answer", next.run(request)).await {
        Ok(response) => response,
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn livez(State(admin): State<Admin>) -> Response {
    match admin.sources.vitals.pulse.stuck(Instant::now()) {
        None => "ok\n".into_response(),
        Some(stuck) => {
            let seconds = stuck.step.as_secs();
            let words = format!("{} has been in one step for {seconds} s\n", stuck.name);
            (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
        }
    }
}

async fn readyz(State(admin): State<Admin>) -> Response {
    if !admin.sources.vitals.pulse.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response();
    }
    if admin.draining.is_cancelled() { "draining\n" } else { "ok\n" }.into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let link = *admin.sources.link.borrow();
    admin.metrics.broker(!matches!(link, LinkState::Down), matches!(link, LinkState::Blocked(_)));
    admin.metrics.database_connected(admin.sources.vitals.database().connected);
    match admin.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn show_status(State(admin): State<Admin>) -> Response {
    let in_flight = admin.metrics.in_flight_now();
    let document = status::document(&admin.process, &admin.sources, admin.draining.is_cancelled(), in_flight);
    Json(document).into_response()
}

/// Checked before the body is read, so that nobody who may not wake the relay can make it wait.
async fn may_wake(
    State(admin): State<Admin>,
    Extension(from): Extension<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let allowed = match admin.wake_from {
        WakeFrom::Any => true,
        WakeFrom::Loopback => is_loopback(from.ip()),
    };
    if !allowed {
        return (StatusCode::FORBIDDEN, "only from loopback; see --wake-from\n").into_response();
    }
    if is_from_a_page(request.headers()) {
        return (StatusCode::FORBIDDEN, "not for a web page\n").into_response();
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
        return (StatusCode::PAYLOAD_TOO_LARGE, "send no body\n").into_response();
    }
    next.run(request).await
}

async fn wake(State(admin): State<Admin>, _body: Bytes) -> StatusCode {
    admin.hints.give(Cause::Poke);
    StatusCode::NO_CONTENT
}

/// Whether a web page sent the request: only browsers send these headers.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.get("sec-fetch-site").is_some_and(|site| site != "none")
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

    #[test]
    fn a_request_of_a_web_page_is_told_from_one_of_a_program() {
        let with = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a header value"));
            is_from_a_page(&headers)
        };
        assert!(with("origin", "https://evil.example") && with("origin", "null"));
        assert!(with("sec-fetch-site", "cross-site") && with("sec-fetch-site", "same-origin"));
        assert!(!with("sec-fetch-site", "none") && !with("user-agent", "curl/8"));
    }
}
