//! Looks again at orders that were placed while the Product Service or the User Service was away: the review that says so is cleared, and what
//! is found becomes a review of its own. Nothing is done while the service is still away.

use std::time::Duration;

use order_domain::cache::Fresh;
use order_domain::client::{Deadline, Scope};
use order_domain::inbound::product::{DISCONTINUED, discontinued_review};
use order_domain::order::{Item, Status};
use order_domain::price::{Tolerance, check_prices};
use order_domain::review::{Review, ReviewReason};

use crate::app::App;
use crate::checkout::{self, Objection, discrepancies, product_ids};
use crate::store::jobs::{claim, finish};
use crate::store::{Job, StoreError, Turn, Unverified};

/// Orders of one turn.
const CHUNK: i64 = 50;
/// Of a turn, for all calls.
const CALLS: Duration = Duration::from_secs(12);
/// Before the next turn where there are more orders.
const PAUSE_SECONDS: f64 = 1.0;

/// Looks at the next orders, where it is time.
pub async fn turn(app: &App, interval_seconds: f64) -> Result<(), StoreError> {
    let mut client = app.store.connection().await?;
    let transaction = client.transaction().await?;
    let Some(progress) = claim(&transaction, Job::Verify).await? else { return Ok(()) };
    let after = progress.parse().unwrap_or(0);
    let reasons = [
        app.neighbours.products.is_some().then_some(ReviewReason::PriceUnverified),
        app.neighbours.users.is_some().then_some(ReviewReason::UserUnverified),
    ];
    let reasons: Vec<ReviewReason> = reasons.into_iter().flatten().collect();
    let found = app.store.unverified(&transaction, &reasons, after, CHUNK).await?;
    let scope = Scope::until(Deadline::after(CALLS));
    let fresh = prices(app, &found, &scope).await;
    let mut is_away = fresh.as_ref().is_some_and(|fresh| fresh.away.is_some());
    let mut asks_users = true;
    for unverified in &found {
        let is_about_prices = unverified.reason == ReviewReason::PriceUnverified;
        let outcome = if is_about_prices {
            fresh.as_ref().and_then(|fresh| of_prices(unverified, fresh))
        } else if asks_users {
            of_customer(app, unverified, &scope).await
        } else {
            None
        };
        match outcome {
            Some(reviews) => app.store.verified(&transaction, unverified, &reviews).await?,
            // The first one that is not answered says that the service is away: the others wait for the next look.
            None if !is_about_prices => {
                asks_users = false;
                is_away = true;
            }
            None => {}
        }
    }
    let turn = match found.last() {
        Some(last) if found.len() as i64 == CHUNK && !is_away => Turn::on(PAUSE_SECONDS, last.review_id.to_string()),
        Some(_) | None => Turn::done(interval_seconds),
    };
    finish(transaction, Job::Verify, &turn).await
}

/// The products of all orders whose prices are unverified, as they are now. None where nothing is asked.
async fn prices(app: &App, found: &[Unverified], scope: &Scope) -> Option<Fresh> {
    let products = app.neighbours.products.as_ref()?;
    let orders = found.iter().filter(|unverified| unverified.reason == ReviewReason::PriceUnverified);
    let items: Vec<&Item> = orders.flat_map(items).collect();
    if items.is_empty() { None } else { Some(products.fresh(&product_ids(&items), scope).await) }
}

fn items(unverified: &Unverified) -> impl Iterator<Item = &Item> {
    unverified.order.lines().iter().map(|line| &line.item)
}

/// What is found where the prices can be told: nothing is a review less. None where they cannot.
fn of_prices(unverified: &Unverified, fresh: &Fresh) -> Option<Vec<Review>> {
    if is_over(unverified) {
        return Some(Vec::new());
    }
    if fresh.away.is_some() {
        return None;
    }
    let current = |id: &_| fresh.products.get(id).and_then(|product| product.price);
    let check = check_prices(items(unverified), current, Tolerance::default()).ok()?;
    let mut reviews = discrepancies(&check);
    let products = items(unverified).filter_map(|item| fresh.products.get(&item.product_id));
    let is_ended = |status: &_| matches!(status, Some(status) if *status == DISCONTINUED);
    let ended = products.filter(|product| is_ended(&product.status.as_ref().map(|status| status.as_str())));
    reviews.extend(ended.map(|product| discontinued_review(&product.id)));
    Some(reviews)
}

/// The same for the customer.
async fn of_customer(app: &App, unverified: &Unverified, scope: &Scope) -> Option<Vec<Review>> {
    if is_over(unverified) {
        return Some(Vec::new());
    }
    let user_id = &unverified.order.customer().id;
    let answer = app.neighbours.users.as_ref()?.get(user_id, scope).await;
    match checkout::customer(user_id, answer) {
        Ok(None) => Some(Vec::new()),
        Ok(Some(_)) => None,
        Err(objection) => {
            let message = match objection {
                Objection::UserNotActive(_) => "The User Service says that this customer may not order",
                Objection::UserUnknown(_) | Objection::ProductUnknown(_) | Objection::ProductUnavailable { .. } => {
                    "The User Service does not know this customer"
                }
            };
            let subject = "customer-refused".to_owned();
            Some(vec![Review { reason: ReviewReason::UserUnverified, subject, message: message.to_owned() }])
        }
    }
}

/// Nobody has to look at an order that was given up.
fn is_over(unverified: &Unverified) -> bool {
    match unverified.order.status() {
        Status::Cancelled | Status::RefundRequested | Status::RefundInitiated | Status::Refunded => true,
        Status::PendingPayment
        | Status::PaymentFailed
        | Status::Confirmed
        | Status::Processing
        | Status::Shipped
        | Status::Delivered
        | Status::ReturnInitiated
        | Status::ReturnApproved => false,
    }
}
