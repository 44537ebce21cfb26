//! What came of calls to other services and of the cache, since this process started. The health page reads it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use order_domain::client::{BreakerState, CallObserver, Neighbour};

/// What came of the calls to one service.
#[derive(Debug, Clone, Default)]
pub struct CallCounts {
    /// By the name of the outcome: `ok`, `not_found`, `refused`, `try_later`, `outcome_unknown`, `circuit_open`.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Attempts that failed and were repeated.
    pub retried: u64,
    /// How long all calls took.
    pub seconds: f64,
    /// How often the breaker opened.
    pub opened: u64,
}

/// What came of questions to the cache.
#[derive(Debug, Clone, Copy, Default)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
    /// Questions and writes that the store failed, or did not answer in time.
    pub failures: u64,
}

#[derive(Default)]
struct Counts {
    calls: BTreeMap<Neighbour, CallCounts>,
    cache: CacheCounts,
}

/// Counts of every service.
#[derive(Default)]
pub struct CallTally(Mutex<Counts>);

impl CallTally {
    /// What came of the calls to a service.
    pub fn calls(&self, service: Neighbour) -> CallCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).calls.get(&service).cloned().unwrap_or_default()
    }

    /// What came of questions to the cache.
    pub fn cache(&self) -> CacheCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cache
    }

    fn add(&self, service: Neighbour, change: impl FnOnce(&mut CallCounts)) {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).calls.entry(service).or_default());
    }
}

impl CallObserver for CallTally {
    fn called(&self, service: Neighbour, _: &'static str, outcome: &'static str, seconds: f64) {
        self.add(service, |counts| {
            *counts.outcomes.entry(outcome).or_default() += 1;
            counts.seconds += seconds;
        });
    }

    fn retried(&self, service: Neighbour) {
        self.add(service, |counts| counts.retried += 1);
    }

    fn breaker(&self, service: Neighbour, state: BreakerState) {
        match state {
            BreakerState::Open => self.add(service, |counts| counts.opened += 1),
            BreakerState::Closed | BreakerState::HalfOpen => {}
        }
    }

    fn cached(&self, hits: usize, misses: usize) {
        let cache = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).cache;
        cache.hits += hits as u64;
        cache.misses += misses as u64;
    }

    fn cache_failed(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).cache.failures += 1;
    }
}
