//! Tries messages one at a time on throw-away channels, after a channel closed over one of them and nothing said which.
//!
//! Called by the worker within the batch's deadline. Only the one that closes its channel again is found guilty, and only if another
//! message of its destination passes (hazard B6); innocents cost nothing.

use tokio::time::Instant;
use uuid::Uuid;

use crate::deadline::deadline;
use crate::relay::answer::ChannelFault;
use crate::relay::broker::{Broker, Channel, Message, Reply, Token};
use crate::relay::destination::Destination;
use crate::relay::evidence::Evidence;

/// What became of one suspect.
#[derive(Debug, Clone, PartialEq)]
pub enum Trial {
    /// The broker answered.
    Answered(Reply),
    /// The channel closed again.
    Closed(ChannelFault),
}

/// Tries `suspects` in order until `until`.
pub async fn try_alone<B: Broker>(
    broker: &B,
    evidence: &Evidence,
    suspects: Vec<Message>,
    until: Instant,
) -> Vec<(Token, Trial)> {
    let mut trials = Vec::with_capacity(suspects.len());
    let mut channel = None;
    for suspect in suspects {
        let (token, event, destination) = (suspect.token, suspect.event_id, suspect.destination.clone());
        let trial = match try_one(broker, &mut channel, suspect, until).await {
            Some(Ok(reply)) => {
                if reply == Reply::Confirmed {
                    let generation = channel.as_ref().map_or(0, B::Channel::generation);
                    evidence.accepted(&destination, generation);
                }
                Trial::Answered(reply)
            }
            Some(Err(text)) => {
                evidence.closed_over(event);
                Trial::Closed(ChannelFault::Culprit { text })
            }
            // No channel or no time: the others would fare no better.
            None => break,
        };
        trials.push((token, event, destination, trial));
    }
    trials
        .into_iter()
        .map(|(token, event, destination, trial)| (token, weigh(evidence, event, &destination, trial)))
        .collect()
}

/// A message that nothing else of its destination speaks against shares the guilt with its destination.
fn weigh(evidence: &Evidence, event: Uuid, destination: &Destination, trial: Trial) -> Trial {
    match trial {
        Trial::Closed(ChannelFault::Culprit { text }) if !evidence.is_convicted(event, destination) => {
            Trial::Closed(ChannelFault::DestinationClosed { text })
        }
        innocent @ (Trial::Answered(_) | Trial::Closed(_)) => innocent,
    }
}

/// `Some(Err(text))` if the channel closed, `None` if there was no answer or no channel.
async fn try_one<B: Broker>(
    broker: &B,
    channel: &mut Option<B::Channel>,
    message: Message,
    until: Instant,
) -> Option<Result<Reply, String>> {
    let left = until.checked_duration_since(Instant::now())?;
    if channel.as_ref().is_none_or(|channel| channel.close_reason().is_some() || channel.outstanding() > 0) {
        *channel = deadline(left, "a channel for a suspect", broker.open()).await.ok()?.ok();
    }
    let channel = channel.as_mut()?;
    let token = message.token;
    channel.send(message);
    loop {
        let left = until.checked_duration_since(Instant::now())?;
        let answers = deadline(left, "a suspect's answer", channel.progress()).await.ok()?;
        let Some((_, reply)) = answers.into_iter().find(|(answered, _)| *answered == token) else { continue };
        return Some(match (reply, channel.close_reason()) {
            (Reply::Unknown, Some(reason)) if !reason.connection_lost => Err(reason.text.clone()),
            (reply, _) => Ok(reply),
        });
    }
}
