//! `docs/metrics.md` is generated from the exposition of a fresh relay; what is healthy, and when to alert, is in this file.

use std::collections::BTreeMap;
use std::time::Duration;

use outbox_relay::ops::metrics::{BacklogNow, Metrics};

use crate::assert_generated;

const INTRODUCTION: &str = "# Metrics, health and the admin port

Generated from the program (`UPDATE_DOCS=1 cargo test --test tidy`). `--admin-addr` (default `[::]:9632`) serves:

| page | |
|---|---|
| `GET /metrics` | the table below, in Prometheus' text format |
| `GET /livez` | 503 if a step of a worker or of the probe has taken five minutes, which is a bug; never because of a service. Restart the relay |
| `GET /readyz` | 200 once the loop runs, even without broker and database and while the relay drains: a sidecar's readiness is its pod's, and a broker outage must not take down the order service |
| `GET /status` | JSON for people: version, since when the services are up, last batch, destinations on hold. Errors are kinds (see [states](states.md#error-kinds-in-status)), never texts |
| `POST /wake` | makes the relay look for work now. From loopback only (`--wake-from`), checked by the connection and not by `X-Forwarded-For`; never for a web page (`Origin`, `Sec-Fetch-Site`) |

Use `/livez` for the liveness probe, with a `timeoutSeconds` of 5 and a `failureThreshold` of 3, and `/readyz` for the readiness probe.
The port has no login and no TLS. Anybody who reaches it can read everything except `/wake`, so it shows no URLs, payloads, ids or error
texts. A connection serves one request. A request's head may have 16 KiB and take 5 s, the whole connection 15 s. Beyond 64 connections,
the oldest one without a request is closed.

The gauges about the whole database (marked *one replica*) are exported only by the replica that computes them, so that a sum over pods
is right; use `max` in dashboards. If that replica goes away, another one takes over within half a minute. If nobody computes them,
`outbox_stats_last_success_timestamp_seconds` is absent. Counts stop at 100,000.
Labels never contain ids. `event_type` is a type that the configuration names, or `_other`.

| metric | type, labels | meaning | healthy, and when to alert |
|---|---|---|---|
";

/// What is healthy, and when to alert.
const HEALTHY: &[(&str, &str)] = &[
    ("outbox_batch_events", "few while idle; near `--batch-size` while catching up"),
    ("outbox_blocked_keys", "0, or a few for seconds. If it grows, run `keys list`. *One replica*"),
    ("outbox_broker_blocked", "0. Alert at 1 for 5 minutes: the broker has an alarm (memory, disk)"),
    ("outbox_broker_connected", "1. Alert at 0 for 5 minutes; nothing is lost in the meantime"),
    ("outbox_build_info", "1; `version` shows a rollout"),
    ("outbox_config_info", "1; one `routes_sha` on all replicas, two during a rollout"),
    ("outbox_confirm_duration_seconds", "milliseconds; a p99 of seconds means a slow disk or a struggling queue"),
    ("outbox_database_connected", "1. Alert at 0 for 5 minutes"),
    ("outbox_dead_letter_events", "0. Alert above 0: somebody must decide. *One replica*"),
    ("outbox_dead_lettered_total", "does not grow. The reasons are in [states](states.md)"),
    (
        "outbox_delivery_lag_seconds",
        "below a second; after an outage, as long as the outage. Alert on its p99 only together with `outbox_oldest_pending_age_seconds`",
    ),
    ("outbox_failures_total", "does not grow. The reasons are in [states](states.md)"),
    ("outbox_in_flight_messages", "0 while idle; hundreds under load"),
    (
        "outbox_late_rows_total",
        "hardly grows. These events were committed late, or somebody made them pending by hand. Late, but not lost",
    ),
    (
        "outbox_no_route_keys",
        "0. Alert above 0 for some minutes: they wait for a routes file that names their type. *One replica*",
    ),
    ("outbox_no_route_total", "does not grow. If it does, the routes file lacks a type"),
    (
        "outbox_oldest_pending_age_seconds",
        "below a few seconds. **The first alert to have**: above 60 s for 5 minutes. Held events count, events waiting for a retry do not. *One replica*",
    ),
    ("outbox_pending_events", "near 0; grows during an outage and falls afterwards. *One replica*"),
    ("outbox_possible_duplicates_total", "grows only with outages; consumers drop duplicates by `message_id`"),
    ("outbox_publish_attempts_total", "at the rate of `outbox_published_total`"),
    ("outbox_published_total", "at the rate of your events; 0 on all replicas while events are pending is an outage"),
    ("outbox_retries_total", "does not grow"),
    ("outbox_route_held", "0. Alert at 1 for 10 minutes: that route's destination is on hold"),
    (
        "outbox_stats_last_success_timestamp_seconds",
        "now. Alert if absent or older than 2 minutes: nobody computes the gauges about the database. *One replica*",
    ),
    (
        "outbox_unrouted_total",
        "any value: messages of routes with `on_unroutable = \"ignore\"` that nobody listened to",
    ),
    ("outbox_wakeups_total", "`poll` at `--poll-interval` while idle; `listen` or `poke` if you use them"),
    ("outbox_worker_panics_total", "0. Alert above 0: a bug; its batch was sent again"),
];

/// A metric as the exposition tells it.
#[derive(Default)]
struct Told {
    help: String,
    kind: String,
    labels: Vec<String>,
}

/// The page of a relay that has just started, on the replica that computes the gauges of the whole database.
pub fn exposition() -> String {
    let metrics = Metrics::new([("_other", "default")].into_iter(), "none");
    let backlog = BacklogNow {
        pending: 0,
        oldest_pending_age: Duration::ZERO,
        blocked_keys: 0,
        no_route_keys: 0,
        dead_letters: 0,
    };
    metrics.backlog(&backlog, 0.0);
    String::from_utf8(metrics.text().expect("encodes")).expect("UTF-8")
}

fn told() -> BTreeMap<String, Told> {
    let (page, mut found) = (exposition(), BTreeMap::<String, Told>::new());
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            found.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            found.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if let Some((name, labels)) = line.split_once('{') {
            let names = labels.split("\",").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name.to_owned());
            if let Some(metric) = found.get_mut(name) {
                metric.labels = names.collect();
            }
        }
    }
    found
}

