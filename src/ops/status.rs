//! The document of `/status`: what this relay is, the state of its services, and what it is doing.
//! Read by people, `kubectl` and scripts.
//!
//! Anybody who reaches the port can read it, so it contains no URLs, users, payloads or error
//! texts. Errors are kinds, one word each.

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::ops::vitals::Vitals;
use crate::outbox::broker::LinkState;
use crate::outbox::link_report::LinkReport;
use crate::outbox::time::timestamp;

/// What stays constant while the process runs.
#[derive(Debug, Clone)]
pub struct Process {
    /// Schema of the outbox tables.
    pub schema: String,
    /// `poll` or `listen`.
    pub wake: &'static str,
    /// The most workers.
    pub workers: usize,
    /// The number of routes.
    pub routes: usize,
    /// When it started.
    pub started_at: OffsetDateTime,
}

/// The sources of the parts that change.
#[derive(Clone)]
pub struct Sources {
    /// The broker link.
    pub link: watch::Receiver<LinkState>,
    /// Since when, to which node, and the last error.
    pub report: watch::Receiver<LinkReport>,
    /// Whether LISTEN is active.
    pub listening: watch::Receiver<bool>,
    /// The rest.
    pub vitals: Vitals,
}

/// The document.
pub fn document(process: &Process, sources: &Sources, draining: bool, in_flight: i64) -> Value {
    let now = OffsetDateTime::now_utc();
    let (database, vitals) = (sources.vitals.database(), &sources.vitals);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "schema": process.schema,
        "started_at": timestamp(process.started_at),
        "uptime_seconds": (now - process.started_at).whole_seconds().max(0),
        "draining": draining,
        "wake": process.wake,
        "listening": *sources.listening.borrow(),
        "workers": process.workers,
        "routes": { "count": process.routes },
        "broker": broker(sources),
        "database": {
            "connected": database.connected,
            "since": database.since.map(timestamp),
            "last_error": database.error,
        },
        "in_flight": in_flight,
        "last_batch_at": vitals.last_batch_at().map(timestamp),
        "held_destinations": vitals.holds(),
    })
}

fn broker(sources: &Sources) -> Value {
    let (state, generation) = match *sources.link.borrow() {
        LinkState::Down => ("down", None),
        LinkState::Up(generation) => ("up", Some(generation)),
        LinkState::Blocked(generation) => ("blocked", Some(generation)),
    };
    let report = sources.report.borrow();
    json!({
        "state": state,
        "generation": generation,
        "since": report.since.map(timestamp),
        "node": report.node,
        "last_error": report.last_error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_tells_a_relay_without_services_from_one_that_works() {
        let (link, report, listening) =
            (watch::Sender::new(LinkState::Down), watch::Sender::new(LinkReport::default()), watch::Sender::new(false));
        let vitals = Vitals::default();
        let sources = Sources {
            link: link.subscribe(),
            report: report.subscribe(),
            listening: listening.subscribe(),
            vitals: vitals.clone(),
        };
        let process = Process {
            schema: "outbox".into(),
            wake: "poll",
            workers: 4,
            routes: 1,
            started_at: OffsetDateTime::now_utc(),
        };
        let alone = document(&process, &sources, false, 0);
        assert_eq!(alone["broker"]["state"], "down");
        assert_eq!(alone["database"], json!({ "connected": false, "since": null, "last_error": null }));
        assert_eq!((&alone["last_batch_at"], &alone["held_destinations"]), (&Value::Null, &Value::Null));

        link.send_replace(LinkState::Blocked(7));
        vitals.saw_database(true, None);
        vitals.saw_holds(2);
        vitals.settled_batch();
        let working = document(&process, &sources, true, 3);
        assert_eq!((&working["broker"]["state"], &working["broker"]["generation"]), (&json!("blocked"), &json!(7)));
        assert_eq!((&working["draining"], &working["in_flight"]), (&json!(true), &json!(3)));
        assert_eq!((&working["held_destinations"], &working["database"]["connected"]), (&json!(2), &json!(true)));
        assert!(working["last_batch_at"].is_string());
    }
}
