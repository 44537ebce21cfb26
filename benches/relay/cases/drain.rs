//! Draining a backlog: the relay is up and idle, a backlog commits in one transaction, the clock runs from the commit until nothing is
//! pending. Beside it, in the same round, the raw publisher on a fresh queue of the same kind.

use std::time::Instant;

use crate::cases::history::Drained;
use crate::database::Rows;
use crate::failure::Failure;
use crate::figures::Figure;
use crate::settings::Settings;
use crate::stage::{ALL, Stage, Whose};

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
    let (mut raw, mut rate, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=settings.rounds {
        let stage = Stage::open(settings, ALL).await?;
        raw.push(stage.broker.ceiling(rows.count).await?);
        let drained = drain(stage, rows).await?;
        println!(
            "  round {round}: raw {:.0}/s, relay {:.0}/s, {:.1} µs",
            raw[raw.len() - 1],
            drained.rate,
            drained.cpu_us
        );
        rate.push(drained.rate);
        cpu.push(drained.cpu_us);
    }
    Ok(vec![
        Figure::ratio(case, "relay against raw publisher", &rate, &raw).at_least(target),
        Figure::new(case, "relay", "rows/s", rate),
        Figure::new(case, "raw publisher", "messages/s", raw),
        Figure::new(case, "the relay's own CPU a row", "µs", cpu),
    ])
}

/// Drains `rows` on an open stage, with a relay that may run there already, and closes it.
pub async fn drain(mut stage: Stage<'_>, rows: Rows) -> Result<Drained, Failure> {
    if stage.relays.is_empty() {
        stage.start(&[]).await?;
    }
    let cpu = stage.relays[0].cpu_time()?;
    stage.commit(rows).await?;
    let started = Instant::now();
    stage.until_done().await?;
    let took = started.elapsed();
    let cpu = stage.relays[0].cpu_time()?.saturating_sub(cpu);
    stage.close(None).await?;
    Ok(Drained {
        rate: f64::from(rows.count) / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / f64::from(rows.count),
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
