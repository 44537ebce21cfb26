//! Requests to the Product Service that nobody is waiting for (seed 004 sections 4.2, 4.4 and 5.2). They belong to no
//! order: each request is an aggregate of its own, so nothing has to be locked before they are appended.

use std::time::Duration;

use crate::event::{Aggregate, Event, Payload, ProductBatchDetailsRequestedEvent, ProductDetailsRequestedEvent};
use crate::value::id::{CorrelationId, ProductId, RequestId};
use crate::{Context, Invalid, Refusal};

/// Products in one request of the refresh.
pub const REFRESH_CHUNK: usize = 50;
/// From one refresh to the next.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);
/// From one request of a refresh to the next, so that the Product Service is not overwhelmed.
pub const REFRESH_PAUSE: Duration = Duration::from_secs(1);
/// Products in one request that somebody else puts together.
pub const BATCH_MAX: usize = 1000;

/// Asks for the details of one product; `product.details_provided` answers.
pub fn details_requested(product_id: ProductId, request_id: RequestId, context: &Context) -> Event {
    let payload = ProductDetailsRequestedEvent {
        product_id,
        request_id: request_id.clone(),
        callback_event: "product.details_provided".to_owned(),
    };
    event(request_id, Payload::ProductDetailsRequested(payload), context)
}

/// Asks for the details of 1 to 1000 products; `product.batch_details_provided` answers.
pub fn batch_details_requested(
    product_ids: Vec<ProductId>,
    request_id: RequestId,
    context: &Context,
) -> Result<Event, Refusal> {
    if product_ids.is_empty() {
        return Err(Invalid::Empty { field: "productIds" }.into());
    }
    if product_ids.len() > BATCH_MAX {
        return Err(Refusal::TooMany { what: "products in one request", count_max: BATCH_MAX });
    }
    let payload = ProductBatchDetailsRequestedEvent {
        product_ids,
        request_id: request_id.clone(),
        callback_event: Some("product.batch_details_provided".to_owned()),
        refresh_mode: None,
    };
    Ok(event(request_id, Payload::ProductBatchDetailsRequested(payload), context))
}

/// The regular refresh of everything that is sold, in requests of at most [`REFRESH_CHUNK`] products. Append one of them
/// per transaction, [`REFRESH_PAUSE`] apart.
pub fn refresh(product_ids: &[ProductId], context: &Context) -> Vec<Event> {
    let chunks = product_ids.chunks(REFRESH_CHUNK);
    let request = |chunk: &[ProductId]| {
        let request_id = RequestId::new(context.random_id().to_string()).expect("a UUID is an id");
        let payload = ProductBatchDetailsRequestedEvent {
            product_ids: chunk.to_vec(),
            request_id: request_id.clone(),
            callback_event: None,
            refresh_mode: Some(true),
        };
        event(request_id, Payload::ProductBatchDetailsRequested(payload), context)
    };
    chunks.map(request).collect()
}

fn event(request_id: RequestId, payload: Payload, context: &Context) -> Event {
    let correlation_id =
        CorrelationId::new(request_id.as_str()).expect("request ids and correlation ids have the same rules");
    let key = format!("product_request_{request_id}");
    Event::new(context, Aggregate::ProductRequest(request_id), key, payload).correlated(correlation_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refresh_of_120_products_is_three_requests() {
        let context = Context::now();
        let products: Vec<_> = (0..120).map(|n| ProductId::new(format!("product-{n}")).expect("an id")).collect();
        let requests = refresh(&products, &context);
        let sizes: Vec<_> = requests
            .iter()
            .map(|event| match event.payload() {
                Payload::ProductBatchDetailsRequested(payload) => payload.product_ids.len(),
                other => panic!("not a batch: {:?}", other.event_type()),
            })
            .collect();
        assert_eq!(sizes, [50, 50, 20]);
        assert_eq!(requests[0].correlation_id().map(CorrelationId::as_str), Some(requests[0].aggregate().id()));
        assert_ne!(requests[0].aggregate(), requests[1].aggregate());
    }

    #[test]
    fn an_empty_or_huge_batch_is_refused() {
        let (context, request_id) = (Context::now(), RequestId::new("request-1").expect("an id"));
        let refusal = batch_details_requested(Vec::new(), request_id.clone(), &context).expect_err("empty");
        assert_eq!(refusal.code(), "EMPTY_VALUE");
        let many = vec![ProductId::new("p").expect("an id"); 1001];
        assert_eq!(batch_details_requested(many, request_id, &context).expect_err("huge").code(), "TOO_MANY");
    }
}
