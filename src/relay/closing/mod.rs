//! What the end of a channel means for the messages that were in flight: taken from the reply text,
//! found by trying suspects alone, or held against a message that was alone when the connection was
//! lost.
//!
//! Called by `collect`.

mod reply_text;
mod trial;

use std::collections::HashMap;

use tokio::time::Instant;

use crate::outbox::broker::{Broker, Channel, CloseReason, Reply, Token};
use crate::outbox::outcome::{Answer, ChannelFault, Trouble};
use crate::outbox::store::Store;
use crate::relay::closing::reply_text::{Finding, InFlight};
use crate::relay::closing::trial::Trial;
use crate::relay::evidence::{LOST_TO_SUSPECT, Seen, Suspicion};
use crate::relay::publish::{Outcome, Report};
use crate::relay::work::{Index, LegState, Plan, Work};
use crate::relay::{Desk, Relay, tally};

/// The reply code of a refused login or permission.
const ACCESS_REFUSED: u16 = 403;

impl<S: Store, B: Broker> Relay<S, B> {
    /// What the end of the channel says about the messages that were in flight on it.
    pub(super) async fn read_close(
        &self,
        desk: &mut Desk<B::Channel>,
        work: &mut Work,
        report: &Report,
        deadline: Instant,
    ) -> HashMap<Token, Answer> {
        let unknown: Vec<(Index, InFlight)> = report
            .events
            .iter()
            .flat_map(|(index, sent)| sent.iter().map(move |message| (*index, message)))
            .filter(|(_, message)| message.outcome == Outcome::Replied(Reply::Unknown))
            .map(|(index, message)| {
                (
                    index,
                    InFlight {
                        token: message.token,
                        destination: message.destination.clone(),
                        flow: message.flow.clone(),
                        body_bytes: message.body_bytes,
                    },
                )
            })
            .collect();
        if unknown.is_empty() {
            return HashMap::new();
        }
        self.metrics.possible_duplicates(unknown.len());
        let lost = CloseReason { code: None, text: "the connection was lost".into(), connection_lost: true };
        let reason = desk.channel.close_reason().cloned().unwrap_or(lost);
        // A probe of a missing exchange ends its channel each time.
        if let Some(left_out) = self.quota.news(&reason.text) {
            let (code, error, in_flight, left_out) = (reason.code, &reason.text, unknown.len(), tally::some(left_out));
            tracing::warn!(code, error, in_flight, left_out, "the channel ended with messages in flight");
        }
        let in_flight: Vec<InFlight> = unknown.iter().map(|(_, message)| message.clone()).collect();
        match reply_text::read(&reason, &in_flight) {
            Finding::Named(faults) => in_flight
                .into_iter()
                .zip(faults)
                .map(|(message, fault)| (message.token, self.closed_by(&message, work, fault)))
                .collect(),
            Finding::Suspects => self.try_suspects(work, &unknown, &mut desk.next_token, deadline).await,
            Finding::NobodysFault => self.strike(work, &unknown, &reason),
        }
    }

    /// The answer to a message on a closed channel.
    fn closed_by(&self, message: &InFlight, work: &Work, fault: ChannelFault) -> Answer {
        let InFlight { flow, destination, .. } = message;
        if let ChannelFault::TopicForbidden { .. } = fault {
            self.evidence.failed(Seen { flow, destination, sent: Instant::now() });
        }
        Answer::Closed { trouble: Trouble::Of(self.scope(&work.holds, flow, destination)), fault }
    }

    /// A connection that is lost again and again with the same single message in flight casts suspicion on it.
    fn strike(&self, work: &Work, unknown: &[(Index, InFlight)], reason: &CloseReason) -> HashMap<Token, Answer> {
        let [(index, message)] = unknown else { return HashMap::new() };
        // The broker has named a cause: an expired login.
        if reason.code == Some(ACCESS_REFUSED) {
            return HashMap::new();
        }
        if self.evidence.in_flight_elsewhere(work.ids()) {
            return HashMap::new();
        }
        let event = work.events[*index].id;
        self.evidence.blame(event);
        let answer = match self.evidence.suspicion(event, &message.flow, LOST_TO_SUSPECT) {
            Suspicion::None => return HashMap::new(),
            // Out of the way for a while, uncharged, so that others can show whether the broker takes anything.
            Suspicion::Unproved => Answer::Unconfirmed,
            Suspicion::Proved => self.closed_by(message, work, ChannelFault::Culprit { text: reason.text.clone() }),
        };
        HashMap::from([(message.token, answer)])
    }

    async fn try_suspects(
        &self,
        work: &mut Work,
        unknown: &[(Index, InFlight)],
        next_token: &mut Token,
        deadline: Instant,
    ) -> HashMap<Token, Answer> {
        let (mut messages, mut owners) = (Vec::new(), HashMap::new());
        for (index, suspect) in unknown {
            let Ok((legs, rebuilt)) = self.legs(&work.events[*index], &work.holds, next_token) else { continue };
            let Some(Plan::Routes(planned)) = work.plans.get(index) else { continue };
            let place =
                planned.iter().position(|leg| matches!(leg.state, LegState::Composed(token) if token == suspect.token));
            let token = place.and_then(|place| match legs.get(place)?.state {
                LegState::Composed(token) => Some(token),
                LegState::Held(_) | LegState::Answered(_) => None,
            });
            if let Some(message) = rebuilt.into_iter().find(|message| Some(message.token) == token) {
                owners.insert(message.token, suspect);
                messages.push(message);
            }
        }
        let trials = trial::try_alone(&self.broker, &self.evidence, messages, deadline).await;
        let mut answers = HashMap::new();
        for (token, trial) in trials {
            let Some(suspect) = owners.remove(&token) else { continue };
            let answer = match trial {
                Trial::Answered(Reply::Confirmed) => Answer::Confirmed,
                Trial::Closed(fault) => self.closed_by(suspect, work, fault),
                // At once it would be sent a third time, and so on for as long as its destination is silent.
                Trial::Unanswered => Answer::Unconfirmed,
                // It gets its verdict in the next batch, on a channel of many.
                Trial::Answered(Reply::Returned(_) | Reply::Nacked | Reply::Unknown) => {
                    self.closed_by(suspect, work, ChannelFault::Bystander)
                }
            };
            answers.insert(suspect.token, answer);
        }
        answers
    }
}
