//! The first phase: writers, relay and consumer at once, as in production.
//!
//! Called by `main`. Promises the table of what was committed and what arrived; answers whether the promises were kept.

use std::sync::Arc;

use crate::consumer::Consumer;
use crate::failure::Failure;
use crate::feed::Feed;
use crate::ledger::Ledger;
use crate::report;
use crate::schedule::Schedule;
use crate::stage::Stage;
use crate::verdict::Verdict;
use crate::watch::until_arrived;
use crate::writers::{WRITERS, start};

pub async fn run(
    stage: &mut Stage,
    consumer: &mut Consumer,
    ledger: &Arc<Ledger>,
    feed: &Feed,
) -> Result<bool, Failure> {
    stage.start_relay()?.listening().await?;
    println!(
        "{WRITERS} writers commit {} events of {} orders; the relay (pid {}) publishes them; a consumer counts\n",
        report::thousands(stage.settings.events as usize),
        report::thousands(stage.settings.orders as usize),
        stage.relay().pid,
    );
    let cpu_before = stage.relay().cpu_time();
    let mut writers = start(&stage.database().config, ledger, Schedule::new(&stage.settings));
    let complete = until_arrived(stage.relay(), consumer, &mut writers, ledger, feed).await?;
    // A minute of waiting for what never came is no cost of the events that did.
    let cpu_after = stage.relay().cpu_time().filter(|_| complete);
    let cpu = cpu_before.zip(cpu_after).map(|(before, after)| after.saturating_sub(before));

    let verdict = Verdict::of(&ledger.book(), &feed.arrivals());
    report::accounts(&verdict);
    report::pace(&feed.arrivals(), cpu);
    if !verdict.is_kept() {
        let outbox = stage.database().outbox_state().await?;
        report::trouble(&feed.arrivals(), &outbox);
    }
    Ok(verdict.is_kept())
}
