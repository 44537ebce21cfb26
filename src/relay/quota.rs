//! Bounds the lines about single events in the log: so many in a while, then only how many more there were.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const LINES_MAX: u32 = 50;
const PER: Duration = Duration::from_secs(30);

/// One budget of lines, shared by the workers.
#[derive(Debug, Default)]
pub struct Quota(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Quota {
    /// Whether a line may be written now; with it, how many were left out before it.
    pub fn take(&self) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if window.since.is_none_or(|since| now.duration_since(since) >= PER) {
            window.since = Some(now);
            window.lines = 0;
        }
        if window.lines >= LINES_MAX {
            window.left_out += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_fifty_lines_in_half_a_minute_the_rest_is_only_counted() {
        let quota = Quota::default();
        for _ in 0..LINES_MAX {
            assert_eq!(quota.take(), Some(0));
        }
        assert_eq!((quota.take(), quota.take()), (None, None));
        tokio::time::advance(PER).await;
        assert_eq!(quota.take(), Some(2));
        assert_eq!(quota.take(), Some(0));
    }
}
