//! The one place where a wait gets its deadline. Everything that waits for a service goes through it, so that nothing waits for ever.

use std::future::Future;
use std::time::Duration;

/// The wait took longer than its limit.
#[derive(Debug, thiserror::Error)]
#[error("{what} took longer than {limit:?}")]
pub(crate) struct Elapsed {
    what: &'static str,
    limit: Duration,
}

/// Waits for `future` at most `limit`; `what` names the wait in the error.
pub(crate) async fn deadline<F: Future>(limit: Duration, what: &'static str, future: F) -> Result<F::Output, Elapsed> {
    tokio::time::timeout(limit, future).await.map_err(|_| Elapsed { what, limit })
}
