//! How much may be in flight: on the channel, and to each destination.
//!
//! The worker keeps one per channel; the publish stage uses it. After every connect, the channel
//! starts with one message and doubles, because a broker with an alarm says so only after the first
//! publish (hazard B12). Each destination has its own window: with 700 messages outstanding to one
//! stuck queue, RabbitMQ's flow control silently stopped the whole connection (measured).

use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::destination::Destination;
use crate::quick::QuickMap;

/// Messages in flight on one channel.
const CHANNEL_WINDOW_MAX: usize = 1_000;
/// Messages in flight to one destination.
const DESTINATION_WINDOW_MAX: usize = 500;
/// Nothing more goes to a destination that has owed a confirm for this long.
const STALLED_AFTER: Duration = Duration::from_secs(1);
/// A destination that has owed a confirm for this long, while others confirmed, is stuck.
const STUCK_AFTER: Duration = Duration::from_millis(1_500);
/// Destinations remembered; idle ones are forgotten beyond it.
const DESTINATIONS_MAX: usize = 4_096;

/// The windows of one channel.
#[derive(Debug)]
pub struct Pace {
    window: usize,
    in_flight: usize,
    last_confirm: Option<Instant>,
    flows: QuickMap<Destination, Flow>,
}

#[derive(Debug)]
struct Flow {
    window: usize,
    in_flight: usize,
    /// When it began to owe the confirm that is due next.
    owing_since: Instant,
    refused: bool,
}

impl Flow {
    fn is_stalled(&self, now: Instant) -> bool {
        self.in_flight > 0 && now.duration_since(self.owing_since) > STALLED_AFTER
    }
}

/// Whether a message may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Go,
    /// Not before something of the channel or the destination is confirmed.
    Full,
    /// Not while its destination owes a confirm for so long.
    Stalled,
    /// Not in this batch: the broker refused one for the same destination.
    Refused,
}

impl Pace {
    /// For a new channel.
    pub fn new() -> Self {
        Self { window: 1, in_flight: 0, last_confirm: None, flows: QuickMap::default() }
    }

    /// Forgets what held for the last batch only, and idle destinations when there are many.
    pub fn start_batch(&mut self) {
        if self.flows.len() > DESTINATIONS_MAX {
            self.flows.retain(|_, flow| flow.in_flight > 0);
        }
        for flow in self.flows.values_mut() {
            flow.refused = false;
        }
    }

    /// Whether a message for `destination` may go.
    pub fn permit(&self, destination: &Destination, now: Instant) -> Permit {
        let flow = self.flows.get(destination);
        if flow.is_some_and(|flow| flow.refused) {
            Permit::Refused
        } else if flow.is_some_and(|flow| flow.is_stalled(now)) {
            Permit::Stalled
        } else if flow.is_some_and(|flow| flow.in_flight >= flow.window) || self.is_full(now) {
            Permit::Full
        } else {
            Permit::Go
        }
    }

    /// Whether the channel's window is used up. While nothing at all is confirmed, only another destination can tell a silent connection
    /// from a silent queue: then one message at a time goes past the destinations that owe.
    fn is_full(&self, now: Instant) -> bool {
        let is_quiet = self.last_confirm.is_none_or(|at| now.duration_since(at) > STALLED_AFTER);
        let stalled =
            || self.flows.values().filter(|flow| flow.is_stalled(now)).map(|flow| flow.in_flight).sum::<usize>();
        match if is_quiet { stalled() } else { 0 } {
            0 => self.in_flight >= self.window,
            stalled => self.in_flight > stalled,
        }
    }

    /// A message went out.
    pub fn sent(&mut self, destination: &Destination, now: Instant) {
        self.in_flight += 1;
        if let Some(flow) = self.flows.get_mut(destination) {
            if flow.in_flight == 0 {
                flow.owing_since = now;
            }
            flow.in_flight += 1;
        } else {
            let flow = Flow { window: 1, in_flight: 1, owing_since: now, refused: false };
            self.flows.insert(destination.clone(), flow);
        }
    }

