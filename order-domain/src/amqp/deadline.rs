//! The one place where a wait of the consumers gets its deadline.

use std::future::Future;
use std::time::Duration;

/// For one answer of the broker.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for `future` at most `limit`; `what` names the wait in the error.
pub(super) async fn deadline<F: Future>(limit: Duration, what: &str, future: F) -> Result<F::Output, String> {
    tokio::time::timeout(limit, future).await.map_err(|_| format!("{what} took longer than {limit:?}"))
}
