//! What came of calls to other services and of the cache, since this process started. The health page reads it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use order_domain::client::{BreakerState, CallObserver, Neighbour};

use crate::metrics::Metrics;

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
pub struct CallTally {
    counts: Mutex<Counts>,
    metrics: Arc<Metrics>,
}

impl CallTally {
    /// Nothing was called yet; what is counted here is counted in `metrics` too.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { counts: Mutex::default(), metrics }
    }

    /// What Prometheus reads.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What came of the calls to a service.
    pub fn calls(&self, service: Neighbour) -> CallCounts {
        self.counts().calls.get(&service).cloned().unwrap_or_default()
    }

    /// What came of questions to the cache.
    pub fn cache(&self) -> CacheCounts {
        self.counts().cache
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, service: Neighbour, change: impl FnOnce(&mut CallCounts)) {
        change(self.counts().calls.entry(service).or_default());
    }
}

impl CallObserver for CallTally {
    fn called(&self, service: Neighbour, operation: &'static str, outcome: &'static str, seconds: f64) {
        self.metrics.called(service, operation, outcome, seconds);
        self.add(service, |counts| {
            *counts.outcomes.entry(outcome).or_default() += 1;
            counts.seconds += seconds;
        });
    }

    fn retried(&self, service: Neighbour) {
        self.metrics.retried(service);
        self.add(service, |counts| counts.retried += 1);
    }

    fn breaker(&self, service: Neighbour, state: BreakerState) {
        self.metrics.breaker(service, state);
        match state {
            BreakerState::Open => self.add(service, |counts| counts.opened += 1),
            BreakerState::Closed | BreakerState::HalfOpen => {}
        }
    }

    fn cached(&self, hits: usize, misses: usize) {
        self.metrics.cached(hits, misses);
        let cache = &mut self.counts().cache;
        cache.hits += hits as u64;
        cache.misses += misses as u64;
    }

    fn cache_failed(&self) {
        self.metrics.cache_failed();
        self.counts().cache.failures += 1;
    }
}
