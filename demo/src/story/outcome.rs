//! Holds what one service was told against what was committed.
//!
//! Called by `mod`. Promises that every committed event that the service binds, and every arrival, is counted in exactly
//! one of the ways that follow.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::story::Committed;
use crate::story::consumer::Taken;
use crate::story::documents::Document;

pub struct Outcome {
    pub service: &'static str,
    pub keys: usize,
    pub expected: usize,
    pub delivered: usize,
    /// Arrivals of an event that had arrived before.
    pub copies: usize,
    /// First deliveries of an event that an earlier one of its order had to come before.
    pub out_of_order: usize,
    /// Arrivals that nobody committed, or that the service has not bound.
    pub invented: usize,
    /// Bodies that do not fit, with what is wrong.
    pub unfit: Vec<String>,
}

impl Outcome {
    pub fn of(document: &'static Document, committed: &[Committed], taken: &Taken) -> Self {
        let expected: HashMap<Uuid, &Committed> = committed
            .iter()
            .filter(|event| document.expects(&event.event_type))
            .map(|event| (event.id, event))
            .collect();
        let mut outcome = Self {
            service: document.service,
            keys: document.bindings.len(),
            expected: expected.len(),
            delivered: 0,
            copies: 0,
            out_of_order: 0,
            invented: 0,
            unfit: taken.unfit.clone(),
        };
        let (mut seen, mut highest) = (HashSet::new(), HashMap::new());
        for id in &taken.all {
            let Some(event) = expected.get(id) else {
                outcome.invented += 1;
                continue;
            };
            if !seen.insert(*id) {
                outcome.copies += 1;
                continue;
            }
            let before = highest.entry(event.key.as_str()).or_insert(event.seq);
            outcome.out_of_order += usize::from(event.seq < *before);
            *before = event.seq.max(*before);
        }
        outcome.delivered = seen.len();
        outcome
    }

    /// Neither delivered nor there in a form that does not fit.
    pub fn lost(&self) -> usize {
        (self.expected - self.delivered).saturating_sub(self.unfit.len())
    }

    /// Copies are allowed: the relay promises at least once.
    pub fn is_kept(&self) -> bool {
        self.expected > 0 && self.lost() + self.invented + self.out_of_order + self.unfit.len() == 0
    }
}
