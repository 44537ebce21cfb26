//! Sending delivered goods back.

use axum::extract::State;
use order_domain::order::ReturnRequest;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success};
use crate::app::App;
use crate::body::{Body, OrderPath};
use crate::operation::Operation;
use crate::request::{LineBody, Object, lines};
use crate::view::OrderView;

/// What comes back, and why.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    return_id: String,
    /// Absent means everything.
    #[schema(value_type = Option<Vec<LineBody>>, min_items = 1)]
    lines: Option<Vec<Object<LineBody>>>,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    reason: String,
}

/// The customer asks to send delivered goods back.
#[utoipa::path(post, path = "/orders/{orderId}/initiate-return", tag = "returns", params(OrderPath), request_body = ReturnBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn initiate_return(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<ReturnBody>,
) -> Answer {
    let (return_id, lines) = (value.return_id.parse()?, lines(value.lines)?);
    let request = ReturnRequest { return_id, lines, reason: value.reason };
    app.moved(&path.order_id, |order| order.initiate_return(request, &context)).await
}

/// The return may come. Needs no body.
#[utoipa::path(post, path = "/orders/{orderId}/approve-return", tag = "returns", params(OrderPath), responses((status = 200, body = Success<OrderView>)))]
pub async fn approve_return(State(app): State<App>, path: OrderPath, Operation(context): Operation) -> Answer {
    app.moved(&path.order_id, |order| order.approve_return(&context)).await
}
