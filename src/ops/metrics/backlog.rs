//! The gauges about the whole database. Only the replica that computes them registers them, so that
//! a sum over replicas is right and no old figures remain. Used by `Metrics`.

use std::time::Duration;

use prometheus::{Gauge, IntGauge, Registry};

/// Gauges about the whole database. Only the replica that computes them registers them.
pub(super) struct Backlog {
    pending: IntGauge,
    oldest_age: Gauge,
    blocked_keys: IntGauge,
    no_route_keys: IntGauge,
    dead_letters: IntGauge,
    last_success: Gauge,
}

/// Figures about the whole database.
#[derive(Debug, Clone, Copy)]
pub struct BacklogNow {
    /// Unpublished events, capped.
    pub pending: i64,
    /// Age of the oldest event that could leave.
    pub oldest_pending_age: Duration,
    /// Waiting keys, capped.
    pub blocked_keys: i64,
    /// Keys that wait because no route names a type, capped.
    pub no_route_keys: i64,
    /// Unresolved dead letters, capped.
    pub dead_letters: i64,
}

impl Backlog {
    pub(super) fn new() -> Self {
        let whole = |name: &str, help: &str| IntGauge::new(name, help).expect("a valid metric name");
        let float = |name: &str, help: &str| Gauge::new(name, help).expect("a valid metric name");
        Self {
            pending: whole("outbox_pending_events", "events that are not published yet (capped)"),
            oldest_age: float(
                "outbox_oldest_pending_age_seconds",
                "age of the oldest pending event that does not wait for a retry",
            ),
            blocked_keys: whole("outbox_blocked_keys", "waiting keys (capped)"),
            no_route_keys: whole("outbox_no_route_keys", "keys waiting because no route names a type (capped)"),
            dead_letters: whole("outbox_dead_letter_events", "unresolved dead letters (capped)"),
            last_success: float(
                "outbox_stats_last_success_timestamp_seconds",
                "when this replica last computed the gauges about the whole database",
            ),
        }
    }

    /// Exports these figures.
    pub(super) fn set(&self, registry: &Registry, now: &BacklogNow, unix_seconds: f64) {
        self.register(registry);
        self.pending.set(now.pending);
        self.oldest_age.set(now.oldest_pending_age.as_secs_f64());
        self.blocked_keys.set(now.blocked_keys);
        self.no_route_keys.set(now.no_route_keys);
        self.dead_letters.set(now.dead_letters);
        self.last_success.set(unix_seconds);
    }

    fn collectors(&self) -> [Box<dyn prometheus::core::Collector>; 6] {
        [
            Box::new(self.pending.clone()),
            Box::new(self.oldest_age.clone()),
            Box::new(self.blocked_keys.clone()),
            Box::new(self.no_route_keys.clone()),
            Box::new(self.dead_letters.clone()),
            Box::new(self.last_success.clone()),
        ]
    }

    fn register(&self, registry: &Registry) {
        for collector in self.collectors() {
            // Usually it is already registered.
            if let Err(error) = registry.register(collector) {
                tracing::trace!(%error, "gauge");
            }
        }
    }

    /// Another replica computes them now, so old figures must go.
    pub(super) fn unregister(&self, registry: &Registry) {
        for collector in self.collectors() {
            if let Err(error) = registry.unregister(collector) {
                tracing::trace!(%error, "gauge");
            }
        }
    }
}
