//! The demo's one error: what was being done, and every cause below it, as one line.
//!
//! Called by every file here. Promises that no cause is lost (database drivers hide the server's words in a source)
//! and that `within` always comes back. Refuses to be matched on: the demo reports failures, it never fixes them.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

pub struct Failure(String);

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

pub trait Doing<T> {
    /// Puts what was being done before the error and its causes.
    fn doing(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: Error> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| {
            let mut text = format!("{what}: {error}");
            let mut cause = error.source();
            while let Some(deeper) = cause {
                let words = deeper.to_string();
                // Some libraries repeat the cause in their own text.
                if !text.contains(&words) {
                    text = format!("{text}: {words}");
                }
                cause = deeper.source();
            }
            Failure(text)
        })
    }
}

/// Awaits `work` for at most `limit`.
pub async fn within<T, E: Error>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.doing(what),
        Err(_) => Err(Failure(format!("{what}: no answer within {limit:?}"))),
    }
}
