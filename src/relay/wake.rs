//! When to look for work. Polling always works; everything else is a hint. A lost hint costs at
//! most the poll interval, or the seconds of `rhythm`'s safety net while commits are announced.
//!
//! Used by the first worker. Hints come from the listener, from
//! `POST /wake` and from the upkeep.

use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::hints::{Cause, Hints};
use crate::relay::rhythm::Rhythm;

/// The pauses between looks, and the hints that end them.
#[derive(Debug)]
pub struct Wake {
    hints: Hints,
    rhythm: Rhythm,
}

impl Wake {
    /// Looks at least every `interval`, unless hints announce every commit.
    pub fn new(hints: Hints, interval: Duration) -> Self {
        Self { hints, rhythm: Rhythm::new(interval) }
    }

    /// Takes the hint that came since the last look, if any, because the next look answers it.
    pub fn pending(&mut self) -> Option<Cause> {
        let cause = self.hints.take()?;
        self.rhythm.hinted();
        Some(cause)
    }

    /// After a look that found work, with so many events that had not been tried before: the next pause is short.
    pub fn found_work(&mut self, fresh: usize) {
        if self.rhythm.found(fresh, Instant::now()) {
            tracing::warn!(
                events = fresh,
                "nothing announced these events, although commits are announced; polling for five minutes"
            );
        }
    }

    /// After a look that found nothing. `is_at_rest`: nothing is pending and no key waits, so only a new commit makes work.
    pub fn found_nothing(&mut self, is_at_rest: bool) {
        self.rhythm.found_nothing(is_at_rest);
    }

    /// Waits for a hint or for the pause, which has jitter so that replicas do not look in step.
    /// After an empty look that took `last_look`, waits at least four times as long, so that
    /// looking never takes more than a fifth of the database's time. Cancel safe.
    pub async fn next(&mut self, last_look: Duration) -> Cause {
        let pause = self.rhythm.pause(self.hints.are_all_announced(), Instant::now());
        let time = pause.time.mul_f64(0.75 + 0.5 * fastrand::f64()).max(last_look * 4);
        tokio::select! {
            biased;
            cause = self.hints.taken() => {
                self.rhythm.hinted();
                cause
            }
            () = tokio::time::sleep(time) => {
                self.rhythm.passed(pause);
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
        wake.found_work(1);
        let before = Instant::now();
        wake.next(Duration::ZERO).await;
        assert!(before.elapsed() < Duration::from_millis(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hint_ends_the_pause_and_two_hints_are_one() {
        let hints = Hints::default();
        let mut wake = Wake::new(hints.clone(), Duration::from_secs(60));
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

    /// From a pause of seconds, as soon as it is known.
    #[tokio::test(start_paused = true)]
    async fn where_announcements_end_the_next_look_comes_at_once_and_the_poll_interval_rules() {
        let hints = Hints::default();
        let mut wake = Wake::new(hints.clone(), Duration::from_millis(250));
        hints.announce_all(true);
        for _ in 0..6 {
            wake.found_nothing(true);
            wake.next(Duration::ZERO).await;
        }
        wake.found_nothing(true);
        let before = Instant::now();
        let lost = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            hints.announce_all(false);
        };
        let (cause, ()) = tokio::join!(wake.next(Duration::ZERO), lost);
        assert_eq!((cause, before.elapsed().as_millis()), (Cause::Poll, 1_000));
        for _ in 0..8 {
            wake.found_nothing(true);
            let before = Instant::now();
            wake.next(Duration::ZERO).await;
            assert!(before.elapsed() < Duration::from_millis(320));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_look_is_not_repeated_before_four_times_as_long() {
        let mut wake = Wake::new(Hints::default(), Duration::from_millis(250));
        let before = Instant::now();
        wake.next(Duration::from_secs(1)).await;
        assert!(before.elapsed() >= Duration::from_secs(4));
    }
}
