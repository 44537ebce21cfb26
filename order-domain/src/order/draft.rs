//! A command at work: the order as it will be, and the events so far. Nothing of it is seen before the command succeeds.

use super::{Order, Status};
use crate::event::{Aggregate, Event, OrderStatusChangedEvent, Payload, about};
use crate::{Context, Refusal};

/// What a command has decided: write the order back and append the events, both in one transaction.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "the order has to be written back, and the events be appended, in one transaction"]
pub struct Decision {
    /// The order as it is now.
    pub order: Order,
    /// What others are to be told, in this order.
    pub events: Vec<Event>,
}

impl Decision {
    /// Decides further on what was decided, in the same transaction.
    pub(super) fn then(self, next: impl FnOnce(&Order) -> Result<Self, Refusal>) -> Result<Self, Refusal> {
        let Self { order, mut events } = self;
        let next = next(&order)?;
        events.extend(next.events);
        Ok(Self { order: next.order, events })
    }
}

pub(super) struct Draft<'a> {
    pub order: Order,
    context: &'a Context,
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    /// Starts on a copy of `order`, in its next version.
    pub fn of(order: &Order, context: &'a Context) -> Self {
        let mut order = order.clone();
        order.version += 1;
        Self { order, context, events: Vec::new() }
    }

    /// Starts with an order that is new.
    pub fn placed(order: Order, context: &'a Context) -> Self {
        Self { order, context, events: Vec::new() }
    }

    /// Moves the order on and says so, or refuses because its status does not allow it. The only place where a status
    /// changes.
    pub fn move_to(&mut self, status: Status, command: &'static str, reason: Option<&str>) -> Result<(), Refusal> {
        let previous_status = self.order.status;
        if !previous_status.next().contains(&status) {
            return Err(Refusal::IllegalTransition { command, status: previous_status });
        }
        self.order.status = status;
        let payload = about!(self.order, OrderStatusChangedEvent with customer {
            previous_status: previous_status,
            new_status: status,
            reason: reason.map(str::to_owned),
            changed_at: self.context.occurred_at,
        });
        self.emit(Payload::OrderStatusChanged(payload));
        Ok(())
    }

    /// Adds an event about the order. Its key is made of the order, the event's name and the order's version: a command
    /// that is repeated on the same state tells the same facts.
    pub fn emit(&mut self, payload: Payload) {
        let name = payload.event_type().as_str();
        let short = name.split_once('.').map_or(name, |(_, short)| short);
        let key = format!("ord_{}_{short}_v{}", self.order.id, self.order.version);
        self.events.push(Event::new(self.context, Aggregate::Order(self.order.id.clone()), key, payload));
    }

    /// Adds an event that has its own key.
    pub fn push(&mut self, event: Event) {
        self.events.push(event);
    }

    pub fn context(&self) -> &'a Context {
        self.context
    }

    pub fn done(self) -> Decision {
        debug_assert_eq!(self.order.check(), Ok(()), "a command leaves a consistent order");
        Decision { order: self.order, events: self.events }
    }
}

impl Order {
    /// Refuses unless the order is in one of `statuses`.
    pub(super) fn require(&self, statuses: &[Status], command: &'static str) -> Result<(), Refusal> {
        let status = self.status;
        if statuses.contains(&status) { Ok(()) } else { Err(Refusal::IllegalTransition { command, status }) }
    }
}
