//! Turns the report of what was published into an answer for each message: the broker's reply, what
//! it means beyond this batch, and what a closed channel says.
//!
//! Called by `batch`, between publish and the verdict. A *leg* is one route of one event.

use crate::ops::spans::SentMessage;
use crate::outbox::broker::{Broker, Channel, Reply};
use crate::outbox::destination::OnUnroutable;
use crate::outbox::flow::Flow;
use crate::outbox::hold::Holds;
use crate::outbox::outcome::{Answer, ChannelFault, Past, Trouble};
use crate::outbox::store::Store;
use crate::quick::QuickSet;
use crate::relay::evidence::Seen;
use crate::relay::late::Owed;
use crate::relay::publish;
use crate::relay::publish::{Outcome, Report};
use crate::relay::trouble::{KeysHeld, sent_by, stalled};
use crate::relay::work::{Index, Leg, LegState, Plan, Work};
use crate::relay::{Desk, Relay};
use std::sync::Arc;
use tokio::time::Instant;

impl<S: Store, B: Broker> Relay<S, B> {
    /// Turns the report into answers: evidence first, then what a closed channel says, then each leg.
    pub(super) async fn collect(
        &self,
        desk: &mut Desk<B::Channel>,
        work: &mut Work,
        mut report: Report,
        deadline: Instant,
        in_doubt: bool,
    ) {
        let (late, mut keys_held) = (std::mem::take(&mut report.late), KeysHeld::default());
        let generation = desk.channel.generation();
        self.note(work, &report, generation);
        let faults = self.read_close(desk, work, &report, deadline).await;
        for (index, sent) in report.events {
            let event = &work.events[index];
            let Some(Plan::Routes(legs)) = work.plans.get_mut(&index) else { continue };
            let complete = sent.len() == legs.len() && sent.iter().all(|message| may_be_done(message, legs));
            for message in sent {
                let Some(leg) = legs.iter_mut().find(|leg| leg.is_of(message.token)) else { continue };
                if message.outcome.was_sent() {
                    self.metrics.attempt(&leg.route.name);
                }
                match message.outcome {
                    Outcome::Unconfirmed => desk.late.add(Owed {
                        token: message.token,
                        event: event.id,
                        event_type: self.routes.label_for(&event.event_type).to_owned(),
                        route: Arc::clone(&leg.route.name),
                        destination: message.destination.clone(),
                        flow: message.flow.clone(),
                        may_be_unrouted: leg.route.on_unroutable == OnUnroutable::Ignore,
                        replay_id: event.replay_id,
                        created_at: event.replay_id.is_none().then_some(event.created_at),
                        sent_at: message.at,
                        at: message.at,
                        complete,
                    }),
                    Outcome::Stalled { everywhere } => desk.late.suspend(stalled(&message, everywhere)),
                    Outcome::Replied(_) | Outcome::Refused | Outcome::NotSent => {}
                }
                let answer = match faults.get(&message.token) {
                    Some(answer) => answer.clone(),
                    None => self.answer(leg, &message, &work.holds, &mut keys_held, in_doubt),
                };
                if message.outcome.was_sent() {
                    self.spans.sent(&SentMessage {
                        event,
                        route: &leg.route.name,
                        destination: &message.destination,
                        body_bytes: message.body_bytes,
                        sent_at: message.at,
                        answered_at: message.answered,
                        answer: &answer,
                    });
                }
                leg.state = LegState::Answered(answer);
            }
        }
        // Last, because a late confirm lifts holds made above. `publish` has already updated the windows.
        self.settle_late(desk, late).await;
    }

