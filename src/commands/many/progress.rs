//! Changes many rows in chunks: rate, a progress line on a terminal, and a stop between two chunks
//! at the first signal.
//!
//! Used by replays, discards and purges. A signal never cuts a chunk in two. The second signal
//! gives up the current chunk, which then rolls back.

use std::io::IsTerminal;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::commands::print::say;
use crate::error::AppError;

/// How a job of many chunks ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// How many rows were changed.
    pub done: usize,
    /// Why it ended early, if it did.
    pub cut: Option<AppError>,
}

/// A job of many chunks.
pub(crate) struct Progress {
    verb: &'static str,
    total: usize,
    rate: Option<usize>,
    started: Instant,
    stop: CancellationToken,
    give_up: CancellationToken,
    signals: JoinHandle<()>,
    is_shown: bool,
    seen: usize,
    ended: Ended,
}

impl Progress {
    /// Starts. From now on, a signal ends the job instead of the process. `verb` says what happens
    /// to the rows, for example `replayed`.
    pub(crate) fn start(verb: &'static str, total: usize, rate: Option<usize>) -> Result<Self, AppError> {
        let listening = |error: std::io::Error| AppError::Bug(format!("cannot listen for signals: {error}"));
        let mut terminate = signal(SignalKind::terminate()).map_err(listening)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(listening)?;
        let (stop, give_up) = (CancellationToken::new(), CancellationToken::new());
        let (first, second) = (stop.clone(), give_up.clone());
        let signals = tokio::spawn(async move {
            for token in [first, second] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                token.cancel();
            }
        });
        let is_shown = std::io::stderr().is_terminal();
        let (started, ended) = (Instant::now(), Ended::default());
        Ok(Self { verb, total, rate, started, stop, give_up, signals, is_shown, seen: 0, ended })
    }

    /// How many rows the next chunk may have.
    pub(crate) fn chunk(&self, most: usize) -> usize {
        self.rate.map_or(most, |rate| rate.clamp(1, most))
    }

    /// Waits until the next chunk may start. Returns false if the job should end.
    pub(crate) async fn next(&mut self) -> bool {
        if self.ended.cut.is_some() {
            return false;
        }
        let due = self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(self.seen as f64 / rate as f64));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {
                self.ended.cut = Some(AppError::No("interrupted".into()));
                false
            }
            () = tokio::time::sleep_until(self.started + due) => true,
        }
    }

    /// Cancelled by the second signal, to give up the current chunk's step.
    pub(crate) fn given_up(&self) -> CancellationToken {
        self.give_up.clone()
    }

    /// Runs one chunk of `rows` rows to its end. The chunk returns how many of them it changed.
    pub(crate) async fn run(&mut self, rows: usize, chunk: impl Future<Output = Result<usize, AppError>>) {
        let done = chunk.await;
        self.seen += rows;
        match done {
            Ok(changed) => self.ended.done += changed,
            Err(error) => self.ended.cut = Some(error),
        }
        if self.is_shown {
            let seconds = self.started.elapsed().as_secs_f64().max(0.001);
            let per_second = self.seen as f64 / seconds;
            say(&format!("\r{} of {} {}, {per_second:.0} per second \x1b[K", self.ended.done, self.total, self.verb));
        }
    }

    /// The result.
    pub(crate) fn end(self) -> Ended {
        self.signals.abort();
        if self.is_shown {
            say("\r\x1b[K");
        }
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_chunk_is_no_larger_than_a_seconds_worth() {
        let chunk = |rate| Progress::start("replayed", 10, rate).expect("signals").chunk(500);
        assert_eq!((chunk(None), chunk(Some(20)), chunk(Some(5_000))), (500, 20, 500));
    }

    #[tokio::test(start_paused = true)]
    async fn rows_are_paced_on_average() {
        let mut progress = Progress::start("replayed", 100, Some(10)).expect("signals");
        let started = Instant::now();
        for _ in 0..3 {
            assert!(progress.next().await);
            progress.run(10, async { Ok(10) }).await;
        }
        assert_eq!(started.elapsed().as_secs(), 2);
        assert_eq!(progress.end().done, 30);
    }

    #[tokio::test]
    async fn after_a_failure_no_chunk_begins() {
        let mut progress = Progress::start("replayed", 100, None).expect("signals");
        progress.run(10, async { Err(AppError::No("busy".into())) }).await;
        assert!(!progress.next().await);
        assert!(progress.end().cut.is_some());
    }
}
