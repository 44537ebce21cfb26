//! The benchmark: the relay beside what the broker itself can take, in interleaved rounds.
//!
//! Run by `make bench` with DATABASE_URL and AMQP_URL set. Each case checks that what was committed arrived, once and in order, and the
//! whole fails otherwise. Writes `docs/performance.md`, `docs/performance.svg` and `target/bench/results.json`.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it does")]

mod settings;
mod cases;
mod figures;

mod stage;
mod relay;
mod watcher;
mod broker;
mod database;
mod process;

mod machine;
mod report;
mod plot;

#[path = "../../demo/src/failure.rs"]
mod failure;
#[path = "../../demo/src/raw.rs"]
mod raw;
#[path = "../../demo/src/wire.rs"]
mod wire;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::cases::CASES;
use crate::failure::{Doing, Failure};
use crate::figures::Figure;
use crate::relay::FOLDER;
use crate::settings::Settings;

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Settings::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("\nbench: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: &Settings) -> Result<(), Failure> {
    settings.check()?;
    std::fs::create_dir_all(FOLDER).doing(&format!("making {FOLDER}"))?;
    let mut figures: Vec<Figure> = Vec::new();
    for case in CASES.iter().filter(|case| settings.wants(case.name)) {
        println!("\n{}: {}", case.name, case.about);
        let started = Instant::now();
        let measured = (case.run)(settings).await.map_err(|error| Failure::new(format!("{}: {error}", case.name)))?;
        measured.iter().for_each(|figure| println!("  {}", report::line(figure)));
        println!("  ({:.0} s)", started.elapsed().as_secs_f64());
        figures.extend(measured);
    }
    report::write(settings, &figures).await
}
