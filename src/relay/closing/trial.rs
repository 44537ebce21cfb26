//! Tries messages one at a time on throwaway channels, after one of them closed a channel and
//! nothing said which.
//!
//! Called by `closing`, within the batch's deadline. Only a message that closes its channel again
//! is charged, and only if another message of its flow passes. The others are charged nothing.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::deadline::deadline;
use crate::outbox::broker::{Broker, Channel, ChannelUser, Message, Reply, Token};
use crate::outbox::flow::Flow;
use crate::outbox::outcome::ChannelFault;
use crate::relay::evidence::{CLOSED_TO_SUSPECT, Evidence, Seen, Suspicion};

/// With less time than this left a suspect is not sent: an innocent one would wait for a confirm that nobody reads any more.
const TRIAL_MIN: Duration = Duration::from_millis(200);

/// What became of one suspect.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trial {
    /// The broker answered.
    Answered(Reply),
    /// The channel closed again.
    Closed(ChannelFault),
    /// It was sent, and no answer came in time; one may still come, or it may be stored.
    Unanswered,
}

/// Tries `suspects` in order until `until`.
pub(super) async fn try_alone<B: Broker>(
    broker: &B,
    evidence: &Evidence,
    suspects: Vec<Message>,
    until: Instant,
) -> Vec<(Token, Trial)> {
    let mut trials = Vec::with_capacity(suspects.len());
    let mut channel = None;
    for suspect in suspects {
        let (token, event, sent) = (suspect.token, suspect.event_id, Instant::now());
        let (flow, destination) = (suspect.flow.clone(), suspect.destination.clone());
        // No channel or no time: the others would fare no better.
        let Some(trial) = try_one(broker, &mut channel, suspect, until).await else { break };
        let seen = Seen { flow: &flow, destination: &destination, sent };
        match &trial {
            Trial::Answered(Reply::Confirmed) => {
                let generation = channel.as_ref().map_or(0, B::Channel::generation);
                evidence.accepted([seen], generation);
            }
            Trial::Closed(_) => {
                evidence.blame(event);
                evidence.failed(seen);
            }
            Trial::Answered(Reply::Returned(_) | Reply::Nacked | Reply::Unknown) | Trial::Unanswered => {}
        }
        trials.push((token, event, flow, trial));
    }
    // Weighed at the end: one that was tried later may have passed.
    trials.into_iter().map(|(token, event, flow, trial)| (token, weigh(evidence, event, &flow, trial))).collect()
}

/// A message whose flow has taken nothing else since shares the guilt with it.
fn weigh(evidence: &Evidence, event: Uuid, flow: &Flow, trial: Trial) -> Trial {
    match trial {
        Trial::Closed(ChannelFault::Culprit { text }) => {
            Trial::Closed(match evidence.suspicion(event, flow, CLOSED_TO_SUSPECT) {
                Suspicion::Proved => ChannelFault::Culprit { text },
                Suspicion::None | Suspicion::Unproved => ChannelFault::DestinationClosed { text },
            })
        }
        innocent @ (Trial::Answered(_) | Trial::Closed(_) | Trial::Unanswered) => innocent,
    }
}

/// `None` if it could not be sent: there was no channel, or no time.
async fn try_one<B: Broker>(
    broker: &B,
    channel: &mut Option<B::Channel>,
    message: Message,
    until: Instant,
) -> Option<Trial> {
    let left = until.checked_duration_since(Instant::now()).filter(|left| *left >= TRIAL_MIN)?;
    if channel.as_ref().is_none_or(|channel| channel.close_reason().is_some() || channel.outstanding() > 0) {
        *channel = deadline(left, "a channel for a suspect", broker.open(ChannelUser::Probe)).await.ok()?.ok();
    }
    let channel = channel.as_mut()?;
    let token = message.token;
    channel.send(message);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(answers) = deadline(left, "a suspect's answer", channel.progress()).await else {
            return Some(Trial::Unanswered);
        };
        let Some((_, reply)) = answers.into_iter().find(|(answered, _)| *answered == token) else { continue };
        return Some(match (reply, channel.close_reason()) {
            (Reply::Unknown, Some(reason)) if !reason.connection_lost => {
                Trial::Closed(ChannelFault::Culprit { text: reason.text.clone() })
            }
            (reply, _) => Trial::Answered(reply),
        });
    }
}
