//! Waits until everything committed has arrived, and shows it happening.
//!
//! Called by `traffic` and `drain`. Promises to end: with everything there, after a minute without any arrival, or as
//! soon as a writer, the consumer or the relay has failed. Refuses to judge what arrived.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::consumer::Consumer;
use crate::failure::{Doing, Failure};
use crate::feed::Feed;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::program::Program;

const TICK: Duration = Duration::from_millis(50);
const SILENCE: Duration = Duration::from_secs(60);
/// Time for what should not come: duplicates, and events that were rolled back.
const LINGER: Duration = Duration::from_secs(1);

/// True if everything is there.
pub async fn until_arrived(
    relay: &mut Program,
    consumer: &mut Consumer,
    writers: &mut JoinSet<Result<(), Failure>>,
    ledger: &Ledger,
    feed: &Feed,
) -> Result<bool, Failure> {
    let mut delivered = feed.distinct();
    let mut live = Live::new(delivered);
    let mut last_arrival = Instant::now();
    loop {
        tokio::time::sleep(TICK).await;
        relay.check()?;
        consumer.check()?;
        while let Some(ended) = writers.try_join_next() {
            ended.doing("a writer")??;
        }
        let (committed, arrived) = (ledger.committed(), feed.distinct());
        if arrived > delivered || !writers.is_empty() {
            (delivered, last_arrival) = (arrived, Instant::now());
        }
        let complete = writers.is_empty() && arrived >= committed;
        let silent = last_arrival.elapsed() >= SILENCE;
        if live.is_due() || complete {
            live.show(committed, arrived, feed.take_worst_lag());
        }
        if complete {
            tokio::time::sleep(LINGER).await;
            return Ok(true);
        }
        if silent {
            drop(live);
            println!("nothing arrived for {} s", SILENCE.as_secs());
            return Ok(false);
        }
    }
}
