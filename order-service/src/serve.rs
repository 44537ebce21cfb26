//! The connections of clients: bounded in number, in the size of a request's head and in the time it may take. Called by
//! `main`; the router answers, and its deadlines are its own.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// A request's head arrives within this; an idle connection is closed after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// More is answered with 431.
const HEAD_BYTES_MAX: usize = 32 << 10;
/// After accepting failed, as it does without file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets requests that have begun end, for at most `drain`.
pub async fn serve(listener: TcpListener, service: Service, stop: impl Future<Output = ()>, drain: Duration) {
    let (graceful, mut stop) = (GracefulShutdown::new(), pin!(stop));
    let room = Arc::new(Semaphore::new(service.connections_max));
    loop {
        let free = Arc::clone(&room).acquire_owned();
        let accepted = async {
            let permit = free.await.expect("nobody closes the semaphore");
            (permit, listener.accept().await)
        };
        tokio::select! {
            () = &mut stop => break,
            (permit, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let conversation = graceful.watch(connection(stream, service.router.clone()));
                    tokio::spawn(async move {
                        // What goes wrong here is the client's: it went away, was too slow or sent no HTTP.
                        if let Err(error) = conversation.await {
                            tracing::debug!(%error, "a connection ended");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(seconds = drain.as_secs(), "some requests did not end in time and are cut off");
    }
}

/// What is served, and to how many at a time.
pub struct Service {
    pub router: Router,
    pub connections_max: usize,
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router) -> Connection {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}
