//! `docs/states.md` is generated: the text around the tables is `states.template`, the rows are here, one for each value of the program's
//! enums. A new state, kind or reason does not compile, or fails here, before somebody has said what it means and what to do.

use outbox_relay::commands::state::facts::State;
use outbox_relay::outbox::event::{FailureReason, WaitReason};
use outbox_relay::outbox::hold::HoldKind;

use crate::tree::read;
use crate::{assert_generated, assert_none};

const TEMPLATE: &str = include_str!("states.template");

/// What follows the state's name, where it is stored, what it means, what to do.
fn of_state(state: State) -> (&'static str, &'static str, &'static str, &'static str) {
    match state {
        State::Pending => (
            "",
            "`outbox.events`, `published_at` null, its key not in `outbox.waits`",
            "it leaves with one of the next batches",
            "nothing. If it stays: is a relay running, and are broker and database up (`/status`)?",
        ),
        State::Waiting => (
            " (behind X)",
            "`outbox.events`, its key in `outbox.waits` with an earlier event",
            "X, an earlier event of the same key, must go first",
            "look at X: `trace` names it",
        ),
        State::Retrying => (
            " (n of 3, next at T)",
            "`outbox.waits`, reason `retry`; `attempts`, `until`",
            "the broker refused this very message n times",
            "read `error`. If a queue or binding is missing, create it before the last attempt",
        ),
        State::Held => (
            " (route, reason)",
            "`outbox.waits`, reason `held`, and a row in `outbox.holds`",
            "its destination takes no messages; the event is charged nothing",
            "fix the destination: see [why a destination is on \
            hold](#why-a-destination-is-on-hold)",
        ),
        State::NoRoute => (
            "",
            "`outbox.waits`, reason `no_route`",
            "no route of any running relay names its type; checked again every 30 s",
            "add a route for the type, or one for `*`, and restart",
        ),
        State::Unconfirmed => (
            "",
            "`outbox.waits`, reason `unconfirmed`",
            "it was sent and may have arrived; it is not sent again before `--confirm-timeout` \
            (15 s)",
            "nothing. If it lasts, the destination goes on hold as `unconfirmed`",
        ),
        State::Unreadable => (
            "",
            "`outbox.waits`, reason `unreadable`",
            "the database cannot deliver its row: bytes that are no UTF-8, or a damaged value. Its key waits, others go on",
            "repair or delete the row that `trace` names, then `keys release`; or `keys dead-letter`",
        ),
        State::DeadLetterFailed => (
            "",
            "`outbox.waits`, reason `dead_letter_failed`",
            "it was given up, but the database could not move it to the dead letters; tried again after 5 minutes",
            "read `error`; `keys dead-letter` moves it with more time",
        ),
        State::DeadLettered => (
            "",
            "`outbox.dead_letters`, `processed_at` null",
            "it was given up; its key continues, unless `--on-dead-letter hold`",
            "read `failure_reason` and `last_error`; [replay or discard \
            it](#why-an-event-was-given-up)",
        ),
        State::Published => (
            "",
            "`outbox.events`, `published_at` set",
            "the broker confirmed it on every route; a consumer may not have processed it yet",
            "nothing",
        ),
    }
}

/// What the answer is where there is no event.
const NOT_FOUND: (&str, &str, &str) = (
    "nowhere",
    "never committed, or published and deleted after `--retention`, or in another schema",
    "ask the producer; try `--schema`",
);

/// What happened, and what to do.
fn of_hold(kind: HoldKind) -> (&'static str, &'static str) {
    match kind {
        HoldKind::Refused => (
            "the broker nacked: a queue with `reject-publish` is full, or a quorum queue has no \
            leader",
            "start the queue's consumers or make room; restore the cluster",
        ),
        HoldKind::Unroutable => (
            "a message came back that had been routed before, or 20 events in a row that never were, or a probe of a held destination did: no \
            queue is bound. Also after an exchange was created again without its bindings",
            "bind a queue",
        ),
        HoldKind::Missing => {
            ("the exchange does not exist", "create it and bind its queues, or run the relay with `--declare`")
        }
        HoldKind::Forbidden => ("the relay's user may not write to it", "`rabbitmqctl set_permissions`"),
        HoldKind::Unconfirmed => ("it takes messages but confirms none", "look at that queue's disk and leader"),
        HoldKind::Closed => ("the broker closes the channel on everything sent there", "read `error`"),
    }
}

/// The kind of an operator's hold, which the relay itself never makes.
const OPERATOR: (&str, &str) =
    ("somebody put it on hold with `routes hold`", "ask `held_by`, read `note`; `routes release NAME`");

