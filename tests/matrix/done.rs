//! A row of the matrix that was run, and how it ended. Used by the run and by its report.

use std::time::Duration;

use tokio::task::JoinError;

use crate::rows::row::Outcome;

/// A row that was run.
pub struct Done {
    pub place: usize,
    pub name: String,
    pub fault: String,
    /// Or why it did not come to an end.
    pub outcome: Result<Outcome, String>,
    pub took: Duration,
}

impl Done {
    pub fn held(&self) -> bool {
        self.outcome.as_ref().is_ok_and(Outcome::held)
    }
}

pub fn panic_words(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "cancelled".into() };
    let words = panic.downcast_ref::<String>().cloned();
    words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "panicked".into())
}
