//! The line that shows the traffic while it happens.
//!
//! Called by `watch`. Promises one line that is rewritten on a terminal, and one line a second elsewhere.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use crate::report::thousands;

pub struct Live {
    terminal: bool,
    since: Instant,
    delivered: usize,
}

impl Live {
    pub fn new(delivered: usize) -> Self {
        Self { terminal: stdout().is_terminal(), since: Instant::now(), delivered }
    }

    /// Whether it is time for the next `show`.
    pub fn is_due(&self) -> bool {
        self.since.elapsed() >= if self.terminal { Duration::from_millis(250) } else { Duration::from_secs(1) }
    }

    pub fn show(&mut self, committed: usize, delivered: usize, worst_lag_ms: i64) {
        let rate = (delivered - self.delivered) as f64 / self.since.elapsed().as_secs_f64();
        let line = format!(
            "committed {:>9}   delivered {:>9}   pending {:>9}   {:>7}/s   lag up to {:>6} ms",
            thousands(committed),
            thousands(delivered),
            thousands(committed.saturating_sub(delivered)),
            thousands(rate as usize),
            worst_lag_ms,
        );
        if self.terminal {
            print!("\r{line}");
            // A terminal that is gone is no reason to stop measuring.
            let _gone = stdout().flush();
        } else {
            println!("{line}");
        }
        (self.since, self.delivered) = (Instant::now(), delivered);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.terminal {
            println!();
        }
    }
}
