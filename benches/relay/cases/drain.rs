//! Draining a backlog: the relay is up and idle, a backlog commits in one transaction, the clock runs from the commit until nothing is
//! pending. Beside it, in the same round, the raw publisher on a fresh queue of the same kind.

use std::time::{Duration, Instant};

use crate::cases::history::Drained;
use crate::database::Rows;
use crate::failure::Failure;
use crate::figures::Figure;
use crate::process;
use crate::settings::Settings;
use crate::stage::{ALL, ORDERS, Stage, Whose};

/// Until backends have reported what they changed.
const REPORTED: Duration = Duration::from_secs(3);
/// Until the broker rests after the raw publishers.
const AFTERMATH: Duration = Duration::from_secs(3);

pub async fn many(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let mut figures = rounds(settings, "drain", 20_000, 0.65).await?;
    if let Some(cpu) = figures.iter_mut().find(|figure| figure.unit == "µs") {
        *cpu = cpu.clone().at_most(9.0);
    }
    Ok(figures)
}

pub async fn few(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    rounds(settings, "drain-1000", 1_000, 0.5).await
}

async fn rounds(settings: &Settings, case: &'static str, aggregates: u32, target: f64) -> Result<Vec<Figure>, Failure> {
    let rows = Rows::new(settings.size(40_000, 200_000), aggregates);
    let (mut raw, mut as_relayed, mut rate) = (Vec::new(), Vec::new(), Vec::new());
    let (mut cpu, mut database, mut broker) = (Vec::new(), Vec::new(), Vec::new());
    let (mut wal, mut dead) = (Vec::new(), Vec::new());
    for round in 1..=settings.rounds {
        let stage = Stage::open(settings, ORDERS).await?;
        raw.push(stage.broker.ceiling(rows.count).await?);
        as_relayed.push(stage.broker.ceiling_as_relayed(rows.count).await?);
        // What they left the broker to write and to clear away is not the relay's, which would meet a busy broker where they met an idle one.
        process::sync().await?;
        tokio::time::sleep(AFTERMATH).await;
        let drained = drain(stage, rows).await?;
        let Drained { rate: of_relay, cpu_us, database_cpu_us, broker_cpu_us, wal_bytes, dead_tuples } = drained;
        println!(
            "  round {round}: raw {:.0}/s, as relayed {:.0}/s, relay {of_relay:.0}/s, {cpu_us:.1} + {database_cpu_us:.1} + {broker_cpu_us:.1} µs",
            raw[raw.len() - 1],
            as_relayed[as_relayed.len() - 1],
        );
        rate.push(of_relay);
        cpu.push(cpu_us);
        database.push(database_cpu_us);
        broker.push(broker_cpu_us);
        wal.push(wal_bytes);
        dead.push(dead_tuples);
    }
    Ok(vec![
        Figure::ratio(case, "relay against raw publisher", &rate, &raw).at_least(target),
        Figure::ratio(case, "relay against raw publisher with messages like the relay's", &rate, &as_relayed),
        Figure::new(case, "relay", "rows/s", rate),
        Figure::new(case, "raw publisher", "messages/s", raw),
        Figure::new(case, "raw publisher with messages like the relay's", "messages/s", as_relayed),
        Figure::new(case, "the relay's own CPU a row", "µs", cpu),
        Figure::new(case, "all of PostgreSQL's CPU a row", "µs", database),
        Figure::new(case, "all of RabbitMQ's CPU a row", "µs", broker),
        Figure::new(case, "WAL a row", "bytes", wal),
        Figure::new(case, "dead rows a row", "rows", dead),
    ])
}

/// CPU time of the relay, the database server and the broker, so far.
fn cpu_times(stage: &Stage<'_>) -> Result<[Duration; 3], Failure> {
    let servers = (process::cpu_time_of_all("postgres")?, process::cpu_time_of_all("beam.smp")?);
    Ok([stage.relays[0].cpu_time()?, servers.0, servers.1])
}

/// Drains `rows` on an open stage, with a relay that may run there already, and closes it.
pub async fn drain(mut stage: Stage<'_>, rows: Rows) -> Result<Drained, Failure> {
    if stage.relays.is_empty() {
        stage.start(&[]).await?;
    }
    stage.commit(rows).await?;
    let writes_before = stage.database.writes().await?;
    let before = cpu_times(&stage)?;
    let started = Instant::now();
    stage.until_done().await?;
    let took = started.elapsed();
    let after = cpu_times(&stage)?;
    let wal = stage.database.writes().await?.wal_bytes - writes_before.wal_bytes;
    // Backends report what they changed once a second.
    tokio::time::sleep(REPORTED).await;
    let dead = stage.database.writes().await?.dead_tuples - writes_before.dead_tuples;
    stage.close(None).await?;
    let a_row = |part: usize| after[part].saturating_sub(before[part]).as_secs_f64() * 1e6 / f64::from(rows.count);
    Ok(Drained {
        rate: f64::from(rows.count) / took.as_secs_f64(),
        cpu_us: a_row(0),
        database_cpu_us: a_row(1),
        broker_cpu_us: a_row(2),
        wal_bytes: wal / f64::from(rows.count),
        dead_tuples: dead / f64::from(rows.count),
    })
}

/// Ours and another relay, in the same rounds; nothing where no other was given.
pub async fn other(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    if !settings.has_other() {
        return Ok(Vec::new());
    }
    let rows = Rows::new(settings.size(40_000, 200_000), 20_000);
    let (mut ours, mut theirs, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=settings.rounds {
        ours.push(drain(Stage::open(settings, ALL).await?, rows).await?.rate);
        let other = drain(Stage::open_for(settings, Whose::Other, ALL).await?, rows).await?;
        println!("  round {round}: ours {:.0}/s, other {:.0}/s", ours[ours.len() - 1], other.rate);
        theirs.push(other.rate);
        cpu.push(other.cpu_us);
    }
    Ok(vec![
        Figure::ratio("other", "ours against the other", &ours, &theirs).at_least(3.0),
        Figure::new("other", "ours", "rows/s", ours),
        Figure::new("other", "the other", "rows/s", theirs),
        Figure::new("other", "the other's own CPU a row", "µs", cpu),
    ])
}
