//! The breaker against a model that keeps every call and counts them anew each time. Time is handed in; nothing waits.

use std::time::Duration;

use order_domain::client::{Breaker, BreakerPolicy, BreakerState, End, Opening, Ticket, WINDOW_SECONDS};
use proptest::prelude::*;

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Pass,
    /// The call of that place ends.
    End(usize, End),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![3 => Just(End::Failed), 2 => Just(End::Answered), 1 => Just(End::Dropped)];
    let step = prop_oneof![
        2 => (0..7_000_u64).prop_map(Step::Wait),
        5 => Just(Step::Pass),
        5 => (0..4_usize, end).prop_map(|(place, end)| Step::End(place, end)),
    ];
    proptest::collection::vec(step, 0..120)
}

/// All that has happened since the state began.
struct Model {
    policy: BreakerPolicy,
    state: BreakerState,
    began: Duration,
    /// The end of each call that counts.
    ends: Vec<(Duration, End)>,
    is_probing: bool,
    period: usize,
}

impl Model {
    fn pass(&mut self, now: Duration) -> bool {
        if self.state == BreakerState::Open && now - self.began >= self.policy.open_for {
            self.turn(BreakerState::HalfOpen, now);
        }
        match self.state {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => !std::mem::replace(&mut self.is_probing, true),
        }
    }

    fn tell(&mut self, now: Duration, period: usize, end: End) {
        if period != self.period {
            return;
        }
        match (self.state, end) {
            (BreakerState::HalfOpen, End::Dropped) => self.is_probing = false,
            (BreakerState::HalfOpen, End::Answered) => self.turn(BreakerState::Closed, now),
            (BreakerState::HalfOpen, End::Failed) => self.turn(BreakerState::Open, now),
            (BreakerState::Closed, End::Answered | End::Failed) => {
                self.ends.push((now, end));
                if self.is_bad(now) {
                    self.turn(BreakerState::Open, now);
                }
            }
            (BreakerState::Closed, End::Dropped) | (BreakerState::Open, _) => {}
        }
    }

    fn is_bad(&self, now: Duration) -> bool {
        match self.policy.opening {
            Opening::InARow(most) => {
                let row = self.ends.iter().rev().take_while(|(_, end)| *end == End::Failed).count();
                row >= most as usize
            }
            Opening::MoreThanHalf { calls_min } => {
                let recent = |at: &Duration| at.as_secs() + WINDOW_SECONDS > now.as_secs();
                let recent: Vec<_> = self.ends.iter().filter(|(at, _)| recent(at)).collect();
                let failed = recent.iter().filter(|(_, end)| *end == End::Failed).count();
                recent.len() >= calls_min as usize && failed as f64 / recent.len() as f64 > 0.5
            }
        }
    }

    fn turn(&mut self, state: BreakerState, now: Duration) {
        self.state = state;
        self.began = now;
        self.ends.clear();
        self.is_probing = false;
        self.period += 1;
    }
}

fn check(opening: Opening, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let policy = BreakerPolicy { opening, open_for: Duration::from_secs(30) };
    let mut breaker = Breaker::new(policy);
    let began = Duration::ZERO;
    let state = BreakerState::Closed;
    let mut model = Model { policy, state, began, ends: Vec::new(), is_probing: false, period: 0 };
    let mut calls: Vec<(Ticket, usize)> = Vec::new();
    let mut now = Duration::ZERO;
    for step in steps {
        match step {
            Step::Wait(ms) => now += Duration::from_millis(ms),
            Step::Pass => {
                let before = breaker.state();
                let (ticket, change) = breaker.pass(now);
                prop_assert_eq!(ticket.is_some(), model.pass(now));
                prop_assert_eq!(change, (breaker.state() != before).then(|| breaker.state()));
                calls.extend(ticket.map(|ticket| (ticket, model.period)));
            }
            Step::End(place, end) => {
                if place >= calls.len() {
                    continue;
                }
                let (ticket, period) = calls.remove(place);
                let before = breaker.state();
                let change = breaker.tell(now, ticket, end);
                model.tell(now, period, end);
                prop_assert_eq!(change, (breaker.state() != before).then(|| breaker.state()));
            }
        }
        prop_assert_eq!(breaker.state(), model.state);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn failures_in_a_row_open_it_as_the_model_says(steps in steps()) {
        check(Opening::InARow(3), steps)?;
    }

    #[test]
    fn more_than_half_opens_it_as_the_model_says(steps in steps()) {
        check(Opening::MoreThanHalf { calls_min: 5 }, steps)?;
    }
}

#[test]
fn after_thirty_seconds_one_call_may_try_and_no_earlier() {
    let policy = BreakerPolicy { opening: Opening::InARow(1), open_for: Duration::from_secs(30) };
    let mut breaker = Breaker::new(policy);
    let (ticket, _) = breaker.pass(Duration::ZERO);
    breaker.tell(Duration::ZERO, ticket.expect("closed"), End::Failed);
    assert_eq!(breaker.pass(Duration::from_millis(29_999)).0, None);
    assert!(breaker.pass(Duration::from_secs(30)).0.is_some());
    assert_eq!(breaker.pass(Duration::from_secs(30)).0, None, "one at a time");
}
