//! A panic in a worker: contained, counted, logged, and its batch comes again. In-process, because no released relay can be told to
//! panic.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outbox_relay::ops::metrics::Metrics;
use outbox_relay::ops::quota::Quota;
use outbox_relay::ops::spans::Spans;
use outbox_relay::ops::vitals::Vitals;
use outbox_relay::outbox::event::Event;
use outbox_relay::outbox::hints::Hints;
use outbox_relay::outbox::route::RouteTable;
use outbox_relay::outbox::store::ClaimLimits;
use outbox_relay::relay::Relay;
use outbox_relay::relay::evidence::Evidence;
use outbox_relay::relay::marked::Marked;
use outbox_relay::relay::settle::OnDeadLetter;
use outbox_relay::relay::wake::Wake;
use outbox_relay::relay::worker::crew;
use testkit::eventually;
use testkit::fixtures;
use testkit::patience::SOON;
use testkit::relay::sum_of;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::supervision::fakes::{FakeBroker, FakeStore, event};

const BATCH: usize = 50;
const KEYS: usize = 40;
const EVENTS_OF_KEY: usize = 8;
/// In the third or fourth batch, when the windows are open.
const PANIC_AT: usize = 150;

/// The log of this test alone.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("nobody panics while writing")).into_owned()
    }
}

fn relay(store: &FakeStore, broker: &FakeBroker, draining: &CancellationToken) -> Arc<Relay<FakeStore, FakeBroker>> {
    let routes = RouteTable::single("order.events", "order-service");
    let metrics = Arc::new(Metrics::new(routes.series(), routes.sha()));
    Arc::new(Relay {
        quota: Quota::default(),
        drain_timeout: Duration::from_secs(5),
        store: store.clone(),
        broker: broker.clone(),
        routes,
        policy: fixtures::policy(),
        on_dead_letter: OnDeadLetter::Continue,
        limits: ClaimLimits { lanes: 16, events: BATCH, bytes: 16 << 20, events_of_key: 32, payload_bytes: 1 << 20 },
        batch_deadline: Duration::from_secs(2),
        evidence: Evidence::default(),
        marked: Marked::default(),
        new_hold: Notify::new(),
        metrics,
        spans: Spans::default(),
        vitals: Vitals::default(),
        draining: draining.clone(),
    })
}

fn events() -> Vec<Event> {
    let numbered = (0..KEYS * EVENTS_OF_KEY).map(|number| (number, number % KEYS));
    numbered.map(|(number, key)| event(&format!("order-{key}"), number as i64, key as i16)).collect()
}

/// Every event left first after its predecessor; returns how often each left.
fn check_order(events: &[Event], sent: &[Uuid]) -> HashMap<Uuid, usize> {
    let (mut times, mut highest) = (HashMap::new(), HashMap::new());
    for id in sent {
        let event = events.iter().find(|event| event.id == *id).expect("nothing is invented");
        let count = times.entry(*id).or_insert(0);
        *count += 1;
        if *count == 1 {
            let before = highest.insert(event.key().to_owned(), event.seq);
            assert!(before.is_none_or(|before| before < event.seq), "{} was overtaken", event.seq);
        }
    }
    times
}

async fn a_panic_is_contained_with(workers: usize) {
    let log = Log::default();
    let to_log = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || to_log.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let events = events();
    let (store, broker) = (FakeStore::with(events.clone()), FakeBroker::panicking_at(PANIC_AT));
    let draining = CancellationToken::new();
    let relay = relay(&store, &broker, &draining);
    let wake = Wake::new(Hints::default(), Duration::from_millis(20));
    let running = tokio::spawn(crew(Arc::clone(&relay), workers, wake));
    eventually(SOON, "every event is published", async || store.pending() == 0).await;
    draining.cancel();
    timeout(SOON, running).await.expect("the workers end in time").expect("the panic was contained");

    let marked = store.marked();
    assert_eq!(marked.len(), events.len(), "each is marked once");
    assert_eq!(marked.iter().collect::<HashSet<_>>().len(), events.len());
    assert_eq!(store.lost_batches(), 1, "the panic's own");
    let times = check_order(&events, &broker.sent());
    assert!(times.values().all(|times| *times <= 2), "sent again at most once");
    let again = broker.sent().len() - events.len();
    assert!((1..=BATCH).contains(&again), "{again} were sent again, more than a batch");
    assert!(broker.channels() > 1, "the channel of the panic is not used again");
    let page = String::from_utf8(relay.metrics.text().expect("metrics")).expect("text");
    assert!((sum_of(&page, "outbox_worker_panics_total", "") - 1.0).abs() < 0.5, "counted once");
    assert!(sum_of(&page, "outbox_in_flight_messages", "") < 0.5, "nothing stays in flight");
    assert!(log.text().contains("a worker panicked"), "{}", log.text());
}

#[tokio::test]
async fn a_panic_of_the_only_worker_is_contained() {
    a_panic_is_contained_with(1).await;
}

#[tokio::test]
async fn a_panic_of_one_of_several_workers_is_contained() {
    a_panic_is_contained_with(4).await;
}
