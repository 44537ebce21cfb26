//! P3: a duplicate needs a crash, an outage or a closed channel; a drained stop makes none.

use std::time::Duration;

use testkit::bed::TestBed;
use testkit::checker::judge;
use testkit::consumer::Consumer;
use testkit::history::History;
use testkit::proxy::{Faults, Proxy};
use testkit::relay::Relay;
use testkit::traffic::{Load, Traffic};
use testkit::urls::{addr_of, with_addr};
use testkit::wait::eventually;
use testkit::writer::Writer;

use crate::faults::{PATIENCE, declare_orders, reached};

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

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_relay_that_is_stopped_while_confirms_are_slow_makes_no_duplicate() {
    let bed = TestBed::new("p3_slow").await;
    bed.migrate().await;
    declare_orders(&bed).await;
    let history = History::default();
    let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
    let proxy = Proxy::start(addr_of(&bed.amqp_url())).await;
    let slow_url = with_addr(&bed.amqp_url(), proxy.addr());
    let mut relay = Relay::start(&bed, &["--amqp-url", &slow_url]).await;
    let (writer, mut client) = (Writer::new(&history), bed.client().await);
    for key in 0..50 {
        writer.commit(&mut client, &format!("order-{key}"), 1).await;
    }
    bed.quiet(&history, PATIENCE).await;
    proxy.set(Faults { latency: Duration::from_secs(2), ..Faults::default() });
    for key in 0..50 {
        writer.commit(&mut client, &format!("late-{key}"), 1).await;
    }
    // Longer than a batch may take, so that the batch ends before its confirms come.
    let unconfirmed = async || {
        let sql = "SELECT count(*) FROM outbox.waits WHERE reason = 'unconfirmed'";
        client.query_one(sql, &[]).await.expect("a count").get::<_, i64>(0) > 0
    };
    eventually(PATIENCE, "events wait for their confirms", unconfirmed).await;
    assert!(relay.stop(Duration::from_secs(25)).await.success());
    proxy.heal();
    let _next = Relay::start(&bed, &[]).await;
    bed.quiet(&history, PATIENCE).await;
    consumer.stop().await;
    judge(&history, &bed.expect(&["orders"]).await).assert_clean(0);
}