/// What happened, and what to do.
fn of_dead_letter(reason: FailureReason) -> (&'static str, &'static str) {
    match reason {
        FailureReason::Unroutable => {
            ("no queue was bound for it, on every attempt", "bind a queue, then `dlq replay --reason UNROUTABLE`")
        }
        FailureReason::ChannelClosed => (
            "the broker closes the channel on this message, but on no other of its destination",
            "read `last_error`; usually a header is wrong",
        ),
        FailureReason::PayloadTooLarge => (
            "it is larger than `--max-message-size`, or than the broker allows",
            "send a reference instead of the content, then `dlq discard` with a note",
        ),
        FailureReason::InvalidEvent => (
            "it cannot become an AMQP message: a payload `null`; a routing key, type or correlation \
            id over 255 bytes or with a NUL; headers that are reserved, not an object, nested deeper \
            than 16 levels, larger than a frame, with a name over 255 bytes a number beyond 64 \
            signed bits or with more digits than a double; a routing key or a route's header that needs a header which is missing or \
            not a string or number; two routes to one destination; a time outside the years 1 to 9999",
            "fix the producer and write the event again, then `dlq discard` with a note",
        ),
        FailureReason::Operator => {
            ("somebody moved it there with `keys dead-letter`", "its note says why; replay or discard it")
        }
    }
}

/// What happened, by the label of `outbox_failures_total`.
const FAILURES: &[(&str, &str)] = &[
    ("returned", "a message came back: no queue is bound"),
    ("nacked", "the broker refused a message"),
    ("channel_closed", "the channel closed on a message, or around it"),
    ("unconfirmed", "no confirm before the batch's deadline; it may still come"),
    ("stalled", "not sent, because its destination has owed confirms for too long"),
    ("no_route", "no route names the event's type"),
    ("database", "the database could not be reached, or a statement failed"),
    ("schema", "the tables are missing, or not of this relay's version"),
    (
        "marks_refused",
        "events could not be marked published because of a trigger or a row policy. The relay \
        publishes nothing more until marking works",
    ),
    ("settle_refused", "the database refused a wait or a dead letter; the event stays pending"),
    ("unreadable", "the database could not deliver an event, whose key waits for that"),
    ("dead_letter_failed", "an event that was given up could not be moved to the dead letters; its key waits"),
    ("late_settle", "a late confirm could not be marked at once; the relay tries again"),
    ("probe", "a probe of a hold failed, for example because the database refused it; it is tried again"),
    ("upkeep", "a slow job failed; it runs again"),
];

/// The labels of `outbox_failures_total`, from the exposition.
fn failures() -> Vec<String> {
    let page = crate::metrics_doc::exposition();
    let series = page.lines().filter_map(|line| line.strip_prefix("outbox_failures_total{reason=\""));
    series.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

fn states() -> String {
    let row = |state: &State| {
        let (more, stored, means, next) = of_state(*state);
        format!("| **{}**{more} | {stored} | {means} | {next} |\n", state.words())
    };
    let (stored, means, next) = NOT_FOUND;
    State::ALL.iter().map(row).collect::<String>() + &format!("| **not found** | {stored} | {means} | {next} |")
}

fn holds() -> String {
    let row = |kind: &HoldKind| {
        let (happened, next) = of_hold(*kind);
        format!("| `{}` | {happened} | {next} |\n", kind.as_str())
    };
    let (happened, next) = OPERATOR;
    HoldKind::ALL.iter().map(row).collect::<String>() + &format!("| `operator` | {happened} | {next} |")
}

fn dead_letters() -> String {
    let row = |reason: &FailureReason| {
        let (happened, next) = of_dead_letter(*reason);
        format!("| `{}` | {happened} | {next} |", reason.as_str())
    };
    FailureReason::ALL.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn failure_rows() -> String {
    let row = |(reason, happened): &(&str, &str)| format!("| `{reason}` | {happened} |");
    FAILURES.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn document() -> String {
    TEMPLATE
        .replace("{states}", &states())
        .replace("{holds}", &holds())
        .replace("{letters}", &dead_letters())
        .replace("{failures}", &failure_rows())
}

#[test]
fn every_state_and_reason_is_documented() {
    assert_generated("docs/states.md", &document());
}

#[test]
fn every_reason_that_a_key_waits_for_and_every_failure_is_named() {
    let text = document();
    let waits = WaitReason::ALL.iter().map(|reason| reason.as_str().to_owned());
    let missing: Vec<String> = waits.filter(|reason| !text.contains(&format!("`{reason}`"))).collect();
    assert_none(&missing, "docs/states.md names every reason that a key waits for");
    let mut named: Vec<String> = FAILURES.iter().map(|(reason, _)| (*reason).to_owned()).collect();
    let mut counted = failures();
    named.sort();
    counted.sort();
    assert_eq!(named, counted, "FAILURES has the reasons of outbox_failures_total");
}

#[test]
fn every_kind_of_error_of_status_is_documented() {
    let text = read("docs/states.md");
    let sources = [read("src/outbox/link_report.rs"), read("src/outbox/store.rs")].concat();
    let kinds = [
        "login_refused",
        "vhost_refused",
        "file_unusable",
        "timeout",
        "tls",
        "refused",
        "unknown_host",
        "unreachable",
        "read_only",
        "blocked",
        "connection_ended",
        "failed",
        "schema",
        "marks_refused",
    ];
    let missing: Vec<String> =
        kinds.iter().filter(|kind| !text.contains(&format!("`{kind}`"))).map(ToString::to_string).collect();
    assert_none(&missing, "the kinds of /status are documented");
    assert!(kinds.iter().all(|kind| sources.contains(&format!("\"{kind}\""))), "a kind that nothing says any more");
}
