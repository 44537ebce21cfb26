//! What is in trouble where messages failed: one routing key, a flow, or one of many keys. And what the database knows of flows that return
//! messages.
//!
//! Called between publish and verdict: `recall` by `run_batch`, the rest by `collect` and `closing`, with what `evidence` has seen.

use crate::outbox::broker::{Broker, Reply};
use crate::outbox::destination::{Destination, OnUnroutable};
use crate::outbox::flow::Flow;
use crate::outbox::hold::{HoldScope, Holds};
use crate::outbox::outcome::Trouble;
use crate::outbox::store::{Batch, Store};
use crate::quick::{QuickMap, QuickSet};
use crate::relay::Relay;
use crate::relay::publish::{Outcome, Report, Sent};
use crate::relay::work::{Index, Leg, Work};

/// Routing keys of one flow that may have a hold each; beyond it they are only tried less often.
const KEY_HOLDS_MAX: usize = 8;

/// Routing keys that a batch puts on hold, by flow.
pub(super) type KeysHeld = QuickMap<Flow, QuickSet<Destination>>;

impl<S: Store, B: Broker> Relay<S, B> {
    /// Asks the database whether the flows that returned something were ever confirmed, where this process does not know.
    /// False where it could not say: then nobody is charged.
    pub(super) async fn recall<T: Batch>(&self, batch: &T, work: &Work, report: &Report) -> bool {
        let mut unknown: Vec<Flow> = Vec::new();
        for (index, message) in sent_by(report) {
            if matches!(message.outcome, Outcome::Replied(Reply::Returned(_)))
                && work.leg(index, message.token).is_some_and(|leg| leg.route.on_unroutable == OnUnroutable::DeadLetter)
                && !unknown.contains(&message.flow)
                && !self.evidence.was_confirmed(&message.flow)
            {
                unknown.push(message.flow.clone());
            }
        }
        if unknown.is_empty() {
            return true;
        }
        match batch.confirmed_flows(&unknown).await {
            Ok(confirmed) => {
                self.evidence.learn_confirmed(&confirmed);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "whether a flow was confirmed before is not known");
                false
            }
        }
    }

    /// What is in trouble where a message of `flow` for `destination` failed. A probe's failure is never
    /// widened beyond the hold that it probes.
    pub(super) fn scope(&self, holds: &Holds, flow: &Flow, destination: &Destination) -> HoldScope {
        match holds.probed_by(flow, destination) {
            Some(probed @ (HoldScope::Key(_) | HoldScope::Flow(_))) => probed.clone(),
            Some(HoldScope::Exchange(_) | HoldScope::Route(_)) | None => self.evidence.scope(flow, destination),
        }
    }

    /// As `scope`, but at most 8 keys of one flow get holds; further ones are retried every 10 s.
    pub(super) fn trouble(&self, leg: &Leg, message: &Sent, holds: &Holds, keys_held: &mut KeysHeld) -> Trouble {
        let Sent { flow, destination, .. } = message;
        let scope = self.scope(holds, flow, destination);
        let is_one_of_many = matches!(scope, HoldScope::Key(_)) && flow.varies(destination);
        if !is_one_of_many || holds.probed_by(flow, destination).is_some() {
            return Trouble::Of(scope);
        }
        let is_like_it = |held: &HoldScope| matches!(held, HoldScope::Key(_)) && leg.route.is_held_by(held, |_| true);
        let held_before = holds.iter().filter(|hold| is_like_it(&hold.scope)).count();
        let held_now = keys_held.entry(flow.clone()).or_default();
        if held_before + held_now.len() >= KEY_HOLDS_MAX && !held_now.contains(destination) {
            return Trouble::Another(destination.clone());
        }
        held_now.insert(destination.clone());
        Trouble::Of(scope)
    }
}

/// Every message of a report, with the place of its event.
pub(super) fn sent_by(report: &Report) -> impl Iterator<Item = (Index, &Sent)> {
    report.events.iter().flat_map(|(index, sent)| sent.iter().map(move |message| (*index, message)))
}

/// What has stalled where a message was to go.
pub(super) fn stalled(message: &Sent, everywhere: bool) -> HoldScope {
    let Sent { flow, destination, .. } = message;
    if everywhere && flow.varies(destination) {
        HoldScope::Flow(flow.clone())
    } else {
        HoldScope::Key(destination.clone())
    }
}
