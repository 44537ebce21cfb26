//! Placing an order.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use order_domain::order::NewOrder;
use order_domain::value::id::{OrderId, OrderNumber, UserId};
use order_domain::{Amount, Order, Refusal};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success, replayed, with};
use crate::app::App;
use crate::body::Body;
use crate::operation::{IdempotencyKey, Operation};
use crate::request::{AddressBody, AllocationBody, ConfirmationBody, CustomerBody, ItemBody, Number, Object};
use crate::store::NewRequest;
use crate::view::OrderView;

/// What a customer orders.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "userId": "user-xyz-789",
    "customerDetails": { "name": "John Doe", "email": "john.doe@example.com" },
    "shippingAddress": { "line1": "123 Main St", "city": "Anytown", "postalCode": "12345", "country": "US" },
    "currency": "USD",
    "items": [{ "productId": "prod-456", "productName": "Desk Chair", "quantity": 2, "unitPrice": 99.99 }],
    "tax": 12.5
}))]
pub struct PlaceBody {
    /// The account.
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    user_id: String,
    #[schema(value_type = CustomerBody)]
    customer_details: Object<CustomerBody>,
    #[schema(value_type = AddressBody)]
    shipping_address: Object<AddressBody>,
    /// ISO 4217.
    currency: String,
    #[schema(value_type = Vec<ItemBody>, min_items = 1, max_items = 1000)]
    items: Vec<Object<ItemBody>>,
    /// 0 where it is absent.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 999_999_999_999_999_i64)]
    tax: Option<Number>,
    /// 0 where it is absent.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 999_999_999_999_999_i64)]
    shipping: Option<Number>,
    #[serde(default)]
    allocation: AllocationBody,
    #[serde(default)]
    confirmation: ConfirmationBody,
}

impl PlaceBody {
    fn order(self, order_number: OrderNumber) -> Result<NewOrder, Refusal> {
        let amount = |number: Option<Number>, field| number.map_or(Ok(Amount::ZERO), |number| number.amount(field));
        let items: Result<_, _> = self.items.into_iter().map(|Object(item)| item.item()).collect();
        Ok(NewOrder {
            id: OrderId::new(uuid::Uuid::now_v7().to_string())?,
            order_number,
            customer: self.customer_details.0.of(UserId::new(self.user_id)?)?,
            shipping_address: self.shipping_address.0.into(),
            currency: self.currency.parse()?,
            items: items?,
            tax: amount(self.tax, "tax")?,
            shipping: amount(self.shipping, "shipping")?,
            allocation: self.allocation.into(),
            confirmation: self.confirmation.into(),
        })
    }
}

/// Places an order. The same key with the same body, byte for byte, answers with the same order as it is now (200); with
/// another body it is refused (409).
#[utoipa::path(
    post, path = "/orders", tag = "orders", request_body = PlaceBody,
    params(("Idempotency-Key" = String, Header, description = "The same for every try to place this order.",
            pattern = "^[!-~]+$", min_length = 1, max_length = 255)),
    responses(
        (status = 201, body = Success<OrderView>, headers(("location" = String, description = "The order's path."))),
        (status = 200, body = Success<OrderView>, description = "It was placed before."),
    )
)]
pub async fn place(
    State(app): State<App>,
    IdempotencyKey(key): IdempotencyKey,
    Operation(context): Operation,
    Body { value, bytes }: Body<PlaceBody>,
) -> Answer {
    let request = NewRequest { key: &key, bytes: &bytes };
    let placed = app.store.place(&request, |number| Order::place(value.order(number)?, &context)).await?;
    let view = OrderView::from(&placed.order);
    if placed.replayed {
        return Ok(replayed(&view));
    }
    let location = format!("/orders/{}", placed.order.id());
    Ok(([(header::LOCATION, location)], with(StatusCode::CREATED, &view)).into_response())
}