    /// Notes what the outcomes say beyond this batch, in the order in which the messages were sent.
    pub(super) fn note(&self, work: &Work, report: &Report, generation: u64) {
        let mut messages: Vec<(Index, &publish::Sent)> = sent_by(report).collect();
        let is_fine = |outcome: &Outcome| *outcome == Outcome::Replied(Reply::Confirmed);
        if !messages.iter().all(|(_, message)| is_fine(&message.outcome)) {
            messages.sort_unstable_by_key(|(_, message)| message.token);
        }
        let (mut accepted, mut constant) = (Vec::new(), QuickSet::<&Flow>::default());
        for (index, message) in messages {
            let publish::Sent { flow, destination, .. } = message;
            let seen = Seen { flow, destination, sent: message.at };
            let is_failure = match &message.outcome {
                Outcome::Replied(Reply::Confirmed) => {
                    // A flow of one routing key is noted once, and again after something has failed.
                    if flow.varies(destination) || constant.insert(flow) {
                        accepted.push(seen);
                    }
                    let answered = message.answered.unwrap_or_else(Instant::now);
                    self.metrics.confirm_duration(answered.duration_since(message.at));
                    false
                }
                Outcome::Replied(Reply::Returned(_)) => {
                    let leg = work.leg(index, message.token);
                    leg.is_some_and(|leg| leg.route.on_unroutable != OnUnroutable::Ignore)
                }
                Outcome::Replied(Reply::Nacked) | Outcome::Unconfirmed | Outcome::Refused => true,
                Outcome::Replied(Reply::Unknown) | Outcome::Stalled { .. } | Outcome::NotSent => false,
            };
            if matches!(message.outcome, Outcome::Replied(Reply::Returned(_) | Reply::Nacked)) {
                self.evidence.answered(generation);
            }
            if is_failure {
                self.evidence.accepted(accepted.drain(..), generation);
                constant.clear();
                self.evidence.failed(seen);
                let is_first = work.events[index].attempts() == 0;
                if is_first && matches!(message.outcome, Outcome::Replied(Reply::Returned(_))) {
                    self.evidence.returned(flow);
                }
            }
        }
        self.evidence.accepted(accepted, generation);
    }

    pub(super) fn answer(
        &self,
        leg: &Leg,
        message: &publish::Sent,
        holds: &Holds,
        keys_held: &mut KeysHeld,
        in_doubt: bool,
    ) -> Answer {
        let publish::Sent { flow, destination, outcome, .. } = message;
        match outcome {
            Outcome::Replied(Reply::Confirmed) => Answer::Confirmed,
            Outcome::Replied(Reply::Returned(text)) => Answer::Returned {
                trouble: self.trouble(leg, message, holds, keys_held),
                on_unroutable: leg.route.on_unroutable,
                past: if in_doubt || self.evidence.was_confirmed(flow) {
                    Past::Confirmed
                } else {
                    Past::Returned(self.evidence.returns(flow))
                },
                is_probe: holds.probed_by(flow, destination).is_some(),
                text: text.clone(),
            },
            Outcome::Replied(Reply::Nacked) | Outcome::Refused => {
                Answer::Nacked { trouble: self.trouble(leg, message, holds, keys_held) }
            }
            Outcome::Replied(Reply::Unknown) => Answer::Closed {
                trouble: Trouble::Of(self.scope(holds, flow, destination)),
                fault: ChannelFault::Bystander,
            },
            Outcome::Unconfirmed => Answer::Unconfirmed,
            Outcome::Stalled { everywhere } => Answer::Stalled { scope: stalled(message, *everywhere) },
            Outcome::NotSent => Answer::NotSent,
        }
    }
}

/// Whether this message is done already (confirmed, or returned where nobody has to listen), or may still be.
fn may_be_done(message: &publish::Sent, legs: &[Leg]) -> bool {
    let may_be_unrouted = || {
        let leg = legs.iter().find(|leg| leg.is_of(message.token));
        leg.is_some_and(|leg| leg.route.on_unroutable == OnUnroutable::Ignore)
    };
    match &message.outcome {
        Outcome::Unconfirmed | Outcome::Replied(Reply::Confirmed) => true,
        Outcome::Replied(Reply::Returned(_)) => may_be_unrouted(),
        Outcome::Replied(Reply::Nacked | Reply::Unknown) => false,
        Outcome::Stalled { .. } | Outcome::Refused | Outcome::NotSent => false,
    }
}
