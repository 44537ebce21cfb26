//! Asks the Product Service for the details of everything that is sold, every even hour (UTC): requests of 50 products through the outbox,
//! one transaction and one second apart. `product.batch_details_provided` answers.

use order_domain::Context;
use order_domain::product::{self, REFRESH_CHUNK, REFRESH_INTERVAL, REFRESH_PAUSE};
use order_domain::value::id::ProductId;
use order_domain::value::timestamp::Timestamp;

use crate::app::App;
use crate::store::jobs::{claim, finish};
use crate::store::{Job, StoreError, Turn};

/// Seconds to the next even hour.
pub fn seconds_to_next() -> f64 {
    let now = Timestamp::now().time();
    let of_day = u64::from(now.hour()) * 3600 + u64::from(now.minute()) * 60 + u64::from(now.second());
    let interval = REFRESH_INTERVAL.as_secs();
    (interval - of_day % interval) as f64
}

/// Asks for the next 50 products, where it is time.
pub async fn turn(app: &App) -> Result<(), StoreError> {
    let Some(products) = &app.neighbours.products else { return Ok(()) };
    let mut client = app.store.connection().await?;
    let transaction = client.transaction().await?;
    let Some(after) = claim(&transaction, Job::Refresh).await? else { return Ok(()) };
    let mut ids = products.cache().active().await;
    ids.sort();
    let from = ids.partition_point(|id| id.as_str() <= after.as_str());
    let chunk: &[ProductId] = &ids[from..ids.len().min(from + REFRESH_CHUNK)];
    let events = product::refresh(chunk, &Context::now());
    app.store.emit(&transaction, &events).await?;
    let turn = match chunk.last() {
        Some(last) if from + chunk.len() < ids.len() => Turn::on(REFRESH_PAUSE.as_secs_f64(), last.as_str()),
        Some(_) | None => Turn::done(seconds_to_next()),
    };
    finish(transaction, Job::Refresh, &turn).await?;
    if !chunk.is_empty() {
        tracing::info!(products = chunk.len(), "the details of products are asked for again");
    }
    Ok(())
}
