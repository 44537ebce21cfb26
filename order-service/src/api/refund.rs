//! Giving money back, in whole or in parts.

use axum::extract::State;
use order_domain::Refusal;
use order_domain::order::{OrderFact, RefundRequest};
use order_domain::value::id::RefundId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success};
use crate::app::App;
use crate::body::{Body, OrderPath};
use crate::operation::Operation;
use crate::request::{LineBody, Number, Object, RequesterBody, named_lines};
use crate::view::OrderView;

/// Who wants how much back, for what.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    refund_id: String,
    /// Absent means everything that is left.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 999_999_999_999_999_i64)]
    amount: Option<Number>,
    /// The pieces it is for; absent where it is for none in particular.
    #[schema(value_type = Option<Vec<LineBody>>, min_items = 1)]
    lines: Option<Vec<Object<LineBody>>>,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    reason: String,
    #[serde(default)]
    requested_by: RequesterBody,
}

impl TryFrom<RefundBody> for RefundRequest {
    type Error = Refusal;

    fn try_from(body: RefundBody) -> Result<Self, Refusal> {
        Ok(Self {
            refund_id: body.refund_id.parse()?,
            amount: body.amount.map(|number| number.amount("amount")).transpose()?,
            lines: named_lines(body.lines)?,
            reason: body.reason,
            requested_by: body.requested_by.into(),
        })
    }
}

/// Somebody wants money back.
#[utoipa::path(post, path = "/orders/{orderId}/request-refund", tag = "refunds", params(OrderPath), request_body = RefundBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn request_refund(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<RefundBody>,
) -> Answer {
    let request = RefundRequest::try_from(value)?;
    app.moved(&path.order_id, |order| order.request_refund(request, &context)).await
}

/// Which refund.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundIdBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    refund_id: String,
}

/// The Payment Service has started a refund.
#[utoipa::path(post, path = "/orders/{orderId}/initiate-refund", tag = "refunds", params(OrderPath), request_body = RefundIdBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn initiate_refund(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<RefundIdBody>,
) -> Answer {
    let refund_id: RefundId = value.refund_id.parse()?;
    let fact = OrderFact::RefundInitiated { refund_id, amount: None, currency: None };
    app.heard(&path.order_id, &fact, &context).await
}

/// The Payment Service has completed a refund.
#[utoipa::path(post, path = "/orders/{orderId}/complete-refund", tag = "refunds", params(OrderPath), request_body = RefundIdBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn complete_refund(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<RefundIdBody>,
) -> Answer {
    let refund_id: RefundId = value.refund_id.parse()?;
    let fact = OrderFact::RefundProcessed { refund_id, amount: None, currency: None };
    app.heard(&path.order_id, &fact, &context).await
}
