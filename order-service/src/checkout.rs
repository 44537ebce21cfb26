//! What is asked of other services before an order is placed: whether its products can be had at its prices, and whether its customer may
//! order. A service that is away keeps nobody from ordering: the order is flagged, and a job looks again (`jobs/verify.rs`).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use order_domain::cache::Fresh;
use order_domain::client::product::{Product, ProductError};
use order_domain::client::user::User;
use order_domain::client::{CallError, Deadline, Scope};
use order_domain::order::Item;
use order_domain::price::{PriceCheck, Tolerance, check_prices};
use order_domain::review::{Review, ReviewReason};
use order_domain::value::id::{ProductId, UserId};
use serde_json::json;

use crate::metrics::Discrepancy;
use crate::neighbours::Neighbours;
use crate::problem::Problem;

/// Of the request's deadline, what is kept for the database.
pub const DATABASE_RESERVE: Duration = Duration::from_secs(2);
/// Of the request's deadline, what is kept for reserving stock as well.
const STOCK_RESERVE: Duration = Duration::from_millis(3500);
/// The subject of a review about all of an order's prices.
pub const PRICES: &str = "prices";
/// The subject of a review about an order's customer.
pub const CUSTOMER: &str = "customer";

/// Why an order is not placed.
#[derive(Debug, PartialEq, Eq)]
pub enum Objection {
    ProductUnknown(ProductId),
    ProductUnavailable { product_id: ProductId, quantity_available: i64 },
    UserUnknown(UserId),
    UserNotActive(UserId),
}

impl From<Objection> for Problem {
    fn from(objection: Objection) -> Self {
        let (code, message, details) = match objection {
            Objection::ProductUnknown(id) => {
                ("PRODUCT_NOT_FOUND", ProductError::NotFound(id.clone()).to_string(), json!({ "productId": id }))
            }
            Objection::ProductUnavailable { product_id, quantity_available } => (
                "PRODUCT_UNAVAILABLE",
                format!("Product {product_id} is not available in the requested quantity"),
                json!({ "productId": product_id, "available": false, "quantityAvailable": quantity_available }),
            ),
            Objection::UserUnknown(id) => {
                ("USER_NOT_FOUND", "there is no such customer".to_owned(), json!({ "userId": id }))
            }
            Objection::UserNotActive(id) => {
                ("USER_NOT_ACTIVE", "this customer may not order".to_owned(), json!({ "userId": id }))
            }
        };
        Self::new(StatusCode::CONFLICT, code, message, details)
    }
}

/// Asks at the same time whether the products and the customer are as the order says. What could not be asked becomes a review.
pub async fn check(
    neighbours: &Neighbours,
    items: &[&Item],
    user_id: &UserId,
    will_reserve: bool,
    scope: &Scope,
) -> Result<Vec<Review>, Objection> {
    let scope = scope.by(until(scope.deadline, will_reserve));
    let products = async {
        match &neighbours.products {
            Some(products) => Some(products.fresh(&product_ids(items), &scope).await),
            None => None,
        }
    };
    let user = async {
        match &neighbours.users {
            Some(users) => Some(users.get(user_id, &scope).await),
            None => None,
        }
    };
    let (products, user) = tokio::join!(products, user);
    let mut reviews = user.map_or(Ok(None), |user| customer(user_id, user))?.into_iter().collect::<Vec<_>>();
    if let Some(fresh) = products {
        let metrics = neighbours.tally.metrics();
        let found = prices(items, &fresh).inspect_err(|objection| {
            if let Objection::ProductUnavailable { .. } = objection {
                metrics.discrepancy(Discrepancy::Availability);
            }
        })?;
        if found.iter().any(|review| review.reason == ReviewReason::PriceDiscrepancy) {
            metrics.discrepancy(Discrepancy::Price);
        }
        reviews.extend(found);
    }
    Ok(reviews)
}

/// When questions have to be answered, so that stock can be reserved and the order be written before the request's deadline.
fn until(deadline: Deadline, will_reserve: bool) -> Deadline {
    let reserve = if will_reserve { DATABASE_RESERVE + STOCK_RESERVE } else { DATABASE_RESERVE };
    deadline.less(reserve)
}

/// The products of an order, each once.
pub fn product_ids(items: &[&Item]) -> Vec<ProductId> {
    let mut ids: Vec<ProductId> = items.iter().map(|item| item.product_id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// What the User Service's answer means for the order.
pub fn customer(user_id: &UserId, answer: Result<Option<User>, CallError>) -> Result<Option<Review>, Objection> {
    match answer {
        Ok(Some(user)) if user.is_active() => Ok(None),
        Ok(Some(_)) => Err(Objection::UserNotActive(user_id.clone())),
        Ok(None) => Err(Objection::UserUnknown(user_id.clone())),
        Err(error) => {
            tracing::warn!(cause = %error, "an order is placed without a look at its customer");
            let message = "The User Service could not be asked about the customer".to_owned();
            Ok(Some(Review { reason: ReviewReason::UserUnverified, subject: CUSTOMER.to_owned(), message }))
        }
    }
}

/// What the Product Service's answer means for the order. Where it is away nothing is compared with copies: a job asks again soon.
pub fn prices(items: &[&Item], fresh: &Fresh) -> Result<Vec<Review>, Objection> {
    if let Some(error) = &fresh.away {
        tracing::warn!(cause = %error, "an order is placed without a look at its prices");
        return Ok(vec![unverified("The Product Service could not be asked about the prices")]);
    }
    available(items, &fresh.products)?;
    let current = |id: &ProductId| fresh.products.get(id).and_then(|product| product.price);
    Ok(match check_prices(items.iter().copied(), current, Tolerance::default()) {
        Ok(check) => discrepancies(&check),
        Err(unknown) => vec![unverified(&format!("The price of product {} is not known", unknown.product_id))],
    })
}

fn unverified(message: &str) -> Review {
    Review { reason: ReviewReason::PriceUnverified, subject: PRICES.to_owned(), message: message.to_owned() }
}

/// Every product is there in the quantity of all of its lines together.
fn available(items: &[&Item], products: &BTreeMap<ProductId, Product>) -> Result<(), Objection> {
    let mut wanted = BTreeMap::<&ProductId, u64>::new();
    for item in items {
        *wanted.entry(&item.product_id).or_default() += u64::from(item.quantity.get());
    }
    for (id, quantity) in wanted {
        let product = products.get(id).ok_or_else(|| Objection::ProductUnknown(id.clone()))?;
        if !product.has(quantity) {
            let quantity_available = product.quantity_available.unwrap_or(0).max(0);
            return Err(Objection::ProductUnavailable { product_id: id.clone(), quantity_available });
        }
    }
    Ok(())
}

/// One review for each product whose price is off, where the document asks for a look; otherwise a line in the log.
pub fn discrepancies(check: &PriceCheck) -> Vec<Review> {
    if !check.has_discrepancies {
        return Vec::new();
    }
    let products: Vec<&str> = check.discrepancies.iter().map(|found| found.product_id.as_str()).collect();
    let total_difference = check.total_difference.to_string();
    let (products, requires_review) = (products.join(","), check.requires_review);
    tracing::warn!(products, total_difference, requires_review, "the prices of an order are not the current ones");
    let review = |found: &order_domain::price::Discrepancy| Review {
        reason: ReviewReason::PriceDiscrepancy,
        subject: found.product_id.to_string(),
        message: format!("The order says {}, the Product Service {}", found.order_price, found.current_price),
    };
    check.discrepancies.iter().filter(|_| requires_review).map(review).collect()
}
