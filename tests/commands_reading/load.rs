//! Under live load the reading commands answer, quickly, and see one consistent moment.

use std::time::{Duration, Instant};

use testkit::Relay;
use testkit::command::document;
use testkit::traffic::Load;

use crate::commands_reading::stage::stage;

#[tokio::test(flavor = "multi_thread")]
async fn status_trace_and_keys_answer_while_orders_are_written_and_relayed() {
    let world = stage("load").await;
    let _consumer = world.consume("orders");
    let relay = Relay::start(&world.bed, &[]).await;
    let load = Load { producers: 2, keys: 20, pause: Duration::from_millis(2), ..Load::default() };
    let traffic = world.traffic(&load);
    let end = Instant::now() + Duration::from_secs(12);
    let (mut asked, mut published) = (0, 0);
    while Instant::now() < end {
        for key in 0..20 {
            let key = format!("order-{key}");
            let query = "SELECT count(*) FROM outbox.events WHERE aggregate_id = $1";
            let row = world.client.query_one(query, &[&key]).await.expect("a count");
            if row.get::<_, i64>(0) == 0 {
                continue;
            }
            let traced = document(&world.bed, &["trace", &key]).await;
            let events = traced["events"].as_array().expect("a list");
            // In one snapshot the published ones come first: order per key.
            let states: Vec<&str> = events.iter().filter_map(|event| event["state"].as_str()).collect();
            let first_pending = states.iter().position(|state| *state != "published").unwrap_or(states.len());
            assert!(states[first_pending..].iter().all(|state| *state != "published"), "{states:?}");
            asked += 1;
            published += first_pending;
        }
        document(&world.bed, &["status"]).await;
        document(&world.bed, &["keys", "list"]).await;
    }
    traffic.stop().await;
    assert!(asked > 20 && published > 20, "{asked} asked, {published} published events seen");
    assert!(relay.get("/livez").await.status == 200);
}
