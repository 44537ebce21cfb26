//! Partitions: every key stays in one queue, in order, through the deaths of consumers; and `--declare` makes queues that see to it.

use std::num::NonZeroU16;
use std::time::Duration;

use outbox_relay::outbox::partition::partition;
use testkit::patience::SOON;
use testkit::traffic::Load;
use testkit::urls::{addr_of, with_addr};
use testkit::{Consumer, History, Proxy, Relay, TestBed, Traffic, eventually, judge};

use crate::routes::stand::routes_file;

const PARTITIONS: u16 = 8;
/// A consumer's whole prefetch comes again when it dies with all of it unacknowledged.
const COPIES_MAX: usize = 2 * 8 * 1_000;

const ROUTES: &str = "[[route]]\nevent_type = \"*\"\nexchange = \"order.events\"\nrouting_key = \"orders.{partition}\"\n\
                      partitions = 8\nqueue = \"orders.{partition}\"\n";

fn queues() -> Vec<String> {
    (0..PARTITIONS).map(|number| format!("orders.{number}")).collect()
}

/// One process of consumers: it takes from every queue, and the broker says which of them it is active for.
struct Process {
    line: Proxy,
    consumers: Vec<Consumer>,
}

impl Process {
    async fn start(bed: &TestBed, history: &History) -> Self {
        let line = Proxy::start(addr_of(&bed.amqp_url())).await;
        let url = with_addr(&bed.amqp_url(), line.addr());
        let consumers = queues().iter().map(|queue| Consumer::start(&url, queue, history)).collect();
        Self { line, consumers }
    }

    /// Its connections are cut, as they are when it is killed. Cancelling a consumer that still has messages would let the next one
    /// overtake them.
    fn die(self) {
        self.line.reset_all();
        drop(self.consumers);
    }
}

async fn handled(history: &History, events: usize) {
    eventually(SOON, &format!("{events} events are handled"), async || history.progress().distinct >= events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_consumers_of_eight_partitions_two_die_one_after_the_other_and_every_key_stays_in_order() {
    let bed = TestBed::new("partitions").await;
    bed.migrate().await;
    let history = History::default();
    let mut relay = Relay::start(&bed, &["--routes", &routes_file(ROUTES), "--declare"]).await;
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(Process::start(&bed, &history).await);
    }
    let load = Load { producers: 4, keys: 200, pause: Duration::from_millis(1), ..Load::default() };
    let traffic = Traffic::start(&bed.database_url(), &history, &load);
    for events in [1_500, 3_000] {
        handled(&history, events).await;
        processes.remove(0).die();
    }
    handled(&history, 4_500).await;
    traffic.stop().await;
    bed.quiet(&history, SOON).await;
    judge(&history, &bed.expect(&[]).await).assert_clean(COPIES_MAX);
    let partitions = NonZeroU16::new(PARTITIONS).expect("not zero");
    for message in history.arrived() {
        let key = message.key.expect("the header says the key");
        assert_eq!(message.queue, format!("orders.{}", partition(&key, partitions)), "{key}");
    }
    assert_eq!(relay.stop(SOON).await.code(), Some(0));
}
