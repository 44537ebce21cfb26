//! The details of a product for somebody who can wait a little: the copy, otherwise the answer to a request through the outbox, otherwise a
//! call. The request and the call share the deadline.

use std::time::Duration;

use order_domain::Context;
use order_domain::cache::Products;
use order_domain::client::product::{Product, ProductError};
use order_domain::client::{Deadline, Scope};
use order_domain::product;
use order_domain::value::id::{ProductId, RequestId};
use tokio::time::sleep;

use crate::app::App;
use crate::store::StoreError;

/// For the answer to a request, by the document.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// Of the deadline, what is kept for the call.
const CALL_RESERVE: Duration = Duration::from_secs(2);
/// From one look for the answer to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Why there are no details.
#[derive(Debug, thiserror::Error)]
pub enum DetailsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Product(#[from] ProductError),
}

/// The details of a product.
pub async fn details(
    app: &App,
    products: &Products,
    id: &ProductId,
    context: &Context,
    scope: &Scope,
) -> Result<Product, DetailsError> {
    if let Some(copy) = products.cache().get(id).await {
        return Ok(copy);
    }
    // Without a broker no answer is heard.
    if app.hearing.is_some()
        && let Some(product) = requested(app, id, context, scope.deadline).await?
    {
        return Ok(product);
    }
    Ok(products.get(id, scope).await?)
}

/// Asks through the outbox and waits for the answer; none where it does not come in time.
async fn requested(
    app: &App,
    id: &ProductId,
    context: &Context,
    deadline: Deadline,
) -> Result<Option<Product>, StoreError> {
    let until = deadline.less(CALL_RESERVE).within(REPLY_TIMEOUT);
    let request_id = RequestId::new(uuid::Uuid::new_v4().to_string()).expect("a UUID is an id");
    let event = product::details_requested(id.clone(), request_id.clone(), context);
    // Remembered first: an answer that comes at once finds somebody who waits.
    app.store.request(&request_id, &event, (REPLY_TIMEOUT * 2).as_secs_f64()).await?;
    let is_answered = answered(app, &request_id, until).await;
    app.store.forget_request(&request_id).await?;
    if is_answered? {
        return app.store.product(id).await;
    }
    let (product_id, request_id) = (id.as_str(), request_id.as_str());
    tracing::warn!(product_id, request_id, "Request timed out: the Product Service is called instead");
    Ok(None)
}

async fn answered(app: &App, request_id: &RequestId, until: Deadline) -> Result<bool, StoreError> {
    loop {
        if app.store.is_answered(request_id).await? {
            return Ok(true);
        }
        if until.left() < LOOK_INTERVAL {
            return Ok(false);
        }
        sleep(LOOK_INTERVAL).await;
    }
}
