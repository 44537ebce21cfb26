//! Route, envelope and message: composes an event's messages when it is its turn to be published.
//!
//! Called by `batch` for one event at a time, in the order that publish asks for them.

use crate::message;
use crate::outbox::broker::{Broker, Message, Token};
use crate::outbox::event::Event;
use crate::outbox::hold::Holds;
use crate::outbox::outcome::Fate;
use crate::outbox::store::Store;
use crate::relay::Relay;
use crate::relay::publish::Composed;
use crate::relay::work::{Leg, LegState, Plan};
use time::OffsetDateTime;

impl<S: Store, B: Broker> Relay<S, B> {
    /// Route, envelope and message: what an event becomes when its turn comes.
    pub(super) fn compose(&self, event: &Event, holds: &Holds, next_token: &mut Token) -> (Plan, Composed) {
        match self.legs(event, holds, next_token) {
            Err(fate) => (Plan::Decided(fate), Composed::NothingToSend),
            Ok((legs, messages)) => {
                let whole = messages.len() == legs.len();
                let composed = if messages.is_empty() && !whole {
                    Composed::NothingToSend
                } else {
                    Composed::Messages { messages, whole }
                };
                (Plan::Routes(legs), composed)
            }
        }
    }

    pub(super) fn legs(
        &self,
        event: &Event,
        holds: &Holds,
        next_token: &mut Token,
    ) -> Result<(Vec<Leg>, Vec<Message>), Fate> {
        let (draft, ways) = message::draft(&self.routes, event, self.limits.payload_bytes)?;
        let frame_bytes_max = self.broker.frame_bytes_max();
        let (mut legs, mut messages, now) = (Vec::new(), Vec::new(), OffsetDateTime::now_utc());
        for (route, destination) in ways {
            if event.has_confirmed(&route.name) {
                continue;
            }
            let flow = route.flow(event, &destination);
            let state = if let Some(hold) = holds.covering(&route.name, &flow, &destination) {
                LegState::Held(hold.id)
            } else {
                let token = *next_token;
                *next_token += 1;
                let message = draft.message(&route, (flow, destination), token, now)?;
                message::check_frame(&message, frame_bytes_max)?;
                messages.push(message);
                LegState::Composed(token)
            };
            legs.push(Leg { route, state });
        }
        Ok((legs, messages))
    }
}
