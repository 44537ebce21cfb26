//! The relay's counters, gauges and histograms, and their text format.
//!
//! `backlog` has the gauges about the whole database. `app` makes one registry per process and
//! passes it down. Labels never contain ids. Every counter exists from the start, at 0.

mod backlog;

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::ops::metrics::backlog::Backlog;
pub use crate::ops::metrics::backlog::BacklogNow;
use crate::outbox::event::FailureReason;
use crate::outbox::hints::Cause;

/// Buckets up to an hour, so that an outage does not end up in `+Inf`.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];
const EVENTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// The longest time to a confirm that is counted, far above the largest bucket.
const LAG_SECONDS_MAX: f64 = 86_400.0;

/// What can fail; the label of `outbox_failures_total`.
const FAILURES: &[&str] = &[
    "returned",
    "nacked",
    "channel_closed",
    "unconfirmed",
    "stalled",
    "no_route",
    "database",
    "schema",
    "marks_refused",
    "settle_refused",
    "unreadable",
    "dead_letter_failed",
    "late_settle",
    "probe",
    "upkeep",
];

/// All metrics.
pub struct Metrics {
    registry: Registry,
    published: IntCounterVec,
    attempts: IntCounterVec,
    failures: IntCounterVec,
    retries: IntCounter,
    dead_lettered: IntCounterVec,
    unrouted: IntCounterVec,
    route_held: IntGaugeVec,
    no_route: IntCounter,
    possible_duplicates: IntCounter,
    wakeups: IntCounterVec,
    late_rows: IntCounter,
    worker_panics: IntCounter,
    delivery_lag: Histogram,
    confirm_duration: Histogram,
    batch_events: Histogram,
    in_flight: IntGauge,
    broker_connected: IntGauge,
    broker_blocked: IntGauge,
    database_connected: IntGauge,
    backlog: Backlog,
}

impl Metrics {
    /// Registers everything. `series` are the routes, each with its type's label and its name; `routes_sha` identifies the routes file.
    pub fn new<'a>(series: impl Iterator<Item = (&'a str, &'a str)>, routes_sha: &str) -> Self {
        let registry = Registry::new();
        let make = Maker(&registry);
        let metrics = Self {
            published: make.counters(
                "outbox_published_total",
                "messages that the broker confirmed and did not return",
                &["event_type", "route"],
            ),
            attempts: make.counters("outbox_publish_attempts_total", "messages sent", &["route"]),
            failures: make.counters("outbox_failures_total", "failures, by reason", &["reason"]),
            retries: make.counter("outbox_retries_total", "charged attempts that are followed by another one"),
            dead_lettered: make.counters(
                "outbox_dead_lettered_total",
                "events moved to the dead letters, by reason",
                &["reason"],
            ),
            unrouted: make.counters(
                "outbox_unrouted_total",
                "returned messages of routes with on_unroutable = ignore",
                &["route"],
            ),
            route_held: make.gauges(
                "outbox_route_held",
                "1 while a destination of the route is on hold; updated every few seconds",
                &["route"],
            ),
            no_route: make.counter("outbox_no_route_total", "times that an event was found whose type no route names"),
            possible_duplicates: make.counter(
                "outbox_possible_duplicates_total",
                "messages that may arrive twice: in flight when a channel or transaction was lost, or not confirmed in time",
            ),
            wakeups: make.counters("outbox_wakeups_total", "times that the relay looked for work, by cause", &["cause"]),
            late_rows: make.counter("outbox_late_rows_total", "late events that the sweep found below the floor"),
            worker_panics: make.counter("outbox_worker_panics_total", "worker panics, each contained"),
            delivery_lag: make.histogram(
                "outbox_delivery_lag_seconds",
                "time from created_at to the confirm, without replays",
                SECONDS,
            ),
            confirm_duration: make.histogram("outbox_confirm_duration_seconds", "time from sending to the confirm", SECONDS),
            batch_events: make.histogram("outbox_batch_events", "events in a batch", EVENTS),
            in_flight: make.gauge("outbox_in_flight_messages", "events that are sent but not settled"),
            broker_connected: make.gauge("outbox_broker_connected", "1 while connected to the broker"),
            broker_blocked: make.gauge("outbox_broker_blocked", "1 while the broker blocks the connection"),
            database_connected: make.gauge("outbox_database_connected", "1 while the database answers"),
            backlog: Backlog::new(),
            registry: registry.clone(),
        };
        make.info("outbox_build_info", "1, with the version", "version", env!("CARGO_PKG_VERSION"));
        make.info(
            "outbox_config_info",
            "1, with the first digits of the routes file's SHA-256",
            "routes_sha",
            routes_sha,
        );
        make.process();
        metrics.start_at_zero(series);
        metrics
    }

    fn start_at_zero<'a>(&self, series: impl Iterator<Item = (&'a str, &'a str)>) {
        for (event_type, route) in series {
            self.published.with_label_values(&[event_type, route]);
            self.route_held.with_label_values(&[route]);
            self.attempts.with_label_values(&[route]);
            self.unrouted.with_label_values(&[route]);
        }
        for reason in FAILURES {
            self.failures.with_label_values(&[reason]);
        }
        for reason in FailureReason::ALL {
            self.dead_lettered.with_label_values(&[reason.as_str()]);
        }
        for cause in Cause::ALL {
            self.wakeups.with_label_values(&[cause.as_str()]);
        }
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// A message was confirmed.
    pub fn published(&self, event_type: &str, route: &str) {
        self.published.with_label_values(&[event_type, route]).inc();
    }

    /// A message was sent.
    pub fn attempt(&self, route: &str) {
        self.attempts.with_label_values(&[route]).inc();
    }

    /// Something failed.
    pub fn failure(&self, reason: &str) {
        self.failures.with_label_values(&[reason]).inc();
    }

    /// An attempt was charged and another follows.
    pub fn retry(&self) {
        self.retries.inc();
    }

    /// An event was moved to the dead letters.
    pub fn dead_lettered(&self, reason: &str) {
        self.dead_lettered.with_label_values(&[reason]).inc();
    }

    /// A message was returned on a route where nobody has to listen.
    pub fn unrouted(&self, route: &str) {
        self.unrouted.with_label_values(&[route]).inc();
    }

    /// Whether a destination of the route is on hold.
    pub fn route_held(&self, route: &str, is_held: bool) {
        self.route_held.with_label_values(&[route]).set(is_held.into());
    }

    /// No route names an event's type.
    pub fn no_route(&self) {
        self.no_route.inc();
    }

    /// A channel ended with this many messages in flight.
    pub fn possible_duplicates(&self, messages: usize) {
        self.possible_duplicates.inc_by(messages as u64);
    }

    /// The relay looked for work.
    pub fn wakeup(&self, cause: &str) {
        self.wakeups.with_label_values(&[cause]).inc();
    }

    /// The sweep found events below the floor.
    pub fn late_rows(&self, rows: u64) {
        self.late_rows.inc_by(rows);
    }

    /// A panic was contained.
    pub fn worker_panic(&self) {
        self.worker_panics.inc();
    }

    /// The time from `created_at` to the confirm; never below 0, even if the clocks differ, nor above a day: the time is the writer's, and one
    /// of the year 1 would be in the sum for ever.
    pub fn delivery_lag(&self, seconds: f64) {
        self.delivery_lag.observe(seconds.clamp(0.0, LAG_SECONDS_MAX));
    }

    /// The time from sending to the confirm.
    pub fn confirm_duration(&self, duration: Duration) {
        self.confirm_duration.observe(duration.as_secs_f64());
    }

    /// Events in a batch.
    pub fn batch_events(&self, events: usize) {
        self.batch_events.observe(events as f64);
    }

    /// Events that are sent but not settled.
    pub fn in_flight(&self, events: usize) {
        self.in_flight.set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    /// Events that are sent but not settled, at the last count.
    pub fn in_flight_now(&self) -> i64 {
        self.in_flight.get()
    }

    /// The broker link's state.
    pub fn broker(&self, connected: bool, blocked: bool) {
        self.broker_connected.set(connected.into());
        self.broker_blocked.set(blocked.into());
    }

    /// Whether the database answers.
    pub fn database_connected(&self, connected: bool) {
        self.database_connected.set(connected.into());
    }

    /// This replica computed the gauges about the whole database.
    pub fn backlog(&self, now: &BacklogNow, unix_seconds: f64) {
        self.backlog.set(&self.registry, now, unix_seconds);
    }

    /// Another replica computes them now, so old figures must go.
    pub fn no_backlog(&self) {
        self.backlog.unregister(&self.registry);
    }
}

