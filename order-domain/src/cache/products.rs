//! Products from the copies, and from the Product Service where there is none: cache-aside. Where the service is away, copies stand in.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::store::Patience;
use super::{CALL_LIFE, Cache};
use crate::client::product::{Product, ProductClient, ProductError};
use crate::client::{CallError, Cause, Neighbour, Scope};
use crate::inbound::product::{Price, ProductNews};
use crate::product::BATCH_MAX;
use crate::value::id::ProductId;
use crate::value::timestamp::Timestamp;

type Flight = Arc<OnceCell<Result<Product, ProductError>>>;

/// Products, by the cache and the client.
pub struct Products {
    client: ProductClient,
    cache: Arc<Cache>,
    /// Calls that are on their way, each waited for by everybody who misses the same product.
    flights: Mutex<HashMap<ProductId, Flight>>,
}

/// Products that the Product Service was asked for.
pub struct Fresh {
    /// What it answered; where it is away, the copies there are. A product that it does not know is not here.
    pub products: BTreeMap<ProductId, Product>,
    /// Why it is away.
    pub away: Option<ProductError>,
}

impl Products {
    /// Answers from `cache`, and calls by `client`.
    pub fn new(client: ProductClient, cache: Arc<Cache>) -> Self {
        Self { client, cache, flights: Mutex::default() }
    }

    /// The copies.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// The client.
    pub fn client(&self) -> &ProductClient {
        &self.client
    }

    /// One product: its copy, or the answer to a call. Concurrent misses make one call, and share its error too.
    ///
    /// # Errors
    /// As [`ProductError`] says; [`ProductError::Unavailable`] where the service is away and there is no copy.
    pub async fn get(&self, id: &ProductId, scope: &Scope) -> Result<Product, ProductError> {
        let patience = Patience::new();
        if let Some(product) = self.cache.look(std::slice::from_ref(id), &patience).await.pop().flatten() {
            return Ok(product);
        }
        let flight = Arc::clone(self.flights().entry(id.clone()).or_default());
        let landing = Landing { products: self, id, flight: &flight };
        // Whoever asked first calls. Where that one goes away, the next one does.
        let call = flight.get_or_init(|| self.call(id, scope, &patience));
        let result = match tokio::time::timeout_at(scope.deadline.instant(), call).await {
            Ok(result) => result.clone(),
            Err(_) => {
                let (service, cause) = (Neighbour::Product, Cause::NoTime);
                Err(ProductError::Unavailable(CallError::TryLater { service, cause, retry_after: None }))
            }
        };
        drop(landing);
        result
    }

    /// These products as they are now, in one call for each thousand; the answers become copies. Where the service is away, the copies
    /// there are stand in.
    pub async fn fresh(&self, ids: &[ProductId], scope: &Scope) -> Fresh {
        let (mut fresh, patience) = (Fresh { products: BTreeMap::new(), away: None }, Patience::new());
        for ids in ids.chunks(BATCH_MAX) {
            let asked_at = Timestamp::now();
            match self.client.batch(ids, scope).await {
                Ok(products) => {
                    let news: Vec<ProductNews> = products.values().map(news).collect();
                    self.cache.keep(Some(asked_at), &news, CALL_LIFE, &patience).await;
                    fresh.products.extend(products);
                }
                Err(error) => {
                    let copies = self.cache.look(ids, &patience).await;
                    fresh.products.extend(copies.into_iter().flatten().map(|copy| (copy.id.clone(), copy)));
                    fresh.away = Some(error);
                }
            }
        }
        fresh
    }

    async fn call(&self, id: &ProductId, scope: &Scope, patience: &Patience) -> Result<Product, ProductError> {
        let asked_at = Timestamp::now();
        match self.client.get(id, scope).await {
            Ok(product) => {
                self.cache.keep(Some(asked_at), &[news(&product)], CALL_LIFE, patience).await;
                Ok(product)
            }
            Err(ProductError::Failed(error)) if !error.is_answer() => Err(ProductError::Unavailable(error)),
            Err(error) => Err(error),
        }
    }

    fn flights(&self) -> std::sync::MutexGuard<'_, HashMap<ProductId, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a call when it has ended, or when the last one who waits for it goes away.
struct Landing<'a> {
    products: &'a Products,
    id: &'a ProductId,
    flight: &'a Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut flights = self.products.flights();
        let is_this = flights.get(self.id).is_some_and(|flight| Arc::ptr_eq(flight, self.flight));
        // Two are held here and in the map; more wait.
        if is_this && (self.flight.initialized() || Arc::strong_count(self.flight) <= 2) {
            flights.remove(self.id);
        }
    }
}

fn news(product: &Product) -> ProductNews {
    ProductNews {
        product_id: product.id.clone(),
        name: product.name.clone(),
        price: product.price.map(Price),
        status: product.status.clone(),
        available: product.available,
        quantity_available: product.quantity_available,
        details: product.details.clone(),
    }
}
