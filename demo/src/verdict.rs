//! Holds what arrived against what was committed.
//!
//! Called by `traffic` and `drain`. Promises that every committed event and every arrival is counted in exactly one of
//! the ways that follow. Refuses leniency: a message with another key or version than was committed is invented.

use std::collections::{HashMap, HashSet};

use crate::feed::Arrivals;
use crate::ledger::Book;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub committed: usize,
    pub rolled_back: usize,
    /// Committed events that arrived at least once.
    pub delivered: usize,
    pub lost: usize,
    /// Arrivals that nobody committed, and messages that cannot be read.
    pub invented: usize,
    /// First deliveries with a version not above their key's highest so far.
    pub out_of_order: usize,
    /// Arrivals of an event that had arrived before.
    pub duplicates: usize,
}

impl Verdict {
    pub fn of(book: &Book, arrivals: &Arrivals) -> Self {
        let mut verdict = Self {
            committed: book.committed.len(),
            rolled_back: book.rolled_back,
            invented: arrivals.unreadable.len(),
            ..Self::default()
        };
        let mut seen = HashSet::with_capacity(arrivals.all.len());
        let mut highest: HashMap<&str, i64> = HashMap::new();
        for arrival in &arrivals.all {
            if book.committed.get(&arrival.id) != Some(&arrival.change) {
                verdict.invented += 1;
                continue;
            }
            if !seen.insert(arrival.id) {
                verdict.duplicates += 1;
                continue;
            }
            let version = arrival.change.version;
            let before = highest.entry(&arrival.change.key).or_insert(0);
            verdict.out_of_order += usize::from(version <= *before);
            *before = version.max(*before);
        }
        verdict.delivered = seen.len();
        verdict.lost = verdict.committed - verdict.delivered;
        verdict
    }

    /// Duplicates are allowed: the relay promises at least once.
    pub fn is_kept(&self) -> bool {
        self.lost == 0 && self.invented == 0 && self.out_of_order == 0
    }
}
