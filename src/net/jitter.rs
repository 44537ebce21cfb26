//! Pauses before a service is tried again: random, up to a bound that doubles.
//!
//! Used by everything that connects, and by every loop that can fail.

use std::time::Duration;

/// Full jitter for services that are away: a random pause up to a bound that doubles, so that many relays do not come back at once.
#[derive(Debug, Clone)]
pub struct Jitter {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Jitter {
    /// For the broker and the database: 0.2 to 4.5 s, so that delivery goes on within 5 s of a service's return.
    pub fn for_services() -> Self {
        Self { min: Duration::from_millis(200), max: Duration::from_millis(4_500), failures: 0 }
    }

    /// For anything that fails inside the relay: 0.05 to 5 s.
    pub fn for_work() -> Self {
        Self { min: Duration::from_millis(50), max: Duration::from_secs(5), failures: 0 }
    }

    /// The next pause; never below a tenth of the bound, so that a failing loop always sleeps.
    pub fn next_pause(&mut self) -> Duration {
        let bound = self.min.saturating_mul(2u32.saturating_pow(self.failures.min(20))).min(self.max);
        self.failures = self.failures.saturating_add(1);
        bound.mul_f64(0.1 + 0.9 * fastrand::f64())
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_grows_to_its_bound_never_reaches_zero_and_starts_again_after_a_success() {
        let mut jitter = Jitter::for_services();
        for _ in 0..200 {
            let pause = jitter.next_pause();
            assert!(pause >= Duration::from_millis(20) && pause <= Duration::from_millis(4_500), "{pause:?}");
        }
        jitter.reset();
        assert!(jitter.next_pause() <= Duration::from_millis(200));
    }
}
