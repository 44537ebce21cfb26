//! When an attempt is repeated, and after how long: pure, for [`Service::call`](super::service::Service::call). The delays are those of
//! the documents, without jitter; the deadline cuts them short.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use super::error::Cause;

/// How attempts are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Before the first repetition; each further delay is twice as long.
    pub delay: Duration,
    /// Repetitions after the first attempt.
    pub retries: usize,
    /// For all attempts and delays together.
    pub total: Duration,
    /// Whether a 429 is repeated.
    pub on_too_many: bool,
    /// What the service asks for as `Retry-After` is kept to this.
    pub retry_after_max: Duration,
}

/// Why an attempt failed, as far as a repetition depends on it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub cause: Cause,
    pub retry_after: Option<Duration>,
}

impl RetryPolicy {
    pub(super) fn delays(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.delay)
            .without_max_delay()
            .with_factor(2.0)
            .with_max_times(self.retries)
            .build()
    }

    /// The delay before the next attempt, or none. `next` is what the schedule says, `left` what is left of the deadline, `attempt` what
    /// one attempt may take: one that could not end in time is not begun.
    pub(super) fn delay(
        &self,
        fault: &Fault,
        is_repeatable: bool,
        next: Option<Duration>,
        left: Duration,
        attempt: Duration,
    ) -> Option<Duration> {
        let may = fault.cause.is_transient()
            && (is_repeatable || fault.cause.is_unsent())
            && (self.on_too_many || fault.cause != Cause::Status(429));
        let asked = fault.retry_after.unwrap_or_default().min(self.retry_after_max);
        next.filter(|_| may).map(|delay| delay.max(asked)).filter(|delay| *delay + attempt <= left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        delay: Duration::from_secs(1),
        retries: 3,
        total: Duration::from_secs(60),
        on_too_many: true,
        retry_after_max: Duration::from_secs(5),
    };
    const LONG: Duration = Duration::from_secs(60);
    const ATTEMPT: Duration = Duration::from_millis(500);

    fn delay(policy: RetryPolicy, cause: Cause, is_repeatable: bool, left: Duration) -> Option<Duration> {
        let fault = Fault { cause, retry_after: None };
        policy.delay(&fault, is_repeatable, Some(policy.delay), left, ATTEMPT)
    }

    #[test]
    fn the_delays_double_and_end() {
        let delays: Vec<_> = POLICY.delays().collect();
        assert_eq!(delays, [1, 2, 4].map(Duration::from_secs));
        let inventory = RetryPolicy { delay: Duration::from_millis(300), ..POLICY };
        let millis: Vec<u128> = inventory.delays().map(|delay| delay.as_millis()).collect();
        assert_eq!(millis, [300, 600, 1200]);
    }

    #[test]
    fn faults_that_may_pass_are_repeated_and_the_others_are_not() {
        let limit = ATTEMPT;
        for cause in [429, 500, 503, 504].map(Cause::Status).into_iter().chain([
            Cause::TimedOut { limit },
            Cause::NotConnected,
            Cause::ConnectionLost,
        ]) {
            assert!(delay(POLICY, cause.clone(), true, LONG).is_some(), "{cause}");
        }
        for cause in [
            Cause::CircuitOpen,
            Cause::NoTime,
            Cause::Redirected(302),
            Cause::TooLarge { bytes_max: 1 },
            Cause::Unusable("HTML".into()),
            Cause::NoToken("none".into()),
        ] {
            assert_eq!(delay(POLICY, cause.clone(), true, LONG), None, "{cause}");
        }
        let without = RetryPolicy { on_too_many: false, ..POLICY };
        assert_eq!(delay(without, Cause::Status(429), true, LONG), None);
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_where_that_is_safe() {
        for cause in [Cause::Status(503), Cause::TimedOut { limit: ATTEMPT }, Cause::ConnectionLost] {
            assert_eq!(delay(POLICY, cause.clone(), false, LONG), None, "{cause}");
        }
        assert!(delay(POLICY, Cause::NotConnected, false, LONG).is_some(), "it surely never arrived");
    }

    #[test]
    fn an_attempt_that_cannot_end_in_time_is_not_begun() {
        let just = POLICY.delay + ATTEMPT;
        assert_eq!(delay(POLICY, Cause::Status(500), true, just), Some(POLICY.delay));
        assert_eq!(delay(POLICY, Cause::Status(500), true, just - Duration::from_millis(1)), None);
    }

    #[test]
    fn the_service_may_ask_for_more_time_up_to_a_limit() {
        let after = |seconds| {
            let fault = Fault { cause: Cause::Status(429), retry_after: Some(Duration::from_secs(seconds)) };
            POLICY.delay(&fault, true, Some(POLICY.delay), LONG, ATTEMPT)
        };
        assert_eq!([after(0), after(3), after(3600)], [1, 3, 5].map(|s| Some(Duration::from_secs(s))));
    }
}
