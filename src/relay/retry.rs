//! How long an event waits after a charged attempt: fixed steps. Used by `verdict`.

use std::time::Duration;

/// Steps for an event's retries: 1, 2, 4 s and so on, without jitter, so that an operator can tell when the next one is.
#[derive(Debug, Clone, Copy)]
pub struct RetrySteps {
    /// After the first attempt.
    pub min: Duration,
    /// Never longer than this.
    pub max: Duration,
}

impl RetrySteps {
    /// The pause after `attempts` charged attempts (1 or more).
    pub fn after(&self, attempts: u32) -> Duration {
        let factor = 2u32.saturating_pow(attempts.saturating_sub(1).min(20));
        self.min.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_after_1_2_4_seconds_and_never_over_the_cap() {
        let steps = RetrySteps { min: Duration::from_secs(1), max: Duration::from_secs(10) };
        let seconds: Vec<u64> = (1..=6).map(|attempts| steps.after(attempts).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 10, 10]);
        assert_eq!(steps.after(u32::MAX).as_secs(), 10);
    }
}
