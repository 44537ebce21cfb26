//! An order service with its outbox, a queue bound to its exchange and a consumer that writes the history: all that a test of a relay
//! process needs besides the relay. Used by the tests of lapin's traps and of supervision.

use std::time::Duration;

use tokio_postgres::Client;

use super::bed::TestBed;
use super::checker::{Verdict, judge};
use super::consumer::Consumer;
use super::history::History;
use super::services::PrivateServices;
use super::topology::{Queue, QueueKind, Topology};
use super::writer::Writer;

/// The queue that gets everything.
pub const QUEUE: &str = "orders";

pub struct Shop {
    pub bed: TestBed,
    pub history: History,
    client: Client,
    _consumer: Consumer,
}

impl Shop {
    /// Migrated, declared and consumed.
    pub async fn open(name: &str) -> Self {
        let bed = TestBed::new(name).await;
        bed.migrate().await;
        Self::with(bed).await
    }

    /// The same on services that the test may kill.
    pub async fn open_on(services: &PrivateServices) -> Self {
        let bed = TestBed::on(services).await;
        bed.migrate().await;
        Self::with(bed).await
    }

    /// On a bed as it is, migrated or not.
    pub async fn with(bed: TestBed) -> Self {
        bed.declare_topology(&Topology::order_events([Queue::new(QUEUE, QueueKind::Classic)])).await;
        let history = History::default();
        let consumer = Consumer::start(&bed.amqp_url(), QUEUE, &history);
        let client = bed.client().await;
        Self { bed, history, client, _consumer: consumer }
    }

    /// Commits so many events of each of so many orders, an order per transaction.
    pub async fn order(&mut self, orders: usize, events: usize) {
        let writer = Writer::new(&self.history);
        for order in 0..orders {
            writer.commit(&mut self.client, &format!("order-{order}"), events).await;
        }
    }

    /// Waits until everything has arrived and is marked.
    pub async fn delivered(&self, deadline: Duration) {
        self.bed.quiet(&self.history, deadline).await;
    }

    /// Judges what has happened so far.
    pub async fn verdict(&self) -> Verdict {
        judge(&self.history, &self.bed.expect(&[QUEUE]).await)
    }
}
