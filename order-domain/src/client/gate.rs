//! A breaker with a clock, a lock and a log around it. Each service has one, and every call of it goes through.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::breaker::{Breaker, BreakerPolicy, BreakerState, Change, End, Ticket};
use super::observer::CallObserver;
use super::service::Neighbour;

pub(super) struct Gate {
    service: Neighbour,
    breaker: Mutex<Breaker>,
    started: Instant,
    observer: Arc<dyn CallObserver>,
}

impl Gate {
    pub fn new(service: Neighbour, policy: BreakerPolicy, observer: Arc<dyn CallObserver>) -> Self {
        observer.breaker(service, BreakerState::Closed);
        Self { service, breaker: Mutex::new(Breaker::new(policy)), started: Instant::now(), observer }
    }

    pub fn state(&self) -> BreakerState {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).state()
    }

    /// Lets a call pass, or not. A pass that is dropped gives its place back.
    pub fn pass(&self) -> Option<Pass<'_>> {
        let now = self.started.elapsed();
        let (ticket, change) = self.breaker.lock().unwrap_or_else(PoisonError::into_inner).pass(now);
        self.announce(change);
        ticket.map(|ticket| Pass { gate: self, ticket, is_told: false })
    }

    fn tell(&self, ticket: Ticket, end: End) {
        let now = self.started.elapsed();
        let change = self.breaker.lock().unwrap_or_else(PoisonError::into_inner).tell(now, ticket, end);
        self.announce(change);
    }

    fn announce(&self, change: Change) {
        let Some(state) = change else { return };
        let service = self.service;
        match state {
            BreakerState::Open => tracing::warn!("Circuit breaker to {service} opened"),
            BreakerState::HalfOpen => tracing::info!("Circuit breaker to {service} lets one call try"),
            BreakerState::Closed => tracing::info!("Circuit breaker to {service} closed"),
        }
        self.observer.breaker(service, state);
    }
}

/// A call that was let pass.
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    ticket: Ticket,
    is_told: bool,
}

impl Pass<'_> {
    pub fn ended(mut self, end: End) {
        self.is_told = true;
        self.gate.tell(self.ticket, end);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.gate.tell(self.ticket, End::Dropped);
        }
    }
}
