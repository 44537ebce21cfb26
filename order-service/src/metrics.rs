//! What the service counts, for Prometheus. Filled by the store, the consumers and the calls as things happen; read by the admin port.
//!
//! Labels are bounded: what nobody has named before is `OTHER`, and an order's id is never a label. Every series that can be known
//! before is there from the start, with 0, so that the first increase is seen.

use order_domain::client::{BreakerState, CallObserver, Neighbour};
use order_domain::inbound::notification::{Delivery, NotificationAlert, NotificationFact};
use order_domain::inbound::{DeadReason, Fact, Observer, Outcome, Seen, Source};
use order_domain::notification::NotificationType;
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Seconds; the last is a request's deadline.
const BUCKETS: [f64; 11] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0];
/// A type that is none of the documents'.
const OTHER: &str = "OTHER";
/// The types that have a series of their own.
const TYPES: [NotificationType; 4] = [
    NotificationType::ORDER_CONFIRMATION,
    NotificationType::ORDER_CANCELLATION,
    NotificationType::ORDER_SHIPPED,
    NotificationType::CUSTOM,
];

/// How what an order says differs from what the Product Service says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discrepancy {
    /// Another price, by enough for a person to look.
    Price,
    /// Not there in the quantity that is asked for.
    Availability,
}

impl Discrepancy {
    const ALL: [Self; 2] = [Self::Price, Self::Availability];

    fn as_str(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Availability => "availability",
        }
    }
}

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    requested: IntCounterVec,
    sent: IntCounterVec,
    failed: IntCounterVec,
    alerts: IntCounterVec,
    discrepancies: IntCounterVec,
    inbound_seconds: HistogramVec,
    inbound_retries: IntCounterVec,
    inbound_handed_back: IntCounterVec,
    dead_letters: IntCounterVec,
    paused: IntGaugeVec,
    calls: CallMetrics,
}

/// What is counted of calls to other services, and of the cache of their answers.
struct CallMetrics {
    seconds: HistogramVec,
    retries: IntCounterVec,
    breakers: IntGaugeVec,
    cache_hits: IntCounter,
    cache_misses: IntCounter,
    cache_failures: IntCounter,
}

impl CallMetrics {
    fn new(made: &Made) -> Result<Self, prometheus::Error> {
        Ok(Self {
            seconds: made.seconds(
                "order_dependency_request_seconds",
                "Seconds that a call took, with its retries",
                &["service", "outcome"],
            )?,
            retries: made.counters(
                "order_dependency_retries_total",
                "Attempts of calls that failed and were repeated",
                &["service"],
            )?,
            breakers: made.gauges(
                "order_circuit_breaker_state",
                "1 for the state that a service's circuit breaker is in",
                &["service", "state"],
            )?,
            cache_hits: made.counter("order_product_cache_hits_total", "Products that the cache had")?,
            cache_misses: made.counter("order_product_cache_misses_total", "Products that the cache did not have")?,
            cache_failures: made
                .counter("order_product_cache_failures_total", "Times that the cache's store failed or was too slow")?,
        })
    }
}

/// The registry, while series are added to it.
#[derive(Default)]
struct Made(Registry);

impl Made {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::new(name, help)?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn seconds(&self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
        let seconds = HistogramVec::new(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()), labels)?;
        self.0.register(Box::new(seconds.clone()))?;
        Ok(seconds)
    }
}

