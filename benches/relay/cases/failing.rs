//! Others beside a failure: one key with many rows behind a head that comes back unroutable, and many keys that wait for the same
//! reason. Measured as the latency of a steady load on other keys, with and without that.

use std::time::Duration;

use crate::cases::latency::{Wake, steady};
use crate::database::Rows;
use crate::failure::Failure;
use crate::figures::{Figure, quantile};
use crate::settings::Settings;
use crate::stage::{ORDERS, Stage};

const RATE: u32 = 200;
/// What is measured is how it goes on: until the floors have passed the waiting rows, which takes half a second, each claim steps over them.
const ONSET: Duration = Duration::from_secs(2);

/// Heads of a type that nothing is bound for: $1 keys, $2 and $3 not used.
const HEADS: &str = "INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
SELECT 'order', 'failing-' || n, 'unbound.event', '{}' FROM generate_series(1, $1 + 0 * $2 + 0 * $3) n";
/// Rows behind the head of the first of those keys.
const BEHIND: &str = r#"INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
SELECT 'order', 'failing-1', 'order.created', '{}' FROM generate_series(1, $1 + 0 * $2 + 0 * $3) n"#;

pub async fn failing(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let (waiting, behind) = (settings.size(2_000, 10_000), settings.size(20_000, 100_000));
    let (mut normal, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds.min(3) {
        normal.push(tail(settings, 0, 0).await?);
        beside.push(tail(settings, waiting, behind).await?);
    }
    let what = format!("p99 beside {waiting} waiting keys and {behind} rows of one, against p99 without");
    Ok(vec![
        Figure::ratio("failing", what, &beside, &normal).at_most(2.0),
        Figure::new("failing", "p99 beside them", "ms", beside),
        Figure::new("failing", "p99 without", "ms", normal),
    ])
}

async fn tail(settings: &Settings, waiting: u32, behind: u32) -> Result<f64, Failure> {
    let mut stage = Stage::open(settings, ORDERS).await?;
    stage.start(Wake::Listen.flags()).await?;
    if waiting > 0 {
        // They never arrive, so they are not counted as committed by the stage.
        let rows = |count| Rows { count, aggregates: 1, payload_bytes: 1 };
        stage.database.insert(HEADS, rows(waiting)).await?;
        stage.database.insert(BEHIND, rows(behind)).await?;
        until_all_wait(&stage, waiting).await?;
        tokio::time::sleep(ONSET).await;
    }
    let time = Duration::from_secs(u64::from(settings.size(8, 60)));
    let lags = steady(&mut stage, RATE, time, Wake::Listen, |n| n % 1_000).await?;
    stage.close(Some(lags.watcher)).await?;
    Ok(quantile(&lags.milliseconds, 0.99))
}

/// Until every failing head has its wait; a dead letter of one would let the rows behind it go.
async fn until_all_wait(stage: &Stage<'_>, waiting: u32) -> Result<(), Failure> {
    let sql =
        format!("SELECT (SELECT count(*) FROM outbox.waits) + (SELECT count(*) FROM outbox.dead_letters) >= {waiting}");
    for _ in 0..600 {
        if stage.database.is(&sql).await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await; // between two looks
    }
    Err(Failure::new(format!("not all of {waiting} keys wait after a minute")))
}
