//! P3: a duplicate needs a crash, an outage or a closed channel; a drained stop makes none.

use std::time::Duration;

use crate::support::bed::TestBed;
use crate::support::checker::judge;
use crate::support::consumer::Consumer;
use crate::support::history::History;
use crate::support::relay::Relay;
use crate::support::traffic::{Load, Traffic};
use crate::{PATIENCE, declare_orders, reached};

#[tokio::test(flavor = "multi_thread")]
async fn p3_relays_that_are_stopped_and_started_under_load_make_no_duplicate() {
    let bed = TestBed::new("p3").await;
    bed.migrate().await;
    declare_orders(&bed).await;
    let history = History::default();
    let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let traffic =
        Traffic::start(&bed.database_url(), &history, &Load { pause: Duration::from_millis(2), ..Load::default() });
    for round in 1..=6 {
        let mut relay = Relay::start(&bed, &[]).await;
        reached(&history, round * 400, round * 300).await;
        let status = relay.stop(Duration::from_secs(25)).await;
        assert!(status.success(), "round {round}: {status}, {}", relay.log());
    }
    traffic.stop().await;
    let _last = Relay::start(&bed, &[]).await;
    bed.quiet(&history, PATIENCE).await;
    consumer.stop().await;
    judge(&history, &bed.expect(&["orders"]).await).assert_clean(0);
}
