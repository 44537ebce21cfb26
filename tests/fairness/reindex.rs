//! Row 12: REINDEX TABLE beside a running relay: no deadlock, and no copy.

use std::time::Duration;

use super::field::{SOON, orders};
use testkit::traffic::Load;
use testkit::{Consumer, History, Relay, TestBed, Traffic, eventually, judge};

const ROUNDS: usize = 8;

#[tokio::test]
async fn reindexing_the_tables_beside_a_relay_makes_no_deadlock_and_no_copy() {
    let bed = TestBed::new("reindex").await;
    bed.migrate().await;
    bed.declare_topology(&orders()).await;
    let history = History::default();
    let _consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let mut relay = Relay::start(&bed, &[]).await;
    let mut second = Relay::start(&bed, &[]).await;
    let load = Load { producers: 4, pause: Duration::from_millis(1), ..Load::default() };
    let traffic = Traffic::start(&bed.database_url(), &history, &load);
    let client = bed.client().await;
    for _ in 0..ROUNDS {
        for table in ["events", "lanes", "waits", "holds"] {
            let due = history.progress().due + 50;
            eventually(SOON, "more events are committed", async || history.progress().due >= due).await;
            client
                .batch_execute(&format!("REINDEX TABLE outbox.{table}"))
                .await
                .expect("no deadlock for REINDEX either");
        }
    }
    traffic.stop().await;
    bed.quiet(&history, SOON).await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = client.query_one(deadlocks, &[]).await.expect("statistics").get(0);
    assert_eq!(deadlocks, 0, "{}\n{}", relay.log(), second.log());
    for relay in [&mut relay, &mut second] {
        assert_eq!(relay.stop(Duration::from_secs(30)).await.code(), Some(0));
    }
    judge(&history, &bed.expect(&[]).await).assert_clean(0);
}