/// Makes and registers metrics. A taken or invalid name is a bug that the first test finds.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn register<C: prometheus::core::Collector + Clone + 'static>(&self, collector: C) -> C {
        self.0.register(Box::new(collector.clone())).expect("each metric is registered once");
        collector
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help).expect("a valid metric name"))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels).expect("a valid metric name"))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help).expect("a valid metric name"))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(options).expect("a valid metric name"))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels).expect("a valid metric name"))
    }

    /// A gauge that is always 1 and carries information in its label.
    fn info(&self, name: &str, help: &str, label: &str, value: &str) {
        let options = Opts::new(name, help).const_label(label, value);
        self.register(Gauge::with_opts(options).expect("a valid metric name")).set(1.0);
    }

    fn process(&self) {
        let collector = prometheus::process_collector::ProcessCollector::for_self();
        self.0.register(Box::new(collector)).expect("the process collector is registered once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_exist_from_the_start_and_database_gauges_only_where_they_are_computed() {
        let metrics = Metrics::new([("_other", "default"), ("order.paid", "paid")].into_iter(), "none");
        let text = || String::from_utf8(metrics.text().expect("encodes")).expect("utf-8");
        for line in [
            "outbox_published_total{event_type=\"_other\",route=\"default\"} 0",
            "outbox_published_total{event_type=\"order.paid\",route=\"paid\"} 0",
            "outbox_publish_attempts_total{route=\"paid\"} 0",
            "outbox_unrouted_total{route=\"paid\"} 0",
            "outbox_route_held{route=\"paid\"} 0",
            "outbox_config_info{routes_sha=\"none\"} 1",
            "outbox_dead_lettered_total{reason=\"UNROUTABLE\"} 0",
            "outbox_failures_total{reason=\"nacked\"} 0",
            "outbox_wakeups_total{cause=\"poke\"} 0",
            "outbox_worker_panics_total 0",
        ] {
            assert!(text().contains(line), "{line} is missing");
        }
        assert!(!text().contains("outbox_pending_events"));
        let now = BacklogNow {
            pending: 3,
            oldest_pending_age: Duration::from_secs(2),
            blocked_keys: 1,
            no_route_keys: 0,
            dead_letters: 0,
        };
        metrics.backlog(&now, 1.0);
        metrics.backlog(&now, 2.0);
        assert!(text().contains("outbox_pending_events 3"));
        metrics.no_backlog();
        assert!(!text().contains("outbox_pending_events"));
    }
}
