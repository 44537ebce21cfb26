//! The nouns of the matrix: a row, its trial, what it came to. Used by every family of faults, by the report and by the suite.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use testkit::Verdict;

/// One fault of the matrix.
pub struct Row {
    pub name: String,
    /// What is done, for the table.
    pub fault: String,
    pub run: Box<dyn Fn(Trial) -> LocalBoxFuture<'static, Outcome> + Send>,
    /// Part of the suite, with fewer rounds.
    pub is_quick: bool,
}

impl Row {
    pub fn new<F>(name: &str, fault: &str, run: impl Fn(Trial) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Outcome> + 'static,
    {
        let run = Box::new(move |trial| -> LocalBoxFuture<'static, Outcome> { Box::pin(run(trial)) });
        Self { name: name.to_owned(), fault: fault.to_owned(), run, is_quick: false }
    }

    /// Marks it as a row that the suite runs too.
    pub fn quick(self) -> Self {
        Self { is_quick: true, ..self }
    }
}

/// One run of a row.
pub struct Trial {
    pub name: String,
    pub seed: u64,
    pub random: fastrand::Rng,
    is_quick: bool,
}

impl Trial {
    /// Of the row and the seed alone, so that a row draws the same whichever rows run beside it.
    pub fn new(name: &str, seed: u64) -> Self {
        let mut hasher = DefaultHasher::new();
        (name, seed).hash(&mut hasher);
        let seed = hasher.finish();
        Self { name: name.to_owned(), seed, random: fastrand::Rng::with_seed(seed), is_quick: false }
    }

    /// The same as a test of the suite.
    pub fn quick(name: &str, seed: u64) -> Self {
        Self { is_quick: true, ..Self::new(name, seed) }
    }

    /// How many rounds there are: so many in the matrix, and as few as that in the suite.
    pub fn rounds(&self, all: usize, quick: usize) -> usize {
        if self.is_quick { quick } else { all }
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
    /// Whether every promise held, within the row's bound.
    pub fn held(&self) -> bool {
        self.verdict.is_clean() && self.verdict.duplicates <= self.bound && self.broken.is_empty()
    }

    /// What did not.
    pub fn why(&self) -> String {
        format!("at most {} duplicates allowed\n{}{}", self.bound, self.verdict, self.broken.join("\n"))
    }

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
