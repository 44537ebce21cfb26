//! How long to wait before the next look for work: what came lately says how soon. Pure; every time is given.
//!
//! Used by `wake`. Where commits are announced (LISTEN, pokes) and nothing waits, the timed look is only a safety net of seconds. One that
//! finds events that nobody announced ends that for a while, and the poll interval rules again.

use std::time::Duration;

use tokio::time::Instant;

/// The first pause after work, and the shortest.
pub const PAUSE_MIN: Duration = Duration::from_millis(5);
/// The longest pause while commits are announced, unless the poll interval is longer.
pub const ANNOUNCED_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The first pause while commits are announced: what is announced needs no timed look soon.
const ANNOUNCED_PAUSE_MIN: Duration = Duration::from_millis(250);
/// How long the poll interval rules after a look found what nobody had announced.
const DOUBT: Duration = Duration::from_secs(300);
/// After an arrival, the next is expected within 8 usual gaps. With random gaps, one in three thousand is longer.
const GAPS: u32 = 8;
/// A new gap's weight in the usual one is one in so many.
const GAP_WEIGHT: u32 = 8;

/// The pauses of one worker.
#[derive(Debug)]
pub struct Rhythm {
    /// The poll interval.
    interval: Duration,
    /// The usual time from one event to the next; at most the poll interval.
    gap: Duration,
    found_at: Option<Instant>,
    /// The next pause, unless something bounds it.
    next: Duration,
    is_at_rest: bool,
    in_doubt_until: Option<Instant>,
    /// Whether the present look is the safety net's.
    is_net: bool,
}

/// A pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// How long.
    pub time: Duration,
    /// Whether the look after it is only a safety net.
    pub is_net: bool,
}

