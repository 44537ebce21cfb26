//! Under live load the reading commands answer, quickly, and see one consistent moment.

use std::time::{Duration, Instant};

use testkit::traffic::Load;
use testkit::{Consumer, Relay, Traffic};

use crate::commands_reading::ask::document;
use crate::commands_reading::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn status_trace_and_keys_answer_while_orders_are_written_and_relayed() {
    let stage = Stage::new("load").await;
    let _consumer = Consumer::start(&stage.bed.amqp_url(), "orders", &stage.history);
    let relay = Relay::start(&stage.bed, &[]).await;
    let load = Load { producers: 2, keys: 20, pause: Duration::from_millis(2), ..Load::default() };
    let traffic = Traffic::start(&stage.bed.database_url(), &stage.history, &load);
    let end = Instant::now() + Duration::from_secs(12);
    let (mut asked, mut published) = (0, 0);
    while Instant::now() < end {
        for key in 0..20 {
            let key = format!("order-{key}");
            let query = "SELECT count(*) FROM outbox.events WHERE aggregate_id = $1";
            let row = stage.client.query_one(query, &[&key]).await.expect("a count");
            if row.get::<_, i64>(0) == 0 {
                continue;
            }
            let traced = document(&stage.bed, &["trace", &key]).await;
            let events = traced["events"].as_array().expect("a list");
            // In one snapshot the published ones come first: order per key.
            let states: Vec<&str> = events.iter().filter_map(|event| event["state"].as_str()).collect();
            let first_pending = states.iter().position(|state| *state != "published").unwrap_or(states.len());
            assert!(states[first_pending..].iter().all(|state| *state != "published"), "{states:?}");
            asked += 1;
            published += first_pending;
        }
        document(&stage.bed, &["status"]).await;
        document(&stage.bed, &["keys", "list"]).await;
    }
    traffic.stop().await;
    assert!(asked > 20 && published > 20, "{asked} asked, {published} published events seen");
    assert!(relay.get("/livez").await.status == 200);
}
