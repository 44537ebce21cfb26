//! What must not matter: how large the backlog is, how many published rows are kept, and who holds a snapshot open.

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use crate::cases::drain::drain;
use crate::database::{Database, Rows};
use crate::failure::{Doing, Failure, within};
use crate::figures::Figure;
use crate::process;
use crate::settings::Settings;
use crate::stage::{ORDERS, Stage};
use crate::watcher::Watcher;

/// How a drain went.
pub struct Drained {
    pub rate: f64,
    /// The relay's own CPU a row; beside it all of the database server's and all of the broker's.
    pub cpu_us: f64,
    pub database_cpu_us: f64,
    pub broker_cpu_us: f64,
    /// What the server wrote to its log for a row.
    pub wal_bytes: f64,
    /// Row versions of our tables that were left dead for a row.
    pub dead_tuples: f64,
}

const CLAIM: &str = include_str!("../../../sql/queries/claim_events.sql");
/// Published rows: $1 rows, $2 aggregates, $3 bytes.
const PUBLISHED: &str = r#"INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload, published_at)
SELECT 'order', 'old-' || n % $2, 'order.created', ('"' || repeat('x', $3::int - 2) || '"')::json, now()
FROM generate_series(1, $1) n"#;

/// The rate of the first rows of a backlog, consumed as they come, from the first arrival on. The relay starts after the commit.
pub async fn backlog(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let (small, large) = (settings.size(100_000, 100_000), settings.size(1_000_000, 5_000_000));
    let (mut alone, mut first) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds.min(3) {
        alone.push(first_rows(settings, small, small).await?);
        first.push(first_rows(settings, large, small).await?);
    }
    Ok(vec![
        Figure::ratio("backlog", format!("first {small} rows of {large} against {small} alone"), &first, &alone)
            .at_least(0.9),
        Figure::new("backlog", format!("backlog of {large}"), "rows/s", first),
        Figure::new("backlog", format!("backlog of {small}"), "rows/s", alone),
    ])
}

async fn first_rows(settings: &Settings, backlog: u32, count: u32) -> Result<f64, Failure> {
    let mut stage = Stage::open(settings, ORDERS).await?;
    let watcher = Watcher::start(&stage.broker, false).await?;
    stage.commit(Rows::new(backlog, 20_000)).await?;
    process::sync().await?;
    stage.start(&[]).await?;
    watcher.reach(1).await?;
    let started = Instant::now();
    watcher.reach(u64::from(count)).await?;
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    if backlog == count {
        stage.until_done().await?;
        stage.close(Some(watcher)).await?;
    } else {
        stage.abandon().await?;
    }
    Ok(rate)
}

/// A drain beside published rows, and what a claim reads there.
pub async fn retained(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let rows = Rows::new(settings.size(150_000, 200_000), 20_000);
    let kept = Rows { count: settings.size(1_000_000, 20_000_000), aggregates: 200_000, payload_bytes: 200 };
    let (mut empty, mut full, mut buffers, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    for _ in 0..settings.rounds.min(3) {
        let drained = drain(Stage::open(settings, ORDERS).await?, rows).await?;
        empty.push(drained.rate);
        cpu[0].push(drained.database_cpu_us);
        let mut stage = Stage::open(settings, ORDERS).await?;
        stage.database.insert(PUBLISHED, kept).await?;
        stage.database.run("VACUUM ANALYZE outbox.events").await?;
        stage.database.run("CHECKPOINT").await?;
        process::sync().await?;
        // A few pending rows and nobody who takes them: what one claim reads.
        stage.commit(Rows::new(100, 100)).await?;
        buffers.push(claim_buffers(&stage.database).await?);
        stage.start(&[]).await?;
        stage.until_done().await?;
        let drained = drain(stage, rows).await?;
        full.push(drained.rate);
        cpu[1].push(drained.database_cpu_us);
    }
    let [cpu_empty, cpu_full] = cpu;
    Ok(vec![
        Figure::ratio("retained", format!("beside {} published rows against none", kept.count), &full, &empty)
            .at_least(0.95),
        Figure::new("retained", "beside them", "rows/s", full),
        Figure::new("retained", "beside none", "rows/s", empty),
        Figure::new("retained", "all of PostgreSQL's CPU a row beside them", "µs", cpu_full),
        Figure::new("retained", "all of PostgreSQL's CPU a row beside none", "µs", cpu_empty),
        Figure::new("retained", "a claim of 100 rows reads", "buffers", buffers).at_most(200.0),
    ])
}

/// Buffers of one claim of 16 lanes.
async fn claim_buffers(database: &Database) -> Result<f64, Failure> {
    let lanes: Vec<i16> = (0..16).collect();
    let (per_lane, body_bytes) = (32_i64, (4_i64 << 20) / 512);
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&lanes, Type::INT2_ARRAY), (&per_lane, Type::INT8), (&body_bytes, Type::INT8)];
    let sql = format!("EXPLAIN (ANALYZE, BUFFERS)\n{CLAIM}");
    let explain = database.client.query_typed(&sql, &params);
    let rows = within(Duration::from_secs(60), "explaining a claim", explain).await?;
    let lines: Vec<String> = rows.iter().map(|row| row.try_get(0).doing("reading a plan")).collect::<Result<_, _>>()?;
    let line = lines.iter().find(|line| line.trim_start().starts_with("Buffers:"));
    let line = line.ok_or_else(|| Failure::new("a plan without buffers"))?;
    let count = |word: &str| {
        let number = line.split_whitespace().find_map(|part| part.strip_prefix(word));
        number.and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0)
    };
    Ok(count("hit=") + count("read="))
}

/// A drain while somebody elsewhere holds a snapshot.
pub async fn snapshot(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let rows = Rows::new(settings.size(200_000, 500_000), 20_000);
    let (mut free, mut held) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds.min(3) {
        free.push(drain(Stage::open(settings, ORDERS).await?, rows).await?.rate);
        let stage = Stage::open(settings, ORDERS).await?;
        let reporter = stage.database.another().await?;
        let open = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM outbox.events";
        within(Duration::from_secs(60), "taking a snapshot", reporter.batch_execute(open)).await?;
        held.push(drain(stage, rows).await?.rate);
        drop(reporter);
    }
    Ok(vec![
        Figure::ratio("snapshot", "with a snapshot held against without", &held, &free).at_least(0.9),
        Figure::new("snapshot", "with", "rows/s", held),
        Figure::new("snapshot", "without", "rows/s", free),
    ])
}
