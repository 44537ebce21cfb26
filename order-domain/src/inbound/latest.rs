//! The newest of what was heard. Retries and replicas break the order of messages, so no state here depends on it: each is
//! a maximum over the facts that were heard, and a maximum is the same for every order of them, and for any number of
//! copies.

use serde::{Deserialize, Serialize};

use crate::value::timestamp::Timestamp;

/// What a fact changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is the newest.
    Newest,
    /// It was heard before.
    Again,
    /// Something newer was heard before.
    TooLate,
}

/// A value, and when it became true. Ordered by the time, then the rank, then the value: of two values that differ in nothing
/// else one wins, whichever comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Latest<T> {
    /// Since when, by the clock of the service that tells it. A fact without a time comes before every fact with one.
    pub at: Option<Timestamp>,
    /// Its place among facts of the same time: the higher comes later in the life of what they are about.
    pub rank: u8,
    /// What is true.
    pub value: T,
}

impl<T> Latest<T> {
    /// A value, its time and its rank.
    pub fn new(at: Option<Timestamp>, rank: u8, value: T) -> Self {
        Self { at, rank, value }
    }
}

impl<T: Ord> Latest<T> {
    /// Keeps the newer of both.
    pub fn hear(&mut self, other: Self) -> Heard {
        match other.cmp(self) {
            std::cmp::Ordering::Greater => {
                *self = other;
                Heard::Newest
            }
            std::cmp::Ordering::Equal => Heard::Again,
            std::cmp::Ordering::Less => Heard::TooLate,
        }
    }

    /// The same where nothing was heard yet.
    pub fn hear_first(kept: &mut Option<Self>, other: Self) -> Heard {
        match kept {
            Some(kept) => kept.hear(other),
            None => {
                *kept = Some(other);
                Heard::Newest
            }
        }
    }
}
