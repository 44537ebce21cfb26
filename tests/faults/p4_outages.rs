//! P4: an unreachable, blocked or refusing broker, or a database outage, costs no event an attempt and dead-letters nothing.

use std::time::Duration;

use lapin::types::AMQPValue;
use testkit::bed::TestBed;
use testkit::checker::judge;
use testkit::consumer::Consumer;
use testkit::history::History;
use testkit::relay::Relay;
use testkit::services::PrivateServices;
use testkit::topology::{Queue, QueueKind, Topology};
use testkit::traffic::{Load, Traffic};

use crate::faults::{PATIENCE, declare_orders, nothing_was_charged, reached};

/// One batch of each worker, and what the broker delivers again after a restart without saying so.
const IN_FLIGHT: usize = 4 * 500 + 1_000;

fn slow_load() -> Load {
    Load { producers: 2, keys: 40, pause: Duration::from_millis(20), ..Load::default() }
}

/// A relay, traffic and a consumer, on a broker of their own.
struct Scene {
    services: PrivateServices,
    bed: TestBed,
    history: History,
    consumer: Consumer,
    relay: Relay,
    traffic: Traffic,
}

impl Scene {
    async fn open(name: &str) -> Self {
        let services = PrivateServices::start(name, &["rabbitmq"], None).await;
        let bed = TestBed::on(&services).await;
        bed.migrate().await;
        declare_orders(&bed).await;
        let history = History::default();
        let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
        let relay = Relay::start(&bed, &[]).await;
        let traffic = Traffic::start(&bed.database_url(), &history, &slow_load());
        reached(&history, 100, 50).await;
        Self { services, bed, history, consumer, relay, traffic }
    }

    /// After the outage: everything drains, and nobody paid for it.
    async fn close(self) {
        let Self { services, bed, history, consumer, relay, traffic } = self;
        traffic.stop().await;
        bed.quiet(&history, PATIENCE).await;
        nothing_was_charged(&bed, &relay).await;
        consumer.stop().await;
        judge(&history, &bed.expect(&["orders"]).await).assert_clean(IN_FLIGHT);
        drop(services);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_broker_that_is_stopped_for_a_minute_costs_nothing() {
    let scene = Scene::open("stopped").await;
    scene.services.stop("rabbitmq").await;
    // The outage itself.
    tokio::time::sleep(Duration::from_secs(60)).await;
    nothing_was_charged(&scene.bed, &scene.relay).await;
    scene.services.start_again("rabbitmq").await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_broker_that_blocks_for_half_a_minute_costs_nothing() {
    let scene = Scene::open("blocked").await;
    scene.services.ctl(&["set_vm_memory_high_watermark", "0.000001"]).await;
    // The outage itself.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(scene.relay.metric("outbox_broker_blocked").await, 1.0, "the alarm is seen");
    nothing_was_charged(&scene.bed, &scene.relay).await;
    scene.services.ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_full_queue_beside_a_healthy_one_costs_nothing() {
    let bed = TestBed::new("full").await;
    bed.migrate().await;
    let full = Queue::new("full", QueueKind::Classic)
        .bound_to(&["order.created"])
        .argument("x-max-length", AMQPValue::LongInt(5))
        .argument("x-overflow", AMQPValue::LongString("reject-publish".into()));
    bed.declare_topology(&Topology::order_events([full, Queue::new("orders", QueueKind::Classic)])).await;
    let history = History::default();
    let healthy = Consumer::start(&bed.amqp_url(), "orders", &history);
    let relay = Relay::start(&bed, &[]).await;
    let traffic = Traffic::start(&bed.database_url(), &history, &slow_load());
    // The fault itself. Nobody drains the full queue: every order.created beyond the first few is nacked, and kept by the healthy queue each time.
    tokio::time::sleep(Duration::from_secs(30)).await;
    nothing_was_charged(&bed, &relay).await;
    traffic.stop().await;
    let slow = Consumer::start(&bed.amqp_url(), "full", &History::default());
    bed.quiet(&history, PATIENCE).await;
    nothing_was_charged(&bed, &relay).await;
    slow.stop().await;
    healthy.stop().await;
    let verdict = judge(&history, &bed.expect(&["orders"]).await);
    // A nacked message that another queue kept comes there again with each probe; that is the price of fan-out at the broker.
    assert!(verdict.lost.is_empty() && verdict.invented.is_empty() && verdict.out_of_order.is_empty(), "{verdict}");
}
