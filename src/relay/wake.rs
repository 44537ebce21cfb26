//! When to look for work. Polling always works; everything else is a hint. A lost hint costs at
//! most the poll interval.
//!
//! Used by the first worker. Hints come from the listener and from `POST /wake`.

use std::time::Duration;

use crate::outbox::hints::{Cause, Hints};

const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The pauses between looks: short after work, then growing to the poll interval.
#[derive(Debug)]
pub struct Wake {
    hints: Hints,
    interval: Duration,
    pause: Duration,
}

impl Wake {
    /// Looks at least every `interval`.
    pub fn new(hints: Hints, interval: Duration) -> Self {
        Self { hints, interval, pause: FIRST_PAUSE.min(interval) }
    }

    /// Takes the hint that came since the last look, if any, because the next look answers it.
    pub fn pending(&self) -> Option<Cause> {
        self.hints.take()
    }

    /// After a look that found work: the next pause is short.
    pub fn found_work(&mut self) {
        self.pause = FIRST_PAUSE.min(self.interval);
    }

    /// Waits for a hint or for the pause, which has jitter so that replicas do not look in step.
    /// After an empty look that took `last_look`, waits at least four times as long, so that
    /// looking never takes more than a fifth of the database's time. Cancel safe.
    pub async fn next(&mut self, last_look: Duration) -> Cause {
        let pause = self.pause.mul_f64(0.75 + 0.5 * fastrand::f64()).max(last_look * 4);
        tokio::select! {
            biased;
            cause = self.hints.taken() => {
                self.pause = FIRST_PAUSE.min(self.interval);
                cause
            }
            () = tokio::time::sleep(pause) => {
                self.pause = (self.pause * 2).min(self.interval);
                Cause::Poll
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_from_5_ms_to_the_interval() {
        let mut wake = Wake::new(Hints::default(), Duration::from_millis(250));
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let before = Instant::now();
            assert_eq!(wake.next(Duration::ZERO).await, Cause::Poll);
            pauses.push(before.elapsed());
        }
        assert!(pauses[0] < Duration::from_millis(9), "{pauses:?}");
        let last = pauses[8];
        assert!(last > Duration::from_millis(180) && last < Duration::from_millis(320), "{pauses:?}");
        wake.found_work();
        let before = Instant::now();
        wake.next(Duration::ZERO).await;
        assert!(before.elapsed() < Duration::from_millis(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hint_ends_the_pause_and_two_hints_are_one() {
        let hints = Hints::default();
        let mut wake = Wake::new(hints.clone(), Duration::from_secs(60));
        wake.pause = Duration::from_secs(60);
        hints.give(Cause::Poke);
        hints.give(Cause::Listen);
        let before = Instant::now();
        assert_eq!(wake.next(Duration::ZERO).await, Cause::Listen);
        assert!(before.elapsed() < Duration::from_millis(1));
        assert_eq!(wake.next(Duration::ZERO).await, Cause::Poll);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_takes_the_hint_that_came_before_it_and_no_other() {
        let hints = Hints::default();
        let mut wake = Wake::new(hints.clone(), Duration::from_secs(60));
        assert_eq!(wake.pending(), None);
        hints.give(Cause::Listen);
        assert_eq!(wake.pending(), Some(Cause::Listen));
        assert_eq!(wake.pending(), None);
        hints.give(Cause::Poke);
        assert_eq!(wake.next(Duration::from_secs(9)).await, Cause::Poke);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_look_is_not_repeated_before_four_times_as_long() {
        let mut wake = Wake::new(Hints::default(), Duration::from_millis(250));
        let before = Instant::now();
        wake.next(Duration::from_secs(1)).await;
        assert!(before.elapsed() >= Duration::from_secs(4));
    }
}
