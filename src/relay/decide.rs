//! Turns the answers to an event's messages into a decision about the event, with the verdict.
//! Pure, except for counters.
//!
//! Called by `batch`, between the answers and settling.

use crate::outbox::broker::Broker;
use crate::outbox::event::Event;
use crate::outbox::outcome::Answer;
use crate::outbox::route::Route;
use crate::outbox::store::{Settlement, Store};
use crate::relay::Relay;
use crate::relay::settle::Decision;
use crate::relay::work::{Index, Leg, LegState, Plan, Work};
use crate::relay::{settle, verdict};
use std::sync::Arc;

impl<S: Store, B: Broker> Relay<S, B> {
    /// Verdict and settle: the changes that the batch commits.
    pub(super) fn judge(&self, work: &mut Work) -> Settlement {
        let mut decisions = Vec::with_capacity(work.plans.len());
        let mut plans: Vec<(Index, Plan)> = work.plans.drain().collect();
        plans.sort_by_key(|(index, _)| *index);
        for (index, plan) in plans {
            decisions.push(self.decide(&work.events[index], plan));
        }
        settle::plan(decisions, self.on_dead_letter)
    }

    pub(super) fn decide<'a>(&self, event: &'a Event, plan: Plan) -> Decision<'a> {
        let (mut routes_confirmed, mut routes_failed, mut holds) = (Vec::new(), Vec::new(), Vec::new());
        let fate = match plan {
            Plan::Decided(fate) => fate,
            Plan::Routes(legs) => {
                let answers: Vec<(Arc<Route>, Answer)> = legs.into_iter().map(answer_of).collect();
                for (route, answer) in &answers {
                    self.count_answer(event, route, answer);
                }
                // The names are for an event that is not done with, which is seldom.
                if !answers.iter().all(|(_, answer)| verdict::is_confirmed(answer)) {
                    for (route, answer) in &answers {
                        let list =
                            if verdict::is_confirmed(answer) { &mut routes_confirmed } else { &mut routes_failed };
                        list.push(route.name.to_string());
                        holds.extend(verdict::hold_for(answer, &self.policy));
                    }
                }
                verdict::fate(answers.into_iter().map(|(_, answer)| answer))
            }
        };
        if let Some(waited) = &event.waited {
            routes_confirmed.splice(0..0, waited.routes_confirmed.iter().cloned());
        }
        let verdict = verdict::verdict(fate, event.attempts(), &self.policy);
        self.count_again(event, &verdict);
        Decision { event, verdict, holds, routes_confirmed, routes_failed }
    }
}

/// A leg's route, and what the broker said or what stood in the way.
fn answer_of(Leg { route, state }: Leg) -> (Arc<Route>, Answer) {
    let answer = match state {
        LegState::Answered(answer) => answer,
        LegState::Held(hold) => Answer::Held { hold },
        LegState::Composed(_) => Answer::NotSent,
    };
    (route, answer)
}
