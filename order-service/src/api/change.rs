//! Changing an order's details, and cancelling it.

use axum::extract::State;
use order_domain::order::Update;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success};
use crate::app::App;
use crate::body::{Body, OrderPath};
use crate::operation::Operation;
use crate::request::{AddressBody, CustomerBody, Object, ReasonBody};
use crate::view::OrderView;

/// What changes; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateBody {
    #[schema(value_type = Option<AddressBody>)]
    shipping_address: Option<Object<AddressBody>>,
    #[schema(value_type = Option<CustomerBody>)]
    customer_details: Option<Object<CustomerBody>>,
}

/// Changes the address or the customer's details, before the order is processed.
#[utoipa::path(patch, path = "/orders/{orderId}", tag = "orders", params(OrderPath), request_body = UpdateBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn update(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<UpdateBody>,
) -> Answer {
    app.moved(&path.order_id, |order| {
        let customer = value.customer_details.map(|Object(body)| body.of(order.customer().id.clone())).transpose()?;
        let update = Update { shipping_address: value.shipping_address.map(|Object(body)| body.into()), customer };
        order.update(update, &context)
    })
    .await
}

/// Cancels an order while nothing of it has left; what was paid is asked back.
#[utoipa::path(post, path = "/orders/{orderId}/cancel", tag = "orders", params(OrderPath), request_body = ReasonBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn cancel(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<ReasonBody>,
) -> Answer {
    app.moved(&path.order_id, |order| order.cancel(&value.reason, &context)).await
}
