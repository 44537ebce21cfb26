//! A wait with a limit, and an error that says what took too long. Used by calls to a service, so that
//! none waits for ever; loops that wait until a point in time use tokio's timers.

use std::future::Future;
use std::time::Duration;

/// A wait took longer than its limit.
#[derive(Debug, thiserror::Error)]
#[error("{what} took longer than {limit:?}")]
pub(crate) struct Elapsed {
    what: &'static str,
    limit: Duration,
}

/// Waits for `future` for at most `limit`. `what` names the wait in the error.
pub(crate) async fn deadline<F: Future>(limit: Duration, what: &'static str, future: F) -> Result<F::Output, Elapsed> {
    tokio::time::timeout(limit, future).await.map_err(|_| Elapsed { what, limit })
}
