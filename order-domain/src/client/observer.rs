//! Told of everything that the clients and the cache do, for metrics.

use super::breaker::BreakerState;
use super::service::Neighbour;

/// Told of calls, breakers and the cache. Called between other things: return at once.
pub trait CallObserver: Send + Sync + 'static {
    /// A call ended: `outcome` is `ok` or the name of its error. `seconds` includes retries.
    fn called(&self, service: Neighbour, operation: &'static str, outcome: &'static str, seconds: f64) {
        let _ = (service, operation, outcome, seconds);
    }

    /// An attempt failed and is repeated.
    fn retried(&self, service: Neighbour) {
        let _ = service;
    }

    /// A breaker is in another state.
    fn breaker(&self, service: Neighbour, state: BreakerState) {
        let _ = (service, state);
    }

    /// Products were looked for in the cache.
    fn cached(&self, hits: usize, misses: usize) {
        let _ = (hits, misses);
    }

    /// The cache's store failed, or did not answer in time.
    fn cache_failed(&self) {}
}

/// No metrics.
impl CallObserver for () {}
