//! Paying. The Payment Service's answers come in here: they are facts, and not refused.

use axum::extract::State;
use order_domain::order::OrderFact;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success};
use crate::app::App;
use crate::body::{Body, OrderPath, foreign};
use crate::operation::Operation;
use crate::request::Number;
use crate::view::OrderView;

/// Which payment.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    payment_id: String,
}

/// A payment was started.
#[utoipa::path(post, path = "/orders/{orderId}/start-payment", tag = "payment", params(OrderPath), request_body = PaymentBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn start_payment(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<PaymentBody>,
) -> Answer {
    app.moved(&path.order_id, |order| order.start_payment(value.payment_id.parse()?, &context)).await
}

/// What was paid.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaidBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    payment_id: String,
    /// The order's total; another amount is flagged for review.
    #[schema(value_type = f64, minimum = 0, maximum = 999_999_999_999_999_i64)]
    amount: Number,
}

/// The payment was completed: the order is confirmed, if it waits for this payment.
#[utoipa::path(post, path = "/orders/{orderId}/complete-payment", tag = "payment", params(OrderPath), request_body = PaidBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn complete_payment(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<PaidBody>,
) -> Answer {
    let (payment_id, amount) = (value.payment_id.parse()?, value.amount.amount("amount")?);
    let fact = OrderFact::PaymentCompleted { payment_id, amount: Some(amount), currency: None };
    app.heard(&path.order_id, &fact, &context).await
}

/// Which payment failed, and why.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    payment_id: String,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    reason: String,
}

/// The payment failed.
#[utoipa::path(post, path = "/orders/{orderId}/fail-payment", tag = "payment", params(OrderPath), request_body = FailedBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn fail_payment(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<FailedBody>,
) -> Answer {
    let fact =
        OrderFact::PaymentFailed { payment_id: value.payment_id.parse()?, reason: foreign("reason", value.reason)? };
    app.heard(&path.order_id, &fact, &context).await
}

/// The customer wants to try another payment. Needs no body.
#[utoipa::path(post, path = "/orders/{orderId}/retry-payment", tag = "payment", params(OrderPath), responses((status = 200, body = Success<OrderView>)))]
pub async fn retry_payment(State(app): State<App>, path: OrderPath, Operation(context): Operation) -> Answer {
    app.moved(&path.order_id, |order| order.retry_payment(&context)).await
}
