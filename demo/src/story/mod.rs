//! The first phase: customers order over HTTP, and four services that know nothing of each other are told.
//!
//! Called by `main` before `traffic`. Promises that what was committed is judged by the outbox itself, and every body that
//! arrived by its consumer's own document and by the event's schema. Answers whether every promise was kept.

mod clients;
mod consumer;
pub mod documents;
mod envelopes;
pub mod http;
pub mod lives;
mod outcome;
mod schemas;
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::report::thousands;
use crate::stage::Stage;
use crate::story::consumer::Consumers;
use crate::story::outcome::Outcome;

pub const CLIENTS: usize = 4;
const TICK: Duration = Duration::from_millis(50);
/// Without any arrival: then what is missing is lost.
const SILENCE: Duration = Duration::from_secs(60);
/// Time for what should not come: duplicates, and events that nobody committed.
const LINGER: Duration = Duration::from_secs(1);

pub async fn run(stage: &mut Stage) -> Result<bool, Failure> {
    let consumers = Consumers::start(stage.broker()).await?;
    let address = stage.start_service().await?;
    stage.start_relay_with_routes()?.listening().await?;
    println!(
        "{CLIENTS} clients place {} orders at the order service (http://{address}) and move them; the relay (pid {}) publishes;",
        thousands(stage.settings.http_orders as usize),
        stage.relay().pid,
    );
    println!("four consumers check every body: {}\n", documents::names());
    let started = Instant::now();
    let asked = clients::run(address, stage.settings.http_orders).await?;
    let committed = stage.database().committed().await?;
    let complete = until_arrived(stage, &consumers, &committed).await?;
    let took = started.elapsed();
    tokio::time::sleep(LINGER).await;
    let outcomes: Vec<Outcome> =
        consumers.inboxes().map(|inbox| Outcome::of(inbox.document, &committed, &inbox.taken())).collect();
    table::show(&asked, committed.len(), took, &outcomes);
    if !complete {
        println!("\nnothing arrived for {} s", SILENCE.as_secs());
    }
    consumers.close(stage.broker()).await?;
    stage.stop_relay().await?;
    println!();
    Ok(complete && outcomes.iter().all(Outcome::is_kept))
}

/// True once every consumer has what it was to be told.
async fn until_arrived(stage: &mut Stage, consumers: &Consumers, committed: &[Committed]) -> Result<bool, Failure> {
    let (mut before, mut last) = (0, Instant::now());
    loop {
        stage.check()?;
        consumers.check()?;
        let missing: usize = consumers.inboxes().map(|inbox| inbox.missing(committed)).sum();
        let arrived: usize = consumers.inboxes().map(|inbox| inbox.taken().all.len()).sum();
        if missing == 0 {
            return Ok(true);
        }
        if arrived > before {
            (before, last) = (arrived, Instant::now());
        }
        if last.elapsed() >= SILENCE {
            return Ok(false);
        }
        tokio::time::sleep(TICK).await;
    }
}

/// An event that the outbox holds.
#[derive(Clone)]
pub struct Committed {
    pub id: uuid::Uuid,
    pub key: String,
    pub event_type: Arc<str>,
    pub seq: i64,
}