impl Metrics {
    /// All series that can be known, at 0.
    pub fn new() -> Result<Self, prometheus::Error> {
        let made = Made::default();
        let by_type = &["type"];
        let by_source = &["source"];
        let metrics = Self {
            requested: made.counters(
                "order_notification_requested_total",
                "Notifications that were asked for",
                by_type,
            )?,
            sent: made.counters("order_notification_sent_total", "Notifications that got through", by_type)?,
            failed: made.counters("order_notification_failed_total", "Notifications that failed for good", by_type)?,
            alerts: made.counters(
                "order_notification_alerts_total",
                "Critical notifications that became dead letters",
                by_type,
            )?,
            discrepancies: made.counters(
                "order_product_discrepancies_total",
                "Orders that are not as the Product Service says",
                &["kind"],
            )?,
            inbound_seconds: made.seconds(
                "order_inbound_seconds",
                "Seconds that handling a message took",
                &["source", "outcome"],
            )?,
            inbound_retries: made.counters(
                "order_inbound_retries_total",
                "Tries of messages that failed and were charged",
                by_source,
            )?,
            inbound_handed_back: made.counters(
                "order_inbound_handed_back_total",
                "Messages handed back, charged nothing",
                by_source,
            )?,
            dead_letters: made.counters(
                "order_inbound_dead_letters_total",
                "Messages that became dead letters",
                &["source", "reason"],
            )?,
            paused: made.gauges(
                "order_consumer_paused",
                "Whether a consumer waits for the database or the broker",
                by_source,
            )?,
            calls: CallMetrics::new(&made)?,
            registry: made.0,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    fn start_at_zero(&self) {
        for kind in TYPES.iter().map(NotificationType::as_str).chain([OTHER]) {
            for counters in [&self.requested, &self.sent, &self.failed, &self.alerts] {
                counters.with_label_values(&[kind]);
            }
        }
        for kind in Discrepancy::ALL {
            self.discrepancies.with_label_values(&[kind.as_str()]);
        }
        for source in Source::ALL.map(Source::as_str) {
            for outcome in Outcome::NAMES {
                self.inbound_seconds.with_label_values(&[source, outcome]);
            }
            for counters in [&self.inbound_retries, &self.inbound_handed_back] {
                counters.with_label_values(&[source]);
            }
            for reason in DeadReason::ALL {
                self.dead_letters.with_label_values(&[source, reason.as_str()]);
            }
            self.paused.with_label_values(&[source]);
        }
        for service in Neighbour::ALL {
            self.calls.retries.with_label_values(&[service.as_str()]);
            self.breaker(service, BreakerState::Closed);
        }
    }

    /// The page that Prometheus reads.
    pub fn page(&self) -> Result<String, prometheus::Error> {
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page)?;
        String::from_utf8(page).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }

    /// A notification was asked for, and that is committed.
    pub fn requested(&self, kind: &NotificationType) {
        self.requested.with_label_values(&[label(kind)]).inc();
    }

    /// A fact had this outcome; only what changed something counts.
    pub fn heard(&self, fact: &Fact, outcome: &Outcome) {
        let (Fact::Notification(NotificationFact::Report(report)), Outcome::Applied | Outcome::Review) =
            (fact, outcome)
        else {
            return;
        };
        let kind = label(&report.notification_type);
        match &report.delivery.value {
            Delivery::Sent { .. } => self.sent.with_label_values(&[kind]).inc(),
            Delivery::Failed(failure) if !failure.will_retry => self.failed.with_label_values(&[kind]).inc(),
            Delivery::Failed(_) | Delivery::Requested => {}
        }
    }

    /// An order is not as the Product Service says.
    pub fn discrepancy(&self, kind: Discrepancy) {
        self.discrepancies.with_label_values(&[kind.as_str()]).inc();
    }
}

fn label(kind: &NotificationType) -> &str {
    if TYPES.contains(kind) { kind.as_str() } else { OTHER }
}

impl Observer for Metrics {
    fn seen(&self, seen: Seen<'_>) {
        match seen {
            Seen::Handled { source, outcome, seconds, .. } => {
                self.inbound_seconds.with_label_values(&[source.as_str(), outcome.as_str()]).observe(seconds);
            }
            Seen::Retried { source, .. } => self.inbound_retries.with_label_values(&[source.as_str()]).inc(),
            Seen::HandedBack { source } => self.inbound_handed_back.with_label_values(&[source.as_str()]).inc(),
            Seen::DeadLettered { source, reason } => {
                self.dead_letters.with_label_values(&[source.as_str(), reason.as_str()]).inc();
            }
            Seen::NotificationFailure(NotificationAlert { notification_type, .. }) => {
                self.alerts.with_label_values(&[label(notification_type)]).inc();
            }
            Seen::State { source, dead_letters: false, is_paused, .. } => {
                self.paused.with_label_values(&[source.as_str()]).set(i64::from(is_paused));
            }
            // It was counted when it became one.
            Seen::Stored { .. } | Seen::State { dead_letters: true, .. } => {}
        }
    }
}

impl CallObserver for Metrics {
    fn called(&self, service: Neighbour, _: &'static str, outcome: &'static str, seconds: f64) {
        self.calls.seconds.with_label_values(&[service.as_str(), outcome]).observe(seconds);
    }

    fn retried(&self, service: Neighbour) {
        self.calls.retries.with_label_values(&[service.as_str()]).inc();
    }

    fn breaker(&self, service: Neighbour, state: BreakerState) {
        for each in BreakerState::ALL {
            self.calls.breakers.with_label_values(&[service.as_str(), each.as_str()]).set(i64::from(each == state));
        }
    }

    fn cached(&self, hits: usize, misses: usize) {
        self.calls.cache_hits.inc_by(hits as u64);
        self.calls.cache_misses.inc_by(misses as u64);
    }

    fn cache_failed(&self) {
        self.calls.cache_failures.inc();
    }
}
