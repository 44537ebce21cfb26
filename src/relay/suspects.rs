//! Tries messages one at a time on throw-away channels, after a channel closed over one of them and nothing said which.
//!
//! Called by the worker within the batch's deadline. Only the one that closes its channel again is found guilty, and only if another
//! message of its destination passes (hazard B6); innocents cost nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::deadline::deadline;
use crate::relay::answer::ChannelFault;
use crate::relay::broker::{Broker, Channel, Message, Reply, Token};
use crate::relay::destination::Destination;
use crate::relay::evidence::Evidence;

/// A destination counts as open if it took a message within this time.
const OPEN_WITHIN: Duration = Duration::from_secs(60);

/// What became of one suspect.
#[derive(Debug, Clone, PartialEq)]
pub enum Trial {
    /// The broker answered.
    Answered(Reply),
    /// The channel closed again.
    Closed(ChannelFault),
    /// Not tried, or not answered in time.
    Untried,
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
        let (token, destination) = (suspect.token, suspect.destination.clone());
        let trial = match try_one(broker, &mut channel, suspect, until).await {
            Some(Ok(reply)) => {
                if reply == Reply::Confirmed {
                    let generation = channel.as_ref().map_or(0, B::Channel::generation);
                    evidence.accepted(&destination, generation);
                }
                Trial::Answered(reply)
            }
            Some(Err(text)) => Trial::Closed(ChannelFault::Culprit { text }),
            None => Trial::Untried,
        };
        trials.push((token, destination, trial));
    }
    weigh(evidence, trials)
}

/// A message that nothing else of its destination speaks against shares the guilt with its destination.
fn weigh(evidence: &Evidence, trials: Vec<(Token, Destination, Trial)>) -> Vec<(Token, Trial)> {
    let since = Instant::now().checked_sub(OPEN_WITHIN).unwrap_or_else(Instant::now);
    trials
        .into_iter()
        .map(|(token, destination, trial)| match trial {
            Trial::Closed(ChannelFault::Culprit { text }) if !evidence.accepted_since(&destination, since) => {
                (token, Trial::Closed(ChannelFault::DestinationClosed { text }))
            }
            other => (token, other),
        })
        .collect()
}

/// `Some(Err(text))` if the channel closed, `None` if there was no answer or no channel.
async fn try_one<B: Broker>(
    broker: &B,
    channel: &mut Option<B::Channel>,
    message: Message,
    until: Instant,
) -> Option<Result<Reply, String>> {
    if channel.as_ref().is_none_or(|channel| channel.close_reason().is_some() || channel.outstanding() > 0) {
        *channel = broker.open().await.ok();
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
