//! A relay that is killed at a chosen moment of a batch, without help from inside: a lock holds its settle, a silent line its confirms.

use testkit::bed::TestBed;
use testkit::checker::judge;
use testkit::consumer::Consumer;
use testkit::history::History;
use testkit::process::Signal;
use testkit::proxy::{Faults, Proxy, Stall};
use testkit::relay::Relay;
use testkit::urls::{addr_of, with_addr};
use testkit::wait::eventually;
use testkit::writer::Writer;

use crate::faults::{PATIENCE, declare_orders};

const KEYS: usize = 40;
const EVENTS: usize = 3;

struct Shop {
    bed: TestBed,
    history: History,
    consumer: Consumer,
}

impl Shop {
    /// With events that are due.
    async fn open(name: &str) -> Self {
        let bed = TestBed::new(name).await;
        bed.migrate().await;
        declare_orders(&bed).await;
        let history = History::default();
        let consumer = Consumer::start(&bed.amqp_url(), "orders", &history);
        let (writer, mut client) = (Writer::new(&history), bed.client().await);
        for key in 0..KEYS {
            writer.commit(&mut client, &format!("order-{key}"), EVENTS).await;
        }
        Self { bed, history, consumer }
    }

    /// Another relay does what is left.
    async fn close(self, duplicates_at_most: usize) {
        let _other = Relay::start(&self.bed, &[]).await;
        self.bed.quiet(&self.history, PATIENCE).await;
        self.consumer.stop().await;
        judge(&self.history, &self.bed.expect(&["orders"]).await).assert_clean(duplicates_at_most);
    }
}

async fn kill(mut relay: Relay) {
    relay.signal(Signal::Kill);
    relay.wait_exit(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_a_relay_killed_between_the_confirms_and_the_commit_loses_nothing() {
    let shop = Shop::open("before commit").await;
    let mut client = shop.bed.client().await;
    let lock = client.transaction().await.expect("a transaction");
    // Reading goes on, marking does not.
    lock.batch_execute("LOCK TABLE outbox.events IN SHARE MODE").await.expect("the lock");
    let relay = Relay::start(&shop.bed, &[]).await;
    let is_settling = async || {
        let sql = "SELECT count(*) FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND NOT granted";
        shop.bed.client().await.query_one(sql, &[]).await.expect("locks are counted").get::<_, i64>(0) > 0
    };
    eventually(PATIENCE, "a settle waits for the lock", is_settling).await;
    assert!(shop.history.progress().distinct > 0, "what it settles has arrived");
    kill(relay).await;
    lock.rollback().await.expect("the lock is given back");
    shop.close(KEYS * EVENTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_relay_killed_between_publish_and_confirm_had_one_event_of_each_key_out() {
    let shop = Shop::open("before confirm").await;
    let proxy = Proxy::start(addr_of(&shop.bed.amqp_url())).await;
    let relay = Relay::start(&shop.bed, &["--amqp-url", &with_addr(&shop.bed.amqp_url(), proxy.addr())]).await;
    shop.bed.quiet(&shop.history, PATIENCE).await;
    let before = shop.history.progress().distinct;
    proxy.set(Faults { stall: Stall::Down, ..Faults::default() });
    let (writer, mut client) = (Writer::new(&shop.history), shop.bed.client().await);
    for key in 0..KEYS {
        writer.commit(&mut client, &format!("order-{key}"), EVENTS).await;
    }
    let some_arrived = async || shop.history.progress().distinct > before;
    eventually(PATIENCE, "events arrive whose confirms do not", some_arrived).await;
    kill(relay).await;
    shop.close(KEYS).await;
}
