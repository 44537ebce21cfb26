//! The circuit breaker: a pure machine to which the time is handed in. A call asks to [pass](Breaker::pass), and its end is
//! [told](Breaker::tell) with the ticket it got. [`Gate`](super::gate::Gate) puts a clock, a lock and a log around it.

use std::collections::VecDeque;
use std::time::Duration;

/// When a breaker opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// After that many failures in a row.
    InARow(u32),
    /// When more than a half of the calls of the last ten seconds failed, of at least that many. Exactly a half keeps it closed.
    MoreThanHalf {
        /// Fewer calls say nothing.
        calls_min: u32,
    },
}

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// When it opens.
    pub opening: Opening,
    /// After that long one call may try.
    pub open_for: Duration,
}

/// The seconds that are looked back at: this one and nine before it.
pub const WINDOW_SECONDS: u64 = 10;

/// Where a breaker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// One call finds out whether the service is back.
    HalfOpen,
    /// No call passes.
    Open,
}

impl BreakerState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    /// The name in logs, metrics and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// Lets one call pass. Its end has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    period: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The service answered, be it with a no.
    Answered,
    /// The service failed.
    Failed,
    /// Nobody waits for it any more, or it was our own fault: it says nothing.
    Dropped,
}

/// A state that began.
pub type Change = Option<BreakerState>;

/// A breaker. Times count from any moment that stays the same.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
    /// Grows with every change of state, so that what began before it counts no more.
    period: u64,
}

#[derive(Debug)]
enum State {
    Closed(Count),
    Open { since: Duration },
    HalfOpen { is_probing: bool },
}

#[derive(Debug, Default)]
struct Count {
    in_a_row: u32,
    /// The second, its calls, and how many of them failed; the newest last.
    seconds: VecDeque<(u64, u32, u32)>,
}

impl Breaker {
    /// A closed one.
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { policy, state: State::Closed(Count::default()), period: 0 }
    }

    /// Where it is.
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed(_) => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Lets a call pass at `now`, or not; and the state that begins with it.
    pub fn pass(&mut self, now: Duration) -> (Option<Ticket>, Change) {
        match &mut self.state {
            State::Closed(_) => (Some(self.ticket()), None),
            State::Open { since } if now.saturating_sub(*since) >= self.policy.open_for => {
                let change = self.become_(State::HalfOpen { is_probing: true });
                (Some(self.ticket()), change)
            }
            State::HalfOpen { is_probing } if !*is_probing => {
                *is_probing = true;
                (Some(self.ticket()), None)
            }
            State::Open { .. } | State::HalfOpen { .. } => (None, None),
        }
    }

    /// Hears how a call ended that was let pass. A call of an earlier state changes nothing.
    pub fn tell(&mut self, now: Duration, ticket: Ticket, end: End) -> Change {
        if ticket.period != self.period {
            return None;
        }
        match (&mut self.state, end) {
            (State::Closed(_), End::Dropped) | (State::Open { .. }, _) => None,
            (State::Closed(count), End::Answered | End::Failed) => {
                count.add(now.as_secs(), end == End::Failed);
                let opens = count.opens(self.policy.opening);
                if opens { self.become_(State::Open { since: now }) } else { None }
            }
            (State::HalfOpen { is_probing }, End::Dropped) => {
                *is_probing = false;
                None
            }
            (State::HalfOpen { .. }, End::Answered) => self.become_(State::Closed(Count::default())),
            (State::HalfOpen { .. }, End::Failed) => self.become_(State::Open { since: now }),
        }
    }

    fn ticket(&self) -> Ticket {
        Ticket { period: self.period }
    }

    fn become_(&mut self, state: State) -> Change {
        self.state = state;
        self.period += 1;
        Some(self.state())
    }
}

impl Count {
    fn add(&mut self, second: u64, has_failed: bool) {
        self.in_a_row = if has_failed { self.in_a_row.saturating_add(1) } else { 0 };
        while self.seconds.front().is_some_and(|(first, ..)| first + WINDOW_SECONDS <= second) {
            self.seconds.pop_front();
        }
        let failed = u32::from(has_failed);
        match self.seconds.back_mut() {
            Some((last, calls, failures)) if *last >= second => {
                *calls = calls.saturating_add(1);
                *failures = failures.saturating_add(failed);
            }
            Some(_) | None => self.seconds.push_back((second, 1, failed)),
        }
    }

    fn opens(&self, opening: Opening) -> bool {
        match opening {
            Opening::InARow(failures) => self.in_a_row >= failures,
            Opening::MoreThanHalf { calls_min } => {
                let sum = |part: fn(&(u64, u32, u32)) -> u32| self.seconds.iter().map(part).map(u64::from).sum::<u64>();
                let (calls, failures) = (sum(|second| second.1), sum(|second| second.2));
                calls >= u64::from(calls_min) && failures * 2 > calls
            }
        }
    }
}