impl Rhythm {
    /// Looks at least every `interval`, unless commits are announced.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            gap: interval,
            found_at: None,
            next: PAUSE_MIN,
            is_at_rest: false,
            in_doubt_until: None,
            is_net: false,
        }
    }

    /// The pause before the next look. `are_all_announced`: every commit of events gives a hint.
    pub fn pause(&mut self, are_all_announced: bool, now: Instant) -> Pause {
        let is_net = are_all_announced && self.is_at_rest && self.in_doubt_until.is_none_or(|until| now >= until);
        self.is_net = false;
        let time = if is_net {
            self.next.max(ANNOUNCED_PAUSE_MIN).min(self.interval.max(ANNOUNCED_PAUSE_MAX))
        } else {
            self.next.min(self.longest(now))
        };
        self.next = time * 2;
        Pause { time, is_net }
    }

    /// While more arrivals are expected, their usual gap; then the poll interval.
    fn longest(&self, now: Instant) -> Duration {
        let expects = self.found_at.is_some_and(|at| now.duration_since(at) < self.gap * GAPS);
        if expects { self.gap.max(PAUSE_MIN).min(self.interval) } else { self.interval }
    }

    /// A whole pause has passed without a hint.
    pub fn passed(&mut self, pause: Pause) {
        self.is_net = pause.is_net;
    }

    /// A hint came.
    pub fn hinted(&mut self) {
        self.next = PAUSE_MIN;
        self.is_net = false;
    }

    /// A look found work, with so many events that had not been tried before. Answers whether somebody should have announced them.
    pub fn found(&mut self, fresh: usize, now: Instant) -> bool {
        self.next = PAUSE_MIN;
        self.is_at_rest = false;
        let Some(events) = u32::try_from(fresh).ok().filter(|events| *events > 0) else { return false };
        let since = self.found_at.replace(now).map_or(self.interval, |at| now.duration_since(at));
        let gap = (since / events).min(self.interval);
        self.gap = self.gap - self.gap / GAP_WEIGHT + gap / GAP_WEIGHT;
        let is_missed = std::mem::take(&mut self.is_net);
        if is_missed {
            self.in_doubt_until = Some(now + DOUBT);
        }
        is_missed
    }

    /// A look found nothing. `is_at_rest`: and only a commit can make work.
    pub fn found_nothing(&mut self, is_at_rest: bool) {
        self.is_at_rest = is_at_rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(250);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// The pauses of a rhythm that finds nothing, until one reaches `until`.
    fn pauses(rhythm: &mut Rhythm, are_all_announced: bool, now: &mut Instant, until: Duration) -> Vec<u128> {
        let mut pauses = Vec::new();
        while pauses.last().is_none_or(|last| *last < until.as_millis()) {
            let pause = rhythm.pause(are_all_announced, *now);
            *now += pause.time;
            rhythm.passed(pause);
            rhythm.found_nothing(true);
            pauses.push(pause.time.as_millis());
        }
        pauses
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_from_5_ms_to_the_interval() {
        let (mut rhythm, mut now) = (Rhythm::new(INTERVAL), Instant::now());
        assert_eq!(pauses(&mut rhythm, false, &mut now, INTERVAL), [5, 10, 20, 40, 80, 160, 250]);
        assert_eq!(rhythm.pause(false, now).time, INTERVAL);
        rhythm.found(1, now);
        assert_eq!(rhythm.pause(false, now).time, PAUSE_MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_no_longer_than_the_usual_gap_while_more_arrivals_are_expected() {
        let (mut rhythm, mut now) = (Rhythm::new(INTERVAL), Instant::now());
        for _ in 0..100 {
            now += ms(10);
            rhythm.found(1, now);
        }
        let waited = pauses(&mut rhythm, false, &mut now, INTERVAL);
        let steady = waited.iter().take_while(|pause| **pause <= 10).count();
        assert!((8..=10).contains(&steady), "about eight gaps of 10 ms: {waited:?}");
        assert!(waited[steady] > 10 && waited[steady] <= 25, "then they double: {waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn many_events_at_once_after_a_long_rest_do_not_make_it_look_often() {
        let (mut rhythm, mut now) = (Rhythm::new(INTERVAL), Instant::now());
        now += ms(60_000);
        rhythm.found(500, now);
        let waited = pauses(&mut rhythm, false, &mut now, INTERVAL);
        assert!(waited[6..].iter().all(|pause| *pause >= 200), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn while_commits_are_announced_and_nothing_waits_looks_are_seconds_apart() {
        let (mut rhythm, mut now) = (Rhythm::new(INTERVAL), Instant::now());
        rhythm.found_nothing(true);
        assert_eq!(pauses(&mut rhythm, true, &mut now, ms(5_000)), [250, 500, 1_000, 2_000, 4_000, 5_000]);
        rhythm.found_nothing(false);
        assert_eq!(rhythm.pause(true, now).time, INTERVAL, "a key waits for a time or for somebody");
        rhythm.found_nothing(true);
        assert_eq!(rhythm.pause(false, now).time, INTERVAL, "nobody announces commits any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_poll_interval_stays_what_it_is_while_commits_are_announced() {
        let (mut rhythm, mut now) = (Rhythm::new(ms(60_000)), Instant::now());
        rhythm.found_nothing(true);
        let waited = pauses(&mut rhythm, true, &mut now, ms(60_000));
        assert_eq!((waited[0], waited[waited.len() - 1]), (250, 60_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_of_the_safety_net_that_finds_events_brings_back_the_poll_interval_for_a_while() {
        let (mut rhythm, mut now) = (Rhythm::new(INTERVAL), Instant::now());
        rhythm.found_nothing(true);
        pauses(&mut rhythm, true, &mut now, ms(5_000));
        assert!(rhythm.found(1, now), "nobody announced it");
        assert_eq!(*pauses(&mut rhythm, true, &mut now, INTERVAL).last().expect("some"), 250);
        assert_eq!(rhythm.pause(true, now).time, INTERVAL);
        now += DOUBT;
        assert!(rhythm.pause(true, now).is_net);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_hint_announced_or_a_pause_ended_is_no_reason_for_doubt() {
        let (mut rhythm, mut now) = (Rhythm::new(INTERVAL), Instant::now());
        rhythm.found_nothing(true);
        pauses(&mut rhythm, true, &mut now, ms(5_000));
        rhythm.hinted();
        assert!(!rhythm.found(1, now), "announced");
        rhythm.found_nothing(true);
        pauses(&mut rhythm, true, &mut now, ms(5_000));
        assert!(!rhythm.found(0, now), "a retry, which nobody announces");
        rhythm.found_nothing(true);
        let cut_short = rhythm.pause(true, now);
        assert!(cut_short.is_net);
        assert!(!rhythm.found(1, now), "something else ended the pause");
    }
}
