//! The client of the Product Service (seed 004 sections 3 and 7): the details of one product, or of several in one call. Its errors have
//! the document's texts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::body;
use super::breaker::{BreakerPolicy, BreakerState, Opening};
use super::error::CallError;
use super::retry::RetryPolicy;
use super::scope::Scope;
use super::service::{CallPolicy, Caller, Neighbour, Request, Service};
use crate::inbound::product::{self, DISCONTINUED, Details, ProductNews, ProductState};
use crate::product::BATCH_MAX;
use crate::value::amount::Amount;
use crate::value::id::ProductId;
use crate::value::text::ForeignText;

/// How the Product Service is called, by its document: 500 ms an attempt; after 1, 2 and 4 s again, on 429 as well; three failures in a
/// row open the breaker for 30 s.
pub const POLICY: CallPolicy = CallPolicy {
    attempt: Duration::from_millis(500),
    retry: RetryPolicy {
        delay: Duration::from_secs(1),
        retries: 3,
        total: Duration::from_secs(10),
        on_too_many: true,
        retry_after_max: Duration::from_secs(4),
    },
    breaker: BreakerPolicy { opening: Opening::InARow(3), open_for: Duration::from_secs(30) },
    body_bytes_max: 4 << 20,
};

/// Where a product's details are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductSource {
    /// The Product Service, just now.
    Service,
    /// The cache.
    Cache,
}

/// A product, as far as an order needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    /// Names it.
    pub id: ProductId,
    /// Its name.
    pub name: Option<ForeignText>,
    /// Its price; of several that are given `currentPrice` counts before `newPrice`, `price` and `basePrice`.
    pub price: Option<Amount>,
    /// Its status, such as `ACTIVE`.
    pub status: Option<ForeignText>,
    /// Whether it can be had.
    pub available: Option<bool>,
    /// How many pieces can be had.
    pub quantity_available: Option<i64>,
    /// All of it as it came, with fields that nobody here knows.
    pub details: Option<Details>,
    /// Where it is from.
    pub source: ProductSource,
}

impl Product {
    pub(crate) fn of(news: ProductNews, source: ProductSource) -> Self {
        Self {
            id: news.product_id,
            name: news.name,
            price: news.price.map(|price| price.0),
            status: news.status,
            available: news.available,
            quantity_available: news.quantity_available,
            details: news.details,
            source,
        }
    }

    /// What is known of a product by what was told of it.
    pub fn known(id: &ProductId, state: &ProductState, source: ProductSource) -> Self {
        Self {
            id: id.clone(),
            name: state.name.as_ref().map(|name| name.value.clone()),
            price: state.price.as_ref().map(|price| price.value.0),
            status: state.status.as_ref().map(|status| status.value.clone()),
            available: state.available.as_ref().map(|available| available.value),
            quantity_available: state.quantity_available.as_ref().map(|quantity| quantity.value),
            details: state.details.as_ref().map(|details| details.value.clone()),
            source,
        }
    }

    /// Whether `quantity` pieces can be had. What the service does not tell is taken for a yes.
    pub fn has(&self, quantity: u64) -> bool {
        let is_sold = self.status.as_ref().is_none_or(|status| status.as_str() != DISCONTINUED);
        let in_stock = self.quantity_available.is_none_or(|there| u64::try_from(there).is_ok_and(|n| n >= quantity));
        is_sold && self.available != Some(false) && in_stock
    }
}

impl Serialize for Product {
    /// As the documents show it: `id`, `name`, `price`, `status`, and `"_source": "cache"` for a copy.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("price", &self.price)?;
        map.serialize_entry("status", &self.status)?;
        match self.source {
            ProductSource::Service => {}
            ProductSource::Cache => map.serialize_entry("_source", "cache")?,
        }
        map.end()
    }
}

/// Why there is no product.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProductError {
    /// There is no such product.
    #[error("Product with ID {0} not found")]
    NotFound(ProductId),
    /// The call for one failed.
    #[error("Failed to fetch product details: {0}")]
    Failed(CallError),
    /// The call for several failed.
    #[error("Failed to fetch products in batch: {0}")]
    BatchFailed(CallError),
    /// The call failed, and there is no copy.
    #[error("Product Service is currently unavailable and product not in cache")]
    Unavailable(CallError),
}

impl ProductError {
    /// Why the call failed; absent where the service has answered that there is no such product.
    pub fn call(&self) -> Option<&CallError> {
        match self {
            Self::NotFound(_) => None,
            Self::Failed(error) | Self::BatchFailed(error) | Self::Unavailable(error) => Some(error),
        }
    }
}

/// The client of the Product Service.
pub struct ProductClient(Service);

#[derive(Serialize)]
struct Batch<'a> {
    ids: &'a [ProductId],
}

impl ProductClient {
    /// Calls the service at `base`, to which `/api/v1/products` is added unless `base` ends in `/products`.
    ///
    /// # Errors
    /// Where `base` is no address.
    pub fn new(base: &str, caller: &Caller) -> Result<Self, String> {
        Self::with(base, POLICY, caller)
    }

    /// The same with another policy.
    ///
    /// # Errors
    /// Where `base` is no address.
    pub fn with(base: &str, policy: CallPolicy, caller: &Caller) -> Result<Self, String> {
        let base = base.trim_end_matches('/');
        let base = if base.ends_with("/products") { base.to_owned() } else { format!("{base}/api/v1/products") };
        Service::new(Neighbour::Product, &base, policy, caller).map(Self)
    }

    /// Where the breaker is.
    pub fn state(&self) -> BreakerState {
        self.0.state()
    }

    /// The details of one product (`GET /api/v1/products/{id}`).
    ///
    /// # Errors
    /// As [`ProductError`] says; a product with another id than was asked for is unusable.
    pub async fn get(&self, id: &ProductId, scope: &Scope) -> Result<Product, ProductError> {
        let path = [id.as_str()];
        let read = |text: &str| {
            let news = product::answered(text)?;
            if news.product_id == *id { Ok(news) } else { Err("it is another product".to_owned()) }
        };
        match self.0.call(Request::get("get", &path), scope, read).await {
            Ok(news) => Ok(Product::of(news, ProductSource::Service)),
            Err(CallError::NotFound { .. }) => Err(ProductError::NotFound(id.clone())),
            Err(error) => Err(ProductError::Failed(error)),
        }
    }

    /// The details of 1 to 1000 products in one call (`POST /api/v1/products/batch`). A product that the service does not know is not in
    /// the answer.
    ///
    /// # Errors
    /// As [`ProductError`] says; products that were not asked for make the answer unusable.
    pub async fn batch(&self, ids: &[ProductId], scope: &Scope) -> Result<BTreeMap<ProductId, Product>, ProductError> {
        let request = Request::post("batch", &["batch"], &Batch { ids }).repeatable();
        let read = |text: &str| {
            let raw: Vec<&RawValue> = body::parse(text)?;
            if raw.len() > ids.len().min(BATCH_MAX) {
                return Err("it has more products than were asked for".to_owned());
            }
            let news: Vec<ProductNews> =
                raw.into_iter().map(|raw| product::answered(raw.get())).collect::<Result<_, _>>()?;
            if news.iter().any(|news| !ids.contains(&news.product_id)) {
                return Err("it has a product that was not asked for".to_owned());
            }
            Ok(news)
        };
        let news = self.0.call(request, scope, read).await.map_err(ProductError::BatchFailed)?;
        let products = news.into_iter().map(|news| Product::of(news, ProductSource::Service));
        Ok(products.map(|product| (product.id.clone(), product)).collect())
    }
}
