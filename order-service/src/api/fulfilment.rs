//! Goods that leave and arrive, at once or in parts.

use axum::extract::State;
use order_domain::order::{OrderFact, Shipment};
use order_domain::value::timestamp::Timestamp;
use order_domain::{Invalid, Refusal};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success};
use crate::app::App;
use crate::body::{Body, OrderPath, foreign};
use crate::operation::Operation;
use crate::request::{LineBody, Object, lines, named_lines};
use crate::view::OrderView;

/// Picking and packing starts. Needs no body.
#[utoipa::path(post, path = "/orders/{orderId}/process", tag = "fulfilment", params(OrderPath), responses((status = 200, body = Success<OrderView>)))]
pub async fn process(State(app): State<App>, path: OrderPath, Operation(context): Operation) -> Answer {
    app.moved(&path.order_id, |order| order.start_processing(&context)).await
}

/// A parcel that leaves.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShipBody {
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    shipment_id: String,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    carrier: String,
    /// What is in it; absent means everything that is left.
    #[schema(value_type = Option<Vec<LineBody>>, min_items = 1)]
    lines: Option<Vec<Object<LineBody>>>,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    tracking_number: Option<String>,
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    tracking_url: Option<String>,
    /// RFC 3339.
    #[schema(format = DateTime)]
    estimated_delivery: Option<String>,
}

impl TryFrom<ShipBody> for Shipment {
    type Error = Refusal;

    fn try_from(body: ShipBody) -> Result<Self, Refusal> {
        Ok(Self {
            shipment_id: body.shipment_id.parse()?,
            lines: named_lines(body.lines)?,
            carrier: body.carrier,
            tracking_number: body.tracking_number,
            tracking_url: body.tracking_url,
            estimated_delivery: time(body.estimated_delivery)?,
        })
    }
}

fn time(text: Option<String>) -> Result<Option<Timestamp>, Invalid> {
    let malformed = |_| Invalid::Malformed { field: "estimatedDelivery", expected: "an RFC 3339 time" };
    text.map(|text| text.parse()).transpose().map_err(malformed)
}

/// A parcel leaves; the order is shipped once everything has left.
#[utoipa::path(post, path = "/orders/{orderId}/ship", tag = "fulfilment", params(OrderPath), request_body = ShipBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn ship(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<ShipBody>,
) -> Answer {
    let shipment = Shipment::try_from(value)?;
    app.moved(&path.order_id, |order| order.ship(shipment, &context)).await
}

/// That it is late, and why.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DelayBody {
    #[schema(min_length = 1, max_length = 1024, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    reason: String,
    /// RFC 3339.
    #[schema(format = DateTime)]
    estimated_delivery: Option<String>,
}

/// The carrier is late.
#[utoipa::path(post, path = "/orders/{orderId}/report-delay", tag = "fulfilment", params(OrderPath), request_body = DelayBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn report_delay(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<DelayBody>,
) -> Answer {
    let estimated = time(value.estimated_delivery)?;
    let fact = OrderFact::Delayed { reason: foreign("reason", value.reason)?, estimated_delivery: estimated };
    app.heard(&path.order_id, &fact, &context).await
}

/// What has arrived.
#[derive(Deserialize, ToSchema)]
pub struct DeliverBody {
    /// Absent means everything that has left.
    #[schema(value_type = Option<Vec<LineBody>>, min_items = 1)]
    lines: Option<Vec<Object<LineBody>>>,
}

/// Goods arrived; the order is delivered once everything has arrived.
#[utoipa::path(post, path = "/orders/{orderId}/deliver", tag = "fulfilment", params(OrderPath), request_body = DeliverBody, responses((status = 200, body = Success<OrderView>)))]
pub async fn deliver(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<DeliverBody>,
) -> Answer {
    let lines = lines(value.lines)?;
    app.heard(&path.order_id, &OrderFact::Delivered(lines), &context).await
}
