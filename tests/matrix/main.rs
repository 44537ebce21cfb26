//! `make faults`: real relays, PostgreSQL and RabbitMQ, one fault after the other under load, and the judge of the history behind each.
//!
//! A program of its own, and not part of the suite: it takes its time. Each row is one fault with its rounds, on a database and a vhost of
//! its own, on servers of its own where it hurts them. `SEED=` draws the same again, `ONLY=` runs the rows whose name contains it,
//! `ROUNDS=` changes the rounds of each crash point, `QUICK=1` runs only what `tests/faults` runs, with as few rounds, `AT_ONCE=` changes how
//! many rows run side by side. A run of all rows writes the table of `docs/faults.md`. The rows are in `rows/`.

mod done;
mod report;
mod rows;

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use done::{Done, panic_words};
use rows::row::{Row, Trial};

/// Rows side by side: most of them sleep most of the time.
const AT_ONCE: usize = 4;
/// Longer than any row takes; one that hangs must not keep the others from their table.
const ROW_TIME: Duration = Duration::from_secs(900);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run())
}

async fn run() -> ExitCode {
    let seed = number("SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let only = env::var("ONLY").ok().filter(|only| !only.is_empty());
    let at_once = number("AT_ONCE").and_then(|at_once| usize::try_from(at_once).ok()).unwrap_or(AT_ONCE);
    let mut rows = rows::all();
    let is_quick = number("QUICK").is_some_and(|quick| quick > 0);
    let is_whole = only.is_none() && !is_quick;
    rows.retain(|row| only.as_ref().is_none_or(|only| row.name.contains(only.as_str())));
    rows.retain(|row| row.is_quick || !is_quick);
    eprintln!("SEED={seed}: {} rows, {at_once} at a time", rows.len());
    let started = Instant::now();
    let mut done: Vec<Done> =
        futures_util::stream::iter(rows.into_iter().enumerate().map(|(place, row)| one(place, row, seed, is_quick)))
            .buffer_unordered(at_once)
            .collect()
            .await;
    done.sort_by_key(|done| done.place);
    let all_held = done.iter().all(Done::held);
    report::print(&done, seed, started.elapsed());
    if is_whole && all_held {
        report::write(&done);
    }
    if all_held && !done.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one row on a thread of its own, so that its panic is its own.
async fn one(place: usize, row: Row, seed: u64, is_quick: bool) -> Done {
    let started = Instant::now();
    let trial = if is_quick { Trial::quick(&row.name, seed) } else { Trial::new(&row.name, seed) };
    let (runtime, run) = (Handle::current(), row.run);
    let running = spawn_blocking(move || runtime.block_on(async { timeout(ROW_TIME, run(trial)).await }));
    let outcome = match running.await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) => Err(format!("not done within {ROW_TIME:?}")),
        Err(error) => Err(panic_words(error)),
    };
    let done = Done { place, name: row.name, fault: row.fault, outcome, took: started.elapsed() };
    eprintln!("{}", report::line(&done));
    done
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}
