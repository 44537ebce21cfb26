//! The nouns of the matrix: a row, its trial, what it came to. Used by every family of faults and by the report.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use testkit::Verdict;
use tokio::task::JoinError;

/// One fault of the matrix.
pub struct Row {
    pub name: String,
    /// What is done, for the table.
    pub fault: String,
    pub run: Box<dyn Fn(Trial) -> LocalBoxFuture<'static, Outcome> + Send>,
}

impl Row {
    pub fn new<F>(name: &str, fault: &str, run: impl Fn(Trial) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Outcome> + 'static,
    {
        Self { name: name.to_owned(), fault: fault.to_owned(), run: Box::new(move |trial| Box::pin(run(trial))) }
    }
}

/// One run of a row.
pub struct Trial {
    pub name: String,
    pub seed: u64,
    pub random: fastrand::Rng,
}

impl Trial {
    /// Of the row and the seed alone, so that a row draws the same whichever rows run beside it.
    pub fn new(name: &str, seed: u64) -> Self {
        let mut hasher = DefaultHasher::new();
        (name, seed).hash(&mut hasher);
        let seed = hasher.finish();
        Self { name: name.to_owned(), seed, random: fastrand::Rng::with_seed(seed) }
    }

    /// A pause of so many milliseconds, drawn; part of the fault.
    pub fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.u64(range))
    }
}

/// What the rounds of a row came to.
pub struct Outcome {
    pub rounds: usize,
    pub verdict: Verdict,
    /// Duplicates allowed over all rounds.
    pub bound: usize,
    /// Of each round: from the fault's end until all that was committed by then had arrived.
    pub recoveries: Vec<Duration>,
    /// Whatever else a promise forbids.
    pub broken: Vec<String>,
}

impl Outcome {
    /// Both together, for a row whose rounds have a history each.
    pub fn and(mut self, other: Self) -> Self {
        let (verdict, more) = (&mut self.verdict, other.verdict);
        verdict.committed += more.committed;
        verdict.delivered += more.delivered;
        verdict.dead_lettered += more.dead_lettered;
        verdict.duplicates += more.duplicates;
        verdict.lost.extend(more.lost);
        verdict.invented.extend(more.invented);
        verdict.out_of_order.extend(more.out_of_order);
        verdict.bytes_differ.extend(more.bytes_differ);
        verdict.wrong_key.extend(more.wrong_key);
        verdict.wrong_end.extend(more.wrong_end);
        self.recoveries.extend(other.recoveries);
        self.broken.extend(other.broken);
        Self { rounds: self.rounds + other.rounds, bound: self.bound + other.bound, ..self }
    }
}

/// A row that was run.
pub struct Done {
    pub place: usize,
    pub name: String,
    pub fault: String,
    /// Or why it did not come to an end.
    pub outcome: Result<Outcome, String>,
    pub took: Duration,
}

impl Done {
    pub fn held(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|outcome| {
            outcome.verdict.is_clean() && outcome.verdict.duplicates <= outcome.bound && outcome.broken.is_empty()
        })
    }
}

pub fn panic_words(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "cancelled".into() };
    let words = panic.downcast_ref::<String>().cloned();
    words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "panicked".into())
}
