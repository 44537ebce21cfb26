//! Relays beside each other, and producers beside a relay.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::database::Rows;
use crate::failure::{Doing, Failure, within};
use crate::figures::Figure;
use crate::settings::Settings;
use crate::stage::{ORDERS, Stage};
use crate::watcher::Watcher;

const RELAYS: [usize; 3] = [1, 2, 4];
const PRODUCERS: usize = 4;
const COMMIT: Duration = Duration::from_secs(30);
const INSERT: &str = r#"INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
VALUES ('order', gen_random_uuid()::text, 'order.created', ('{"note":"' || repeat('x', 1000) || '"}')::json)"#;

/// One backlog, drained by 1, 2 and 4 relays.
pub async fn relays(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let rows = Rows::new(settings.size(40_000, 200_000), 20_000);
    let mut rates = [const { Vec::new() }; RELAYS.len()];
    for _ in 0..settings.rounds.min(3) {
        for (count, rates) in RELAYS.into_iter().zip(&mut rates) {
            rates.push(drain_with(settings, count, rows).await?);
        }
    }
    let mut figures = Vec::new();
    for (count, of_count) in RELAYS.into_iter().zip(&rates).skip(1) {
        figures.push(Figure::ratio("relays", format!("{count} relays against one"), of_count, &rates[0]).at_least(0.9));
    }
    for (count, rates) in RELAYS.into_iter().zip(rates) {
        figures.push(Figure::new("relays", format!("{count} relays"), "rows/s", rates));
    }
    Ok(figures)
}

async fn drain_with(settings: &Settings, relays: usize, rows: Rows) -> Result<f64, Failure> {
    let mut stage = Stage::open(settings, ORDERS).await?;
    for _ in 0..relays {
        stage.start(&[]).await?;
    }
    // All but the first connect while nothing is there to do.
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.commit(rows).await?;
    let started = Instant::now();
    stage.until_done().await?;
    let rate = f64::from(rows.count) / started.elapsed().as_secs_f64();
    stage.close(None).await?;
    Ok(rate)
}

/// Commits a second of producers that do nothing else, with the relay and without.
pub async fn producers(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds.min(3) {
        without.push(commits(settings, false).await?);
        with.push(commits(settings, true).await?);
    }
    Ok(vec![
        Figure::ratio("producers", "commits with the relay against without", &with, &without).at_least(0.95),
        Figure::new("producers", "with", "commits/s", with),
        Figure::new("producers", "without", "commits/s", without),
    ])
}

async fn commits(settings: &Settings, relay: bool) -> Result<f64, Failure> {
    let mut stage = Stage::open(settings, ORDERS).await?;
    let watcher = Watcher::start(&stage.broker, false).await?;
    if relay {
        stage.start(&[]).await?;
    }
    let time = Duration::from_secs(u64::from(settings.size(6, 60)));
    let mut producers = JoinSet::new();
    for _ in 0..PRODUCERS {
        producers.spawn(produce(stage.database.another().await?, time));
    }
    let mut committed = 0;
    while let Some(done) = producers.join_next().await {
        committed += done.doing("joining a producer")??;
    }
    stage.note(committed);
    if relay {
        stage.until_done().await?;
        stage.close(Some(watcher)).await?;
    } else {
        stage.abandon().await?;
    }
    Ok(committed as f64 / time.as_secs_f64())
}

async fn produce(client: Client, time: Duration) -> Result<u64, Failure> {
    let (started, mut committed) = (Instant::now(), 0);
    while started.elapsed() < time {
        within(COMMIT, "committing a row", client.execute_typed(INSERT, &[])).await?;
        committed += 1;
    }
    Ok(committed)
}
