//! The order service: eight writers that change orders and tell of it in the same transaction.
//!
//! Started by `traffic`. Promises the producer's half of the order: the order's row is locked first and the outbox row
//! inserted last, and only a successful COMMIT enters the ledger. Refuses to hide an error: a writer that fails ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, Error, Statement, Transaction};
use uuid::Uuid;

use crate::database::connect;
use crate::failure::{Failure, within};
use crate::ledger::{Change, Ledger};
use crate::orders::{event, order_id};
use crate::schedule::{Schedule, Step};

pub const WRITERS: usize = 8;
const TRANSACTION: Duration = Duration::from_secs(30);
/// Transactions that change their mind after the outbox row was written.
const ROLLED_BACK: f64 = 0.01;

const LOCK: &str = "SELECT version FROM orders WHERE id = $1 FOR UPDATE";
const OPEN: &str = "INSERT INTO orders (id, status, version) VALUES ($1, 'NEW', 0) ON CONFLICT (id) DO NOTHING";
const CHANGE: &str = "UPDATE orders SET status = $2, version = $3 WHERE id = $1";
const TELL: &str = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, correlation_id)
                    VALUES ('order', $1, $2, $3::text::json, $4) RETURNING id";

pub fn start(config: &Config, ledger: &Arc<Ledger>, schedule: Schedule) -> JoinSet<Result<(), Failure>> {
    let schedule = Arc::new(schedule);
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (config, ledger, schedule) = (config.clone(), Arc::clone(ledger), Arc::clone(&schedule));
        writers.spawn(async move {
            let mut writer = Writer::connect(&config).await?;
            while let Some(step) = schedule.next() {
                writer.perform(step, &ledger).await?;
            }
            Ok(())
        });
    }
    writers
}

struct Writer {
    client: Client,
    statements: Statements,
}

struct Statements {
    lock: Statement,
    open: Statement,
    change: Statement,
    tell: Statement,
}

impl Writer {
    async fn connect(config: &Config) -> Result<Self, Failure> {
        let client = connect(config).await?;
        let statements = within(TRANSACTION, "preparing a writer", async {
            let (lock, open) = (client.prepare(LOCK).await?, client.prepare(OPEN).await?);
            let (change, tell) = (client.prepare(CHANGE).await?, client.prepare(TELL).await?);
            Ok::<_, Error>(Statements { lock, open, change, tell })
        })
        .await?;
        Ok(Self { client, statements })
    }

    /// Does the step; when it was rolled back on purpose, does it again, as a customer would.
    async fn perform(&mut self, step: Step, ledger: &Ledger) -> Result<(), Failure> {
        while fastrand::f64() < ROLLED_BACK {
            let told = within(TRANSACTION, "rolling back an order's change", self.transact(step, false)).await?;
            ledger.roll_back(told.len());
        }
        let told = within(TRANSACTION, "changing an order", self.transact(step, true)).await?;
        ledger.commit(told);
        Ok(())
    }

    async fn transact(&mut self, step: Step, commit: bool) -> Result<Vec<(Uuid, Change)>, Error> {
        let transaction = self.client.transaction().await?;
        let told = self.statements.change_order(&transaction, step).await?;
        if commit {
            transaction.commit().await?
        } else {
            transaction.rollback().await?
        }
        Ok(told)
    }
}

impl Statements {
    async fn change_order(&self, transaction: &Transaction<'_>, step: Step) -> Result<Vec<(Uuid, Change)>, Error> {
        let key = order_id(step.order);
        let row = match transaction.query_opt(&self.lock, &[&key]).await? {
            Some(row) => row,
            None => {
                // Two writers may open the same order; the slower one waits here and then finds it.
                transaction.execute(&self.open, &[&key]).await?;
                transaction.query_one(&self.lock, &[&key]).await?
            }
        };
        let before: i64 = row.get(0);
        let events: Vec<_> = (before + 1..=before + step.events)
            .map(|version| (version, event(step.order, version, step.life)))
            .collect();
        let (version, last) = events.last().expect("a step has at least one event");
        transaction.execute(&self.change, &[&key, &last.status, version]).await?;
        let correlation = format!("corr-{}", Uuid::new_v4());
        let mut told = Vec::with_capacity(events.len());
        for (version, event) in events {
            let row =
                transaction.query_one(&self.tell, &[&key, &event.event_type, &event.payload, &correlation]).await?;
            told.push((row.get(0), Change { key: key.clone(), version }));
        }
        Ok(told)
    }
}