fn document() -> String {
    let healthy: BTreeMap<&str, &str> = HEALTHY.iter().copied().collect();
    let mut text = INTRODUCTION.to_owned();
    for (name, metric) in told().iter().filter(|(name, _)| name.starts_with("outbox_")) {
        let watch = healthy.get(name.as_str()).unwrap_or_else(|| panic!("HEALTHY lacks {name}"));
        let labels: String = metric.labels.iter().map(|label| format!(", `{label}`")).collect();
        text.push_str(&format!("| `{name}` | {}{labels} | {} | {watch} |\n", metric.kind, metric.help));
    }
    let process: Vec<String> =
        told().keys().filter(|name| name.starts_with("process_")).map(|name| format!("`{name}`")).collect();
    text.push_str(&format!("\nThe usual metrics of the process: {}.\n", process.join(", ")));
    text
}

#[test]
fn every_metric_is_documented() {
    assert_generated("docs/metrics.md", &document());
}

#[test]
fn a_metric_says_in_its_help_what_it_counts_and_in_its_name_in_which_unit() {
    let mut wrong = Vec::new();
    for (name, metric) in told() {
        let is_counter = metric.kind == "counter";
        if is_counter != name.ends_with("_total") {
            wrong.push(format!("{name} is a {}", metric.kind));
        }
        if metric.help.len() < 10 || (name.starts_with("outbox_") && metric.help.ends_with('.')) {
            wrong.push(format!("{name}: '{}'", metric.help));
        }
        if metric.labels.iter().any(|label| label.contains("id") || label == "key") {
            wrong.push(format!("{name} has a label for ids: {:?}", metric.labels));
        }
    }
    crate::assert_none(&wrong, "names and help");
}
