//! The exposition as Prometheus reads it: `promtool` finds nothing wrong with that of a relay that has been at work.

use std::path::PathBuf;
use std::process::Stdio;

use testkit::patience::SOON;
use testkit::{Relay, World, eventually};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Where `dev/install promtool` puts it, or wherever it is.
fn promtool() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/dev/tools/promtool");
    std::env::var_os("OUTBOX_TEST_PROMTOOL").map(PathBuf::from).unwrap_or(if own.exists() {
        own
    } else {
        "promtool".into()
    })
}

/// What it says of the page; empty if it has nothing to say.
async fn lint(page: &str) -> String {
    let mut command = Command::new(promtool());
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool runs; `dev/install promtool` brings it");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(page.as_bytes()).await.expect("promtool reads");
    drop(input);
    let output = tokio::time::timeout(SOON, child.wait_with_output()).await.expect("in time").expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() || !said.is_empty(), "{}", output.status);
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_a_relay_at_work() {
    let mut world = World::open("promtool").await;
    let relay = Relay::start(&world.bed, &[]).await;
    world.order(5, 3).await;
    world.quiet().await;
    let computed = async || relay.get("/metrics").await.body.contains("outbox_pending_events");
    eventually(SOON, "this replica computes the gauges of the whole database", computed).await;
    let page = relay.get("/metrics").await.body;
    assert_eq!(lint(&page).await, "");
    let wrong = page.replace("outbox_retries_total", "outbox_retries");
    assert!(lint(&wrong).await.contains("outbox_retries"), "promtool looks");
}

#[tokio::test]
async fn every_counter_is_there_from_the_start_and_no_label_is_an_id() {
    let mut world = World::open("metric labels").await;
    let relay = Relay::start(&world.bed, &[]).await;
    for counter in [
        "outbox_published_total{event_type=\"_other\",route=\"default\"} 0",
        "outbox_publish_attempts_total{route=\"default\"} 0",
        "outbox_failures_total{reason=\"database\"}",
        "outbox_dead_lettered_total{reason=\"INVALID_EVENT\"} 0",
        "outbox_possible_duplicates_total 0",
        "outbox_late_rows_total 0",
    ] {
        let page = relay.get("/metrics").await.body;
        assert!(page.contains(counter), "{counter} is missing:\n{page}");
    }
    // The backlog's gauges are there once it was counted.
    let counted = async || relay.get("/metrics").await.body.contains("outbox_pending_events ");
    eventually(SOON, "the backlog is counted", counted).await;
    let before = relay.get("/metrics").await.body.lines().count();
    world.order(50, 2).await;
    world.quiet().await;
    let page = relay.get("/metrics").await.body;
    assert!(!page.contains("order-1"), "{page}");
    assert!(page.lines().count() <= before + 15, "fifty orders make no fifty series:\n{page}");
}
