//! Orders written by many producers at once until told to stop: shared keys, transactions of different sizes, some rolled
//! back, producers that come back after a database outage. Used by the fault tests and the benches.

use std::time::Duration;

use fastrand::Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::bed::try_connect;
use super::history::History;
use super::patience::STOPPED;
use super::writer::{NewEvent, Writer};

/// The shape of the traffic.
#[derive(Debug, Clone)]
pub struct Load {
    pub producers: usize,
    /// Different orders, shared by all producers.
    pub keys: usize,
    /// A transaction holds one to so many events.
    pub events_at_most: usize,
    /// Whether a transaction inserts its events before it changes the order, as an ORM's flush does.
    pub event_first: bool,
    /// Between two transactions of a producer.
    pub pause: Duration,
    /// One transaction of so many is rolled back.
    pub roll_back_one_in: Option<u32>,
    /// One transaction of so many ends with an event that can never become a message.
    pub poison_one_in: Option<u32>,
    /// What the producers choose is drawn from here.
    pub seed: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            producers: 4,
            keys: 50,
            events_at_most: 3,
            event_first: false,
            pause: Duration::from_millis(5),
            roll_back_one_in: Some(10),
            poison_one_in: None,
            seed: fastrand::u64(..),
        }
    }
}

pub struct Traffic {
    stop: watch::Sender<bool>,
    producers: JoinSet<()>,
}

impl Traffic {
    pub fn start(database_url: &str, history: &History, load: &Load) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut producers = JoinSet::new();
        for number in 0..load.producers {
            let random = Rng::with_seed(load.seed.wrapping_add(number as u64));
            let url = database_url.to_owned();
            let writer = if load.event_first { Writer::event_first(history) } else { Writer::new(history) };
            producers.spawn(produce(url, writer, load.clone(), random, stopped.clone()));
        }
        Self { stop, producers }
    }

    /// Ends after the transactions under way, and passes on a producer's failure.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let all = async {
            while let Some(ended) = self.producers.join_next().await {
                ended.expect("a producer did not fail");
            }
        };
        timeout(STOPPED, all).await.expect("the producers stop in time");
    }
}

/// One producer; connects again for as long as the test goes on.
async fn produce(url: String, writer: Writer, load: Load, mut random: Rng, stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let Ok(mut client) = try_connect(&url).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        while !*stopped.borrow() && !client.is_closed() {
            let key = format!("order-{}", random.usize(..load.keys));
            let count = random.usize(1..=load.events_at_most);
            let mut one_in = |so_many: Option<u32>| so_many.is_some_and(|so_many| random.u32(..so_many) == 0);
            let (rolled_back, poisoned) = (one_in(load.roll_back_one_in), one_in(load.poison_one_in));
            let work = async {
                if rolled_back {
                    return writer.roll_back(&mut client, &key, count).await;
                }
                let events = (0..count).map(|n| NewEvent::of_order(&key, n));
                let events = events.chain(poisoned.then(NewEvent::poison)).collect();
                writer.try_commit(&mut client, &key, events).await.map(|_| ())
            };
            // A statement that hangs (a frozen server) is given up with its connection.
            match timeout(Duration::from_secs(20), work).await {
                Ok(Ok(())) => sleep(load.pause).await,
                Ok(Err(_)) | Err(_) => break,
            }
        }
    }
}
