//! Incident 1: somebody deleted the exchange. Orders go on, their events wait; with the exchange and its bindings back, everything arrives.

use serde_json::Value;
use testkit::eventually;
use testkit::patience::SOON;

use crate::incidents::office::{Office, topology};

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_deleted_at_night_costs_nothing_and_is_found_and_fixed_with_the_commands() {
    let mut office = Office::open("incident_exchange", &[]).await;
    let before = office.commit("order-42", &["order.created", "order.paid"]).await;
    office.arrive(&before).await;
    office.world.quiet().await;
    office.world.bed.management().delete_exchange(office.world.bed.vhost(), "order.events").await;
    office.commit("order-42", &["order.shipped", "order.completed"]).await;
    office.commit("order-43", &["order.created"]).await;
    let has_run = |job: &&Value| !job["last_run_at"].is_null();
    let jobs = |status: &Value| status["upkeep"].as_array().map_or(0, |jobs| jobs.iter().filter(has_run).count());
    eventually(SOON, "both orders wait for the exchange", async || {
        let status = office.transcript.ask_json(&["status"]).await;
        status["holds"][0]["waiting_keys"] == 2 && status["waits"][0]["keys"] == 2 && jobs(&status) == 5
    })
    .await;

    office.transcript.run(&["status"]).await.with_code(0);
    office.transcript.run(&["routes", "list"]).await.with_code(0);
    office.transcript.run(&["trace", "order-42"]).await.with_code(0);
    office.transcript.run(&["check"]).await.with_code(1);
    let held = office.transcript.ask_json(&["trace", "order-42"]).await;
    let attempts = |event: &Value| event["attempts"].as_i64().unwrap_or_default();
    assert!(held["events"].as_array().expect("a list").iter().all(|event| attempts(event) == 0), "{held}");

    office.world.bed.declare_topology(&topology()).await;
    office.world.quiet().await;
    office.transcript.run(&["trace", "order-42"]).await.with_code(0);
    office.transcript.run(&["routes", "list"]).await.with_code(0);
    assert_eq!(office.relay.metric("outbox_dead_lettered_total").await, 0.0);
    office.close(0).await.must_be_told_in("1. ");
}
