//! Limits the log, so that an outage takes a few lines and not one per row, batch or probe.
//!
//! Shared by the workers, the probe and the upkeep; only the first to notice something logs it.
//! There are two rules. Lines about single events are limited per period, then only counted. Equal
//! lines are logged once a minute, with a count of those suppressed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const LINES_MAX: u32 = 50;
const PER: Duration = Duration::from_secs(30);
/// How often an ongoing problem is logged again.
pub const REMIND_EVERY: Duration = Duration::from_secs(60);
/// How many ends of problems are believed, per `REMIND_EVERY`.
const ENDS_MAX: u32 = 3;
/// How many different texts are remembered.
const WORDS_MAX: usize = 64;

/// A budget of log lines; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Quota(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Window>,
    words: Mutex<HashMap<String, Said>>,
    ends: Mutex<Window>,
}

#[derive(Debug)]
struct Said {
    at: Instant,
    left_out: u64,
}

#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Quota {
    /// Whether to log `words`: they are new, or were logged long ago. If so, returns how often they
    /// were suppressed since.
    pub fn news(&self, words: &str) -> Option<u64> {
        let mut said = self.0.words.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(known) = said.get_mut(words) {
            if now.duration_since(known.at) < REMIND_EVERY {
                known.left_out += 1;
                return None;
            }
            known.at = now;
            return Some(std::mem::take(&mut known.left_out));
        }
        if said.len() >= WORDS_MAX {
            said.retain(|_, known| now.duration_since(known.at) < REMIND_EVERY);
        }
        // This many different texts at once are not state changes.
        if said.len() >= WORDS_MAX {
            return None;
        }
        said.insert(words.to_owned(), Said { at: now, left_out: 0 });
        Some(0)
    }

    /// Forgets what was logged: the problem is over, and is new if it starts again. Problems that
    /// come and go all the time stay remembered.
    pub fn forget(&self) {
        let mut ends = self.0.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if ends.since.is_none_or(|since| now.duration_since(since) >= REMIND_EVERY) {
            *ends = Window { since: Some(now), ..Window::default() };
        }
        ends.lines += 1;
        if ends.lines <= ENDS_MAX {
            self.0.words.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Whether a line may be logged now. If so, returns how many were suppressed before it.
    pub fn take(&self) -> Option<u64> {
        let mut window = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
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

    #[tokio::test(start_paused = true)]
    async fn the_same_words_are_said_once_a_minute_with_how_often_they_were_left_out() {
        let quota = Quota::default();
        assert_eq!((quota.news("a"), quota.news("b"), quota.news("a")), (Some(0), Some(0), None));
        tokio::time::advance(REMIND_EVERY).await;
        assert_eq!((quota.news("a"), quota.news("b")), (Some(1), Some(0)));
        quota.forget();
        assert_eq!(quota.news("a"), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_comes_and_goes_all_the_time_is_a_few_lines_a_minute() {
        let quota = Quota::default();
        let said = (0..1_000)
            .filter(|_| {
                let news = quota.news("the database is away").is_some();
                quota.forget();
                news
            })
            .count();
        assert_eq!(said, 1 + ENDS_MAX as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn words_that_differ_each_time_are_bounded_too() {
        let quota = Quota::default();
        let said = (0..1_000).filter(|number| quota.news(&format!("row {number}")).is_some()).count();
        assert_eq!(said, WORDS_MAX);
        tokio::time::advance(REMIND_EVERY).await;
        assert_eq!(quota.news("row 1000"), Some(0));
    }
}
