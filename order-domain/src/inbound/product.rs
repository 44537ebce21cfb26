//! What the Product Service tells, and what is kept of it: for each product the newest name, price, status and availability,
//! each with its own time, because each event tells some of them. They are for the cache that calls are answered from.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::InboundEvent;
use super::latest::{Heard, Latest};
use super::message::{invalid, payload};
use super::reaction::{Dead, Reaction};
use crate::product::BATCH_MAX;
use crate::review::{Review, ReviewReason};
use crate::value::amount::Amount;
use crate::value::id::{ProductId, RequestId};
use crate::value::text::ForeignText;
use crate::value::timestamp::Timestamp;

/// The status of a product that is not sold any more.
pub const DISCONTINUED: &str = "DISCONTINUED";

/// What the Product Service tells.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductFact {
    /// What it says of each product; an answer may have none.
    pub products: Vec<ProductNews>,
    /// The request that it answers; who waits for it is to be told, and nobody may be waiting any more.
    pub request_id: Option<RequestId>,
    /// When.
    pub at: Option<Timestamp>,
}

/// What an event says of a product. What is absent was not said.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductNews {
    /// The product.
    pub product_id: ProductId,
    /// Its name.
    pub name: Option<ForeignText>,
    /// Its price; of several that are given `currentPrice` counts before `newPrice`, `price` and `basePrice`.
    pub price: Option<Price>,
    /// Its status, such as `ACTIVE`.
    pub status: Option<ForeignText>,
    /// Whether it can be had.
    pub available: Option<bool>,
    /// How many pieces can be had.
    pub quantity_available: Option<i64>,
    /// All of its details as they came, with fields that nobody here knows.
    pub details: Option<Details>,
}

/// A price. Ordered by its digits too, because `50` and `50.00` are equal amounts and differ when shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Price(pub Amount);

impl Ord for Price {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let scale = |price: &Self| price.0.decimal().scale();
        self.0.cmp(&other.0).then_with(|| scale(self).cmp(&scale(other)))
    }
}

impl PartialOrd for Price {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The details of a product: the JSON text of an object that can be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Details(String);

impl Details {
    /// The JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    id: Option<ProductId>,
    product_id: Option<ProductId>,
    request_id: Option<RequestId>,
    name: Option<ForeignText>,
    current_price: Option<Amount>,
    new_price: Option<Amount>,
    price: Option<Amount>,
    base_price: Option<Amount>,
    status: Option<ForeignText>,
    available: Option<bool>,
    quantity_available: Option<i64>,
    #[serde(borrow)]
    product_details: Option<&'a RawValue>,
    #[serde(borrow)]
    products: Option<Vec<&'a RawValue>>,
}

impl ProductFact {
    pub(super) fn news(event: InboundEvent, text: &str, at: Option<Timestamp>) -> Result<Self, Dead> {
        let wire: Wire<'_> = payload(event, text)?;
        Ok(Self { request_id: wire.request_id.clone(), products: vec![wire.news(None)?], at })
    }

    pub(super) fn discontinued_now(event: InboundEvent, text: &str, at: Option<Timestamp>) -> Result<Self, Dead> {
        let mut fact = Self::news(event, text, at)?;
        fact.products.iter_mut().for_each(|news| news.status = Some(ForeignText::new(DISCONTINUED)));
        Ok(fact)
    }

    pub(super) fn details(event: InboundEvent, text: &str, at: Option<Timestamp>) -> Result<Self, Dead> {
        let wire: Wire<'_> = payload(event, text)?;
        let raw =
            wire.product_details.ok_or_else(|| invalid(format!("the payload of {event} has no productDetails")))?;
        Ok(Self { products: vec![details(event, raw, wire.product_id)?], request_id: wire.request_id, at })
    }

    pub(super) fn batch(event: InboundEvent, text: &str, at: Option<Timestamp>) -> Result<Self, Dead> {
        let wire: Wire<'_> = payload(event, text)?;
        let products = wire.products.ok_or_else(|| invalid(format!("the payload of {event} has no products")))?;
        if products.len() > BATCH_MAX {
            return Err(invalid(format!("the payload of {event} has more than {BATCH_MAX} products")));
        }
        let products = products.into_iter().map(|raw| details(event, raw, None)).collect::<Result<_, _>>()?;
        Ok(Self { products, request_id: wire.request_id, at })
    }

