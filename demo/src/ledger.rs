//! What the writers committed, by their own count: the truth that arrivals are judged against.
//!
//! Filled by `writers` and `backlog` after a successful COMMIT, read by `watch` and `verdict`. Promises to hold exactly
//! the committed events; an event that was rolled back is only counted, so that its arrival shows as invented.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use uuid::Uuid;

/// An event by what a consumer can check: whose it is, and which change of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    pub key: String,
    pub version: i64,
}

#[derive(Default)]
pub struct Ledger(Mutex<Book>);

#[derive(Default)]
pub struct Book {
    pub committed: HashMap<Uuid, Change>,
    pub rolled_back: usize,
}

impl Ledger {
    pub fn commit(&self, events: impl IntoIterator<Item = (Uuid, Change)>) {
        self.book().committed.extend(events);
    }

    pub fn roll_back(&self, events: usize) {
        self.book().rolled_back += events;
    }

    pub fn committed(&self) -> usize {
        self.book().committed.len()
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("no holder of the ledger panics")
    }
}
