//! Where the copies are, and how little it may cost: a store that fails or hangs costs a caller at most [`STORE_TIMEOUT`] in all, and is
//! then left alone for a moment. No failure reaches a caller.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::memory::MemoryStore;
#[cfg(feature = "redis")]
use super::redis::RedisStore;
use super::{Entry, STORE_TIMEOUT};
use crate::client::CallObserver;
use crate::value::id::ProductId;

/// A store that has failed is asked again after this.
const REST: Duration = Duration::from_secs(1);

/// Where the copies are.
pub enum Store {
    /// In this process.
    Memory(MemoryStore),
    /// In Redis.
    #[cfg(feature = "redis")]
    Redis(RedisStore),
}

/// A copy to write, if what is there is still `before`.
pub(super) struct Write {
    pub id: ProductId,
    pub before: Option<String>,
    pub entry: Entry,
    #[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "copies in memory say themselves when they end"))]
    pub life: Duration,
}

/// A store with a limit on what it costs.
pub(super) struct Guarded {
    store: Store,
    rests_until: Mutex<Option<Instant>>,
    observer: Arc<dyn CallObserver>,
}

/// What a caller still has for the store: time that it waits for something else is not counted.
pub(super) struct Patience(Mutex<Duration>);

impl Patience {
    pub fn new() -> Self {
        Self(Mutex::new(STORE_TIMEOUT))
    }

    fn left(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spend(&self, spent: Duration) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(spent);
    }
}

impl Guarded {
    pub fn new(store: Store, observer: Arc<dyn CallObserver>) -> Self {
        Self { store, rests_until: Mutex::new(None), observer }
    }

    /// The texts of these products; none of any where the store fails.
    pub async fn read(&self, ids: &[ProductId], patience: &Patience) -> Option<Vec<Option<String>>> {
        let read = async {
            match &self.store {
                Store::Memory(store) => Ok(store.read(ids).await),
                #[cfg(feature = "redis")]
                Store::Redis(store) => store.read(ids).await,
            }
        };
        self.guard("read", patience, read).await.filter(|texts| texts.len() == ids.len())
    }

    /// Which of these were written; none where the store fails.
    pub async fn write(&self, writes: &[Write], patience: &Patience) -> Option<Vec<bool>> {
        let write = async {
            match &self.store {
                Store::Memory(store) => Ok(store.write(writes).await),
                #[cfg(feature = "redis")]
                Store::Redis(store) => store.write(writes).await,
            }
        };
        self.guard("write", patience, write).await
    }

    pub async fn remove(&self, id: &ProductId, patience: &Patience) -> bool {
        let remove = async {
            match &self.store {
                Store::Memory(store) => {
                    store.remove(id).await;
                    Ok(())
                }
                #[cfg(feature = "redis")]
                Store::Redis(store) => store.remove(id).await,
            }
        };
        self.guard("remove", patience, remove).await.is_some()
    }

    /// The products that are sold, as far as the store knows; none where it fails. For jobs: each of its steps has its own limit.
    pub async fn active(&self) -> Vec<ProductId> {
        match &self.store {
            Store::Memory(store) => store.active(),
            #[cfg(feature = "redis")]
            Store::Redis(store) => {
                let mut ids = std::collections::BTreeSet::new();
                let mut cursor = 0;
                loop {
                    let step = self.guard("list", &Patience::new(), store.active(cursor)).await;
                    let Some((next, found)) = step else { return Vec::new() };
                    ids.extend(found);
                    cursor = next;
                    if cursor == 0 || ids.len() >= super::ACTIVE_MAX {
                        return ids.into_iter().collect();
                    }
                }
            }
        }
    }

    async fn guard<T>(
        &self,
        what: &'static str,
        patience: &Patience,
        operation: impl Future<Output = Result<T, String>>,
    ) -> Option<T> {
        let started = Instant::now();
        let rests_until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        let left = patience.left();
        if left.is_zero() || rests_until.is_some_and(|until| started < until) {
            return None;
        }
        let ended = tokio::time::timeout(left, operation).await;
        patience.spend(started.elapsed());
        let failed = match ended {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(failed)) => failed,
            Err(_) => format!("no answer within {STORE_TIMEOUT:?}"),
        };
        *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
        self.observer.cache_failed();
        tracing::warn!(operation = what, cause = failed, rest_ms = REST.as_millis(), "the product cache failed");
        None
    }
}