    /// The products that are not sold any more. The open orders that have them are flagged, also where the fact comes late:
    /// the flag stays until somebody has looked.
    pub fn discontinued(&self) -> impl Iterator<Item = &ProductId> {
        let is_discontinued = |news: &&ProductNews| news.status.as_ref().is_some_and(|s| s.as_str() == DISCONTINUED);
        self.products.iter().filter(is_discontinued).map(|news| &news.product_id)
    }
}

/// The review of an order with a product that is not sold any more.
pub fn discontinued_review(product_id: &ProductId) -> Review {
    let message = format!("Product {product_id} is discontinued");
    Review { reason: ReviewReason::DiscontinuedProduct, subject: product_id.to_string(), message }
}

/// The details of a product in the answer to a call. The error says nothing of what stands there.
#[cfg(feature = "http")]
pub(crate) fn answered(text: &str) -> Result<ProductNews, String> {
    let unusable = |_| "it is not the details of a product".to_owned();
    let value: serde_json::Value = serde_json::from_str(text).map_err(unusable)?;
    if !value.is_object() {
        return Err("it is not the details of a product".to_owned());
    }
    let wire: Wire<'_> = serde_json::from_str(text).map_err(unusable)?;
    let mut news = wire.news(None).map_err(|dead| dead.detail)?;
    news.details = Some(Details(text.to_owned()));
    Ok(news)
}

fn details(event: InboundEvent, raw: &RawValue, product_id: Option<ProductId>) -> Result<ProductNews, Dead> {
    // Raw text was passed over without being read: deep lists, or half a surrogate pair, would stop whoever reads it later.
    let is_object = serde_json::from_str::<serde_json::Value>(raw.get()).is_ok_and(|value| value.is_object());
    if !is_object {
        return Err(invalid(format!("the details in {event} are not an object that can be read")));
    }
    let wire: Wire<'_> = payload(event, raw.get())?;
    let own = wire.product_id.as_ref().or(wire.id.as_ref());
    if product_id.is_some() && own.is_some_and(|own| Some(own) != product_id.as_ref()) {
        return Err(invalid(format!("the details in {event} are those of another product")));
    }
    let mut news = wire.news(product_id)?;
    news.details = Some(Details(raw.get().to_owned()));
    Ok(news)
}

impl Wire<'_> {
    fn news(self, product_id: Option<ProductId>) -> Result<ProductNews, Dead> {
        let product_id = product_id.or(self.product_id).or(self.id);
        Ok(ProductNews {
            product_id: product_id.ok_or_else(|| invalid("the payload names no product".to_owned()))?,
            name: self.name,
            price: self.current_price.or(self.new_price).or(self.price).or(self.base_price).map(Price),
            status: self.status,
            available: self.available,
            quantity_available: self.quantity_available,
            details: None,
        })
    }
}

/// What is known of a product.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductState {
    /// Its name.
    pub name: Option<Latest<ForeignText>>,
    /// Its price.
    pub price: Option<Latest<Price>>,
    /// Its status.
    pub status: Option<Latest<ForeignText>>,
    /// Whether it can be had.
    pub available: Option<Latest<bool>>,
    /// How many pieces can be had.
    pub quantity_available: Option<Latest<i64>>,
    /// All of its details.
    pub details: Option<Latest<Details>>,
}

impl ProductState {
    /// Keeps the newer of what is known and what is told, field by field.
    pub fn hear(&mut self, at: Option<Timestamp>, news: &ProductNews) -> Reaction<()> {
        let heard = [
            hear(&mut self.name, at, news.name.as_ref()),
            hear(&mut self.price, at, news.price.as_ref()),
            hear(&mut self.status, at, news.status.as_ref()),
            hear(&mut self.available, at, news.available.as_ref()),
            hear(&mut self.quantity_available, at, news.quantity_available.as_ref()),
            hear(&mut self.details, at, news.details.as_ref()),
        ];
        let has = |what: Heard| heard.iter().flatten().any(|heard| *heard == what);
        if has(Heard::Newest) {
            Reaction::Applied(())
        } else if has(Heard::TooLate) {
            Reaction::Stale
        } else {
            Reaction::Known
        }
    }
}

fn hear<T: Ord + Clone>(kept: &mut Option<Latest<T>>, at: Option<Timestamp>, value: Option<&T>) -> Option<Heard> {
    value.map(|value| Latest::hear_first(kept, Latest::new(at, 0, value.clone())))
}
