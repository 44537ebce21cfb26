//! Copies of products, so that most questions need no call and an outage of the Product Service is survived for a while. In memory or, with
//! the feature `redis`, in a Redis that all replicas share.
//!
//! - [`Cache`] keeps copies. What the Product Service tells by itself counts for an hour, what it answered for five minutes.
//! - [`Products`] answers from the copies and calls where there is none; concurrent misses make one call.
//!
//! Each field of a copy is the newest that was told, so an answer that was on its way while something newer was told undoes nothing. The time
//! of an answer is that of our question; clocks of the two services that are apart blur this by as much.

mod entry;
mod store;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod products;

use std::sync::Arc;
use std::time::Duration;

pub use self::entry::Entry;
pub use self::memory::MemoryStore;
pub use self::products::{Fresh, Products};
#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
pub use self::store::Store;
use self::store::{Guarded, Patience, Write};
use crate::client::CallObserver;
use crate::client::product::Product;
use crate::inbound::product::ProductNews;
use crate::value::id::ProductId;
use crate::value::timestamp::Timestamp;

/// How long a copy counts that an event has brought.
pub const EVENT_LIFE: Duration = Duration::from_secs(3600);
/// How long a copy counts that a call has brought.
pub const CALL_LIFE: Duration = Duration::from_secs(300);
/// What a store may cost one caller in all.
pub const STORE_TIMEOUT: Duration = Duration::from_millis(50);
/// Ids of products that are listed as sold.
pub const ACTIVE_MAX: usize = 100_000;
/// What a copy may have; a larger one is not kept.
const ENTRY_BYTES_MAX: usize = 256 << 10;
/// Another writer came first: so often what is there is read again.
const WRITE_TRIES: usize = 3;

/// Copies of products.
pub struct Cache {
    store: Guarded,
    observer: Arc<dyn CallObserver>,
}

impl Cache {
    /// Copies in `store`.
    pub fn new(store: Store, observer: Arc<dyn CallObserver>) -> Self {
        Self { store: Guarded::new(store, Arc::clone(&observer)), observer }
    }

    /// The copy of a product, if there is one that counts.
    pub async fn get(&self, id: &ProductId) -> Option<Product> {
        self.look(std::slice::from_ref(id), &Patience::new()).await.pop().flatten()
    }

    /// The copies of these products, each in its place.
    pub async fn get_all(&self, ids: &[ProductId]) -> Vec<Option<Product>> {
        self.look(ids, &Patience::new()).await
    }

    /// Keeps what an event tells, which counts for an hour.
    pub async fn hear(&self, at: Option<Timestamp>, news: &[ProductNews]) {
        self.keep(at, news, EVENT_LIFE, &Patience::new()).await;
    }

    /// Forgets a product.
    pub async fn forget(&self, id: &ProductId) {
        self.store.remove(id, &Patience::new()).await;
    }

    /// The products that are sold, as far as events and calls have told; none where the store fails.
    pub async fn active(&self) -> Vec<ProductId> {
        self.store.active().await
    }

    async fn look(&self, ids: &[ProductId], patience: &Patience) -> Vec<Option<Product>> {
        let (texts, now) = (self.store.read(ids, patience).await, Timestamp::now());
        let texts = texts.unwrap_or_else(|| vec![None; ids.len()]);
        let product = |(id, text): (&ProductId, Option<String>)| Entry::from_json(&text?)?.product(id, now);
        let found: Vec<Option<Product>> = ids.iter().zip(texts).map(product).collect();
        let hits = found.iter().flatten().count();
        self.observer.cached(hits, ids.len() - hits);
        found
    }

    async fn keep(&self, at: Option<Timestamp>, news: &[ProductNews], life: Duration, patience: &Patience) {
        let mut left: Vec<&ProductNews> = news.iter().collect();
        for _ in 0..WRITE_TRIES {
            let ids: Vec<ProductId> = left.iter().map(|news| news.product_id.clone()).collect();
            let Some(texts) = self.store.read(&ids, patience).await else { return };
            let now = Timestamp::now();
            let (mut writes, mut written) = (Vec::new(), Vec::new());
            for (news, before) in left.iter().copied().zip(texts) {
                let known = before.as_deref().and_then(Entry::from_json);
                let Some(entry) = Entry::merged(known.as_ref(), at, news, life, now) else { continue };
                if entry.to_json().len() > ENTRY_BYTES_MAX {
                    continue;
                }
                let (id, life) = (news.product_id.clone(), entry.life(now));
                writes.push(Write { id, before, entry, life });
                written.push(news);
            }
            if writes.is_empty() {
                return;
            }
            let Some(done) = self.store.write(&writes, patience).await else { return };
            left = written.into_iter().zip(done).filter(|(_, is_done)| !is_done).map(|(news, _)| news).collect();
            if left.is_empty() {
                return;
            }
        }
        tracing::debug!(products = left.len(), "copies were not kept: others wrote them at the same time");
    }
}
