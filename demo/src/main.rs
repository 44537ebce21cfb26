//! The demo: orders are placed over HTTP and four services are told; then two of them answer, and the orders show it; then many orders
//! change at once, the relay publishes, a consumer counts, and the accounts are shown.
//!
//! Run by `make demo` with DATABASE_URL and AMQP_URL set. Promises exit code 0 only if nothing was lost, invented or
//! out of order and the relay stopped as it should; and that nothing it made is left behind, unless `--keep` asks.
//! Refuses to touch a database, queue or process that is not its own.
#![allow(clippy::print_stdout, reason = "the demo is what it prints")]

mod settings;
mod stage;
mod story;
mod neighbours;
mod traffic;
mod drain;

mod schedule;
mod orders;
mod writers;
mod backlog;
mod ledger;

mod consumer;
mod message;
mod feed;
mod watch;
mod verdict;

mod ceiling;
mod raw;
mod wire;

mod live;
mod report;

mod broker;
mod database;
mod failure;
mod process;
mod program;
mod relay;
mod service;

use std::any::Any;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use clap::Parser;
use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};

use crate::consumer::Consumer;
use crate::failure::Failure;
use crate::feed::Feed;
use crate::ledger::Ledger;
use crate::settings::Settings;
use crate::stage::Stage;

#[tokio::main]
async fn main() {
    let mut stage = Stage::new(Settings::parse());
    let (outcome, interrupted) = tokio::select! {
        outcome = AssertUnwindSafe(perform(&mut stage)).catch_unwind() => (outcome.unwrap_or_else(panicked), false),
        signal = stopped() => (Err(Failure::new(signal)), true),
    };
    let kept = outcome.unwrap_or_else(|failure| {
        say(&format!("\ndemo: {failure}"));
        false
    });
    let left_well = if stage.settings.keep && !interrupted {
        stage.leave();
        true
    } else {
        let failed = stage.close(interrupted).await;
        failed.iter().for_each(|failure| say(&format!("demo: cleaning up: {failure}")));
        failed.is_empty()
    };
    // Not by returning: that would wait for a ceiling measurement that an interrupt left behind.
    std::process::exit(i32::from(!(kept && left_well)));
}

/// The whole show; true if the promises were kept.
async fn perform(stage: &mut Stage) -> Result<bool, Failure> {
    stage.open().await?;
    if !story::run(stage).await? {
        return Ok(false);
    }
    if !neighbours::run(stage).await? {
        return Ok(false);
    }
    stage.broker().bind().await?;
    let (ledger, feed) = (Arc::new(Ledger::default()), Arc::new(Feed::default()));
    let mut consumer = Consumer::start(stage.broker(), Arc::clone(&feed)).await?;
    if !traffic::run(stage, &mut consumer, &ledger, &feed).await? {
        return Ok(false);
    }
    drain::run(stage, &mut consumer, &ledger, &feed).await
}

/// Ctrl-C, what a CI runner sends instead, or the terminal's end.
async fn stopped() -> String {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let all = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()), listen(SignalKind::hangup()));
    let (mut interrupt, mut terminate, mut hangup) = match all {
        (Ok(interrupt), Ok(terminate), Ok(hangup)) => (interrupt, terminate, hangup),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return error,
    };
    tokio::select! {
        _ = interrupt.recv() => "interrupted, cleaning up".to_owned(),
        _ = terminate.recv() => "terminated, cleaning up".to_owned(),
        _ = hangup.recv() => "the terminal is gone, cleaning up".to_owned(),
    }
}

/// The panic's own message is on stderr already. It happens when stdout is closed early (`| head`).
fn panicked(_payload: Box<dyn Any + Send>) -> Result<bool, Failure> {
    Err(Failure::new("stopped by a panic, cleaning up"))
}

/// Unlike `eprintln!`, no panic when the terminal is gone: cleaning up matters more.
fn say(line: &str) {
    let _gone = writeln!(std::io::stderr(), "{line}");
}
