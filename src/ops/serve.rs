//! The admin port's connections. Their number, time and size are limited, so that nobody who
//! reaches the port can lock out others.
//!
//! Called by `app` with the pages of `admin`. Each connection serves one request and lives no
//! longer than `CONNECTION_MAX`, however slowly it sends or reads. Beyond `CONNECTIONS_MAX`, the
//! oldest connection that has not sent its request yet is closed. So idle connections, even a
//! thousand, neither delay a scrape nor use up file descriptors.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::deadline::deadline;

/// The deadline for a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest head of a request, in bytes; larger ones get 431.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The deadline for a whole connection: head, answer, and reading the answer.
const CONNECTION_MAX: Duration = Duration::from_secs(15);
/// The most open connections.
const CONNECTIONS_MAX: usize = 64;
/// The pause after accepting failed, for example without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled.
pub async fn serve(listener: TcpListener, pages: Router, stop: CancellationToken) {
    let (mut tasks, mut open) = (JoinSet::new(), VecDeque::new());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    make_room(&mut open);
                    let asked = Arc::new(AtomicBool::new(false));
                    let task = tasks.spawn(converse(stream, from, pages.clone(), Arc::clone(&asked)));
                    open.push_back(Open { task, asked });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection to the admin port could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

struct Open {
    task: AbortHandle,
    /// Whether its request has arrived.
    asked: Arc<AtomicBool>,
}

/// If there are too many connections, ends the oldest one without a request, or the oldest of all.
fn make_room(open: &mut VecDeque<Open>) {
    open.retain(|connection| !connection.task.is_finished());
    if open.len() < CONNECTIONS_MAX {
        return;
    }
    let silent = open.iter().position(|connection| !connection.asked.load(Ordering::Relaxed));
    if let Some(connection) = open.remove(silent.unwrap_or(0)) {
        connection.task.abort();
    }
}

async fn converse(stream: TcpStream, from: SocketAddr, pages: Router, asked: Arc<AtomicBool>) {
    let pages = TowerToHyperService::new(pages);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(from);
        let request: Request = request.map(axum::body::Body::new);
        hyper::service::Service::call(&pages, request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Only the peer fails here: it went away, was too slow, or did not speak HTTP.
    match deadline(CONNECTION_MAX, "a connection to the admin port", connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "a connection to the admin port ended"),
        Err(error) => tracing::trace!(%error, "a connection to the admin port was cut off"),
    }
}
