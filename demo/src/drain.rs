//! The second phase: how fast a backlog leaves, beside what the broker itself can take in the same minute.
//!
//! Called by `main` after `traffic`. Promises that ceiling and drain are measured one after the other, never at once,
//! and that the relay's start-up counts. Answers whether the promises were kept for all events of both phases.

use std::time::Instant;

use tokio::task::JoinSet;

use crate::backlog;
use crate::ceiling;
use crate::consumer::Consumer;
use crate::failure::Failure;
use crate::feed::Feed;
use crate::ledger::Ledger;
use crate::report;
use crate::stage::Stage;
use crate::verdict::Verdict;
use crate::watch::until_arrived;

pub async fn run(stage: &mut Stage, consumer: &mut Consumer, ledger: &Ledger, feed: &Feed) -> Result<bool, Failure> {
    let drained = stage.stop_relay().await?;
    println!("\nthe relay drained and exited 0, {} ms after SIGTERM", drained.as_millis());
    backlog::commit(&stage.database().config, &stage.settings, ledger).await?;
    let events = ledger.committed() - feed.distinct();
    println!("a backlog of {} events waits; the broker's ceiling first", report::thousands(events));
    let before = ceiling::measure(stage.broker(), events).await?;

    let arrived_before = feed.arrivals().all.len();
    let started = Instant::now();
    stage.start_relay()?;
    let complete = until_arrived(stage.relay(), consumer, &mut JoinSet::new(), ledger, feed).await?;
    let cpu = stage.relay().cpu_time().filter(|_| complete);
    let after = ceiling::measure(stage.broker(), events).await?;

    let verdict = Verdict::of(&ledger.book(), &feed.arrivals());
    report::drain(&feed.arrivals().all[arrived_before..], started, cpu, before, after);
    report::accounts(&verdict);
    if !verdict.is_kept() {
        let outbox = stage.database().outbox_state().await?;
        report::trouble(&feed.arrivals(), &outbox);
    }
    Ok(verdict.is_kept())
}