    /// The broker answered; `accepted` says that it took the message. Windows double per round trip: plus one per confirm.
    pub fn answered(&mut self, destination: &Destination, accepted: bool, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(flow) = self.flows.get_mut(destination) else { return };
        flow.in_flight = flow.in_flight.saturating_sub(1);
        flow.owing_since = now;
        if accepted {
            self.last_confirm = Some(now);
            self.window = (self.window + 1).min(CHANNEL_WINDOW_MAX);
            flow.window = (flow.window + 1).min(DESTINATION_WINDOW_MAX);
        }
    }

    /// The broker refused a message: nothing more for this destination in this batch, and a slow start after it.
    pub fn refuse(&mut self, destination: &Destination) {
        if let Some(flow) = self.flows.get_mut(destination) {
            flow.window = 1;
            flow.refused = true;
        }
    }

    /// Whether the destination owes a confirm for long while others on the channel were confirmed since.
    pub fn is_stuck(&self, destination: &Destination, now: Instant) -> bool {
        self.flows.get(destination).is_some_and(|flow| {
            flow.in_flight > 0
                && now.duration_since(flow.owing_since) > STUCK_AFTER
                && self.last_confirm.is_some_and(|at| at > flow.owing_since)
        })
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(key: &str) -> Destination {
        Destination { exchange: "e".into(), routing_key: key.into() }
    }

    fn fill(pace: &mut Pace, destination: &Destination, now: Instant) -> usize {
        let mut sent = 0;
        while pace.permit(destination, now) == Permit::Go {
            pace.sent(destination, now);
            sent += 1;
        }
        sent
    }

    #[tokio::test(start_paused = true)]
    async fn a_fresh_channel_starts_with_one_message_and_doubles_up_to_500_for_a_destination() {
        let (mut pace, there, now) = (Pace::new(), destination("a"), Instant::now());
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 500, 500] {
            assert_eq!(fill(&mut pace, &there, now), expected);
            for _ in 0..expected {
                pace.answered(&there, true, now);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_more_goes_to_a_destination_that_has_owed_a_confirm_for_over_a_second() {
        let (mut pace, slow, quick) = (Pace::new(), destination("slow"), destination("quick"));
        pace.window = 100;
        pace.sent(&slow, Instant::now());
        pace.answered(&slow, true, Instant::now());
        pace.sent(&slow, Instant::now());
        assert_eq!(pace.permit(&slow, Instant::now()), Permit::Go);
        tokio::time::advance(Duration::from_millis(1_600)).await;
        assert_eq!(pace.permit(&slow, Instant::now()), Permit::Stalled);
        assert!(!pace.is_stuck(&slow, Instant::now()), "nothing else was confirmed since");
        pace.sent(&quick, Instant::now());
        pace.answered(&quick, true, Instant::now());
        assert!(pace.is_stuck(&slow, Instant::now()));
        assert_eq!(pace.permit(&quick, Instant::now()), Permit::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn one_message_at_a_time_goes_past_a_silent_destination_on_a_channel_that_has_confirmed_nothing() {
        let (mut pace, silent, first, second) =
            (Pace::new(), destination("silent"), destination("first"), destination("second"));
        assert_eq!(fill(&mut pace, &silent, Instant::now()), 1);
        assert_eq!(pace.permit(&first, Instant::now()), Permit::Full);
        tokio::time::advance(Duration::from_millis(1_100)).await;
        assert_eq!(fill(&mut pace, &first, Instant::now()), 1);
        assert_eq!(pace.permit(&second, Instant::now()), Permit::Full);
        pace.answered(&first, true, Instant::now());
        assert_eq!(pace.permit(&first, Instant::now()), Permit::Go);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_the_destination_for_the_batch_and_starts_it_slowly_in_the_next() {
        let (mut pace, there, now) = (Pace::new(), destination("a"), Instant::now());
        for _ in 0..10 {
            pace.sent(&there, now);
            pace.answered(&there, true, now);
        }
        pace.sent(&there, now);
        pace.answered(&there, false, now);
        pace.refuse(&there);
        assert_eq!(pace.permit(&there, now), Permit::Refused);
        pace.start_batch();
        assert_eq!(fill(&mut pace, &there, now), 1);
    }
}
