//! What each setting that makes a row cheaper gives: drains of the same rows with the defaults and with each setting, in the same rounds.

use crate::cases::drain::drain;
use crate::cases::history::Drained;
use crate::database::Rows;
use crate::failure::Failure;
use crate::figures::Figure;
use crate::settings::Settings;
use crate::stage::{ORDERS, Stage};

const CASE: &str = "lean";
const HEADERS: [&str; 4] = ["--message-headers", "key,seq", "--message-properties", "none"];
const NO_HISTORY: [&str; 2] = ["--retention", "0"];
const LAZY_MARKS: [&str; 2] = ["--mark-durability", "off"];

/// A way to run the relay, and how its drains went.
struct Variant {
    name: &'static str,
    flags: Vec<&'static str>,
    drained: Vec<Drained>,
}

impl Variant {
    fn new(name: &'static str, flags: &[&[&'static str]]) -> Self {
        Self { name, flags: flags.concat(), drained: Vec::new() }
    }

    fn each(&self, value: impl Fn(&Drained) -> f64) -> Vec<f64> {
        self.drained.iter().map(value).collect()
    }
}

pub async fn lean(settings: &Settings) -> Result<Vec<Figure>, Failure> {
    let rows = Rows::new(settings.size(40_000, 200_000), 20_000);
    let mut variants = [
        Variant::new("defaults", &[]),
        Variant::new("key and seq as the only headers, no properties", &[&HEADERS]),
        Variant::new("no history", &[&NO_HISTORY]),
        Variant::new("marks without fsync", &[&LAZY_MARKS]),
        Variant::new("all three", &[&HEADERS, &NO_HISTORY, &LAZY_MARKS]),
    ];
    for round in 1..=settings.rounds {
        for variant in &mut variants {
            let mut stage = Stage::open(settings, ORDERS).await?;
            stage.start(&variant.flags).await?;
            let drained = drain(stage, rows).await?;
            let Drained { rate, cpu_us, database_cpu_us, broker_cpu_us, wal_bytes, dead_tuples } = drained;
            println!(
                "  round {round}: {}: {rate:.0}/s, {cpu_us:.1} + {database_cpu_us:.1} + {broker_cpu_us:.1} µs, {wal_bytes:.0} bytes of WAL, {dead_tuples:.2} dead rows",
                variant.name
            );
            variant.drained.push(drained);
        }
    }
    let [defaults, others @ ..] = &variants;
    let rates = defaults.each(|drained| drained.rate);
    let ratio = |other: &Variant| {
        let name = format!("{} against defaults", other.name);
        Figure::ratio(CASE, &name, &other.each(|drained| drained.rate), &rates)
    };
    let mut figures: Vec<Figure> = others.iter().map(ratio).collect();
    for variant in &variants {
        let figure = |what: &str, unit: &'static str, values| {
            Figure::new(CASE, format!("{}: {what}", variant.name), unit, values)
        };
        figures.push(figure("rows", "rows/s", variant.each(|drained| drained.rate)));
        figures.push(figure("the relay's own CPU a row", "µs", variant.each(|drained| drained.cpu_us)));
        figures.push(figure("all of PostgreSQL's CPU a row", "µs", variant.each(|drained| drained.database_cpu_us)));
        figures.push(figure("all of RabbitMQ's CPU a row", "µs", variant.each(|drained| drained.broker_cpu_us)));
        figures.push(figure("WAL a row", "bytes", variant.each(|drained| drained.wal_bytes)));
        figures.push(figure("dead rows a row", "rows", variant.each(|drained| drained.dead_tuples)));
    }
    Ok(figures)
}
