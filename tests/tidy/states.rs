//! Every word that an operator may meet is in `docs/states.md`: the states of an event, why a key waits, why a destination is on hold, why
//! an event was given up, why something did not go through.

use outbox_relay::outbox::event::{FailureReason, WaitReason};
use outbox_relay::outbox::hold::HoldKind;

use crate::assert_none;
use crate::tree::read;

/// The words of `status` and `trace`.
const STATES: [&str; 9] =
    ["pending", "waiting", "retrying", "held", "no route", "unconfirmed", "dead-lettered", "published", "not found"];

fn words() -> Vec<String> {
    let waits = WaitReason::ALL.iter().map(|reason| reason.as_str());
    let holds = HoldKind::ALL.iter().map(|kind| kind.as_str());
    let reasons = FailureReason::ALL.iter().map(|reason| reason.as_str());
    waits.chain(holds).chain(reasons).chain(failures()).map(str::to_owned).collect()
}

/// The labels of `outbox_failures_total`, from the exposition.
fn failures() -> Vec<&'static str> {
    let page = crate::metrics_doc::exposition();
    let page: &'static str = Box::leak(page.into_boxed_str());
    let series = page.lines().filter_map(|line| line.strip_prefix("outbox_failures_total{reason=\""));
    series.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn every_state_and_reason_is_documented() {
    let text = read("docs/states.md");
    let mut missing: Vec<String> = words().into_iter().filter(|word| !text.contains(&format!("`{word}`"))).collect();
    missing.extend(STATES.iter().filter(|state| !text.contains(&format!("**{state}**"))).map(ToString::to_string));
    assert_none(&missing, "docs/states.md says what it means and what to do");
    assert!(words().len() > 20);
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
        "unreachable",
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
