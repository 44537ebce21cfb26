//! The cache's store in memory: of this process alone, bounded in copies. For services without a Redis, and for tests.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use moka::future::Cache;
use moka::ops::compute::{CompResult, Op};

use super::store::Write;
use super::{ACTIVE_MAX, Entry};
use crate::value::id::ProductId;

/// Copies that are kept; those that nobody reads go first.
const ENTRIES_MAX: u64 = 100_000;

/// Copies in memory.
pub struct MemoryStore {
    entries: Cache<ProductId, String>,
    active: Mutex<BTreeSet<ProductId>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { entries: Cache::new(ENTRIES_MAX), active: Mutex::default() }
    }
}

impl MemoryStore {
    pub(super) async fn read(&self, ids: &[ProductId]) -> Vec<Option<String>> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.push(self.entries.get(id).await);
        }
        found
    }

    /// Writes each entry, unless its text is not what `before` says any more; true where it was written.
    pub(super) async fn write(&self, writes: &[Write]) -> Vec<bool> {
        let mut written = Vec::with_capacity(writes.len());
        for Write { id, before, entry, .. } in writes {
            let text = entry.to_json();
            let result = self.entries.entry(id.clone()).and_compute_with(async |found| {
                let is_same = found.map(moka::Entry::into_value) == *before;
                if is_same { Op::Put(text) } else { Op::Nop }
            });
            let is_written = matches!(result.await, CompResult::Inserted(_) | CompResult::ReplacedWith(_));
            if is_written {
                self.note(id, entry);
            }
            written.push(is_written);
        }
        written
    }

    pub(super) async fn remove(&self, id: &ProductId) {
        self.entries.invalidate(id).await;
    }

    pub(super) fn active(&self) -> Vec<ProductId> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn note(&self, id: &ProductId, entry: &Entry) {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        if !entry.is_active() {
            active.remove(id);
        } else if active.len() < ACTIVE_MAX {
            active.insert(id.clone());
        }
    }
}
