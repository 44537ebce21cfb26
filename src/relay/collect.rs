//! Turns the report of what was published into an answer for each message: the broker's reply, what
//! it means beyond this batch, and what a closed channel says.
//!
//! Called by `batch`, between publish and the verdict.

use crate::ops::spans::SentMessage;
use crate::outbox::broker::{Broker, Channel, Reply, Token};
use crate::outbox::destination::{Destination, OnUnroutable};
use crate::outbox::hold::Holds;
use crate::outbox::outcome::{Answer, ChannelFault};
use crate::outbox::store::Store;
use crate::quick::QuickSet;
use crate::relay::late::Owed;
use crate::relay::publish;
use crate::relay::publish::{Outcome, Report};
use crate::relay::work::{Leg, LegState, Plan, Work};
use crate::relay::{Desk, Relay};
use std::collections::HashMap;
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
    ) {
        let late = std::mem::take(&mut report.late);
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
                        may_be_unrouted: leg.route.on_unroutable == OnUnroutable::Ignore,
                        replay_id: event.replay_id,
                        created_at: event.replay_id.is_none().then_some(event.created_at),
                        sent_at: message.at,
                        at: message.at,
                        complete,
                    }),
                    Outcome::Stalled => desk.late.suspend(message.destination.clone()),
                    Outcome::Replied(_) | Outcome::Refused | Outcome::NotSent => {}
                }
                let answer = self.answer(leg, &message, &work.holds, &faults);
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
        // After the suspensions above, which a late confirm disproves; its windows were opened as it came.
        self.settle_late(desk, late).await;
    }

    /// Notes what the outcomes say beyond this batch. That a destination accepts is noted once, and again after it has returned something.
    pub(super) fn note(&self, work: &Work, report: &Report, generation: u64) {
        let mut accepted: QuickSet<&Destination> = QuickSet::default();
        for (index, message) in
            report.events.iter().flat_map(|(index, sent)| sent.iter().map(move |sent| (index, sent)))
        {
            match &message.outcome {
                Outcome::Replied(Reply::Confirmed) => {
                    if accepted.insert(&message.destination) {
                        self.evidence.accepted(&message.destination, generation);
                    }
                    let answered = message.answered.unwrap_or_else(Instant::now);
                    self.metrics.confirm_duration(answered.duration_since(message.at));
                }
                Outcome::Replied(Reply::Returned(_)) => {
                    accepted.remove(&message.destination);
                    self.evidence.returned(&message.destination, work.events[*index].id);
                    self.evidence.answered(generation);
                }
                Outcome::Replied(Reply::Nacked) => self.evidence.answered(generation),
                Outcome::Replied(Reply::Unknown) | Outcome::Unconfirmed => {}
                Outcome::Stalled | Outcome::Refused | Outcome::NotSent => {}
            }
        }
    }

    pub(super) fn answer(
        &self,
        leg: &Leg,
        message: &publish::Sent,
        holds: &Holds,
        faults: &HashMap<Token, Answer>,
    ) -> Answer {
        let publish::Sent { token, destination, outcome, .. } = message;
        if let Some(answer) = faults.get(token) {
            return answer.clone();
        }
        match outcome {
            Outcome::Replied(Reply::Confirmed) => Answer::Confirmed,
            Outcome::Replied(Reply::Returned(text)) => Answer::Returned {
                on_unroutable: leg.route.on_unroutable,
                streak: self.evidence.streak(destination),
                is_probe: holds.is_probed(&leg.route.name, destination),
                destination: destination.clone(),
                text: text.clone(),
            },
            Outcome::Replied(Reply::Nacked) | Outcome::Refused => Answer::Nacked { destination: destination.clone() },
            Outcome::Replied(Reply::Unknown) => {
                Answer::Closed { destination: destination.clone(), fault: ChannelFault::Bystander }
            }
            Outcome::Unconfirmed => Answer::Unconfirmed,
            Outcome::Stalled => Answer::Stalled { destination: destination.clone() },
            Outcome::NotSent => Answer::NotSent,
        }
    }
}

/// Whether nothing but a late confirm of it can be missing.
fn may_be_done(message: &publish::Sent, legs: &[Leg]) -> bool {
    let may_be_unrouted = || {
        let leg = legs.iter().find(|leg| leg.is_of(message.token));
        leg.is_some_and(|leg| leg.route.on_unroutable == OnUnroutable::Ignore)
    };
    match &message.outcome {
        Outcome::Unconfirmed | Outcome::Replied(Reply::Confirmed) => true,
        Outcome::Replied(Reply::Returned(_)) => may_be_unrouted(),
        Outcome::Replied(Reply::Nacked | Reply::Unknown) => false,
        Outcome::Stalled | Outcome::Refused | Outcome::NotSent => false,
    }
}
