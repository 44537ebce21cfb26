//! Placing an order.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use order_domain::client::inventory::AllocationRecord;
use order_domain::client::{Deadline, Scope};
use order_domain::order::{AllocationMode, Item, NewOrder};
use order_domain::value::id::{OrderId, OrderNumber, UserId};
use order_domain::{Amount, Context, Decision, Order, Refusal};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::answer::{Answer, Success, replayed, with};
use crate::app::App;
use crate::body::Body;
use crate::checkout;
use crate::neighbours::Neighbours;
use crate::operation::{IdempotencyKey, Operation};
use crate::problem::Problem;
use crate::request::{AddressBody, AllocationBody, ConfirmationBody, CustomerBody, ItemBody, Number, Object};
use crate::reserve;
use crate::store::{Beside, NewRequest, StoreError};
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

/// Places an order, after the services that have an address were asked about its products, its customer and its stock. One that is away
/// keeps nobody from ordering: the order is flagged for review. The same key with the same body, byte for byte, answers with the same order as it is now (200); with
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
    Extension(deadline): Extension<Deadline>,
    Body { value, bytes }: Body<PlaceBody>,
) -> Answer {
    let request = NewRequest { key: &key, bytes: &bytes };
    if let Some(order) = app.store.placed_before(&request).await? {
        return Ok(replayed(&OrderView::from(&order)));
    }
    let numbered = app.store.next_number().await?;
    let new = value.order(numbered.name.clone())?;
    // What no order can be is refused before anybody is asked.
    let decision = Order::place(new.clone(), &context)?;
    let scope = Scope::of(&context, deadline).or_correlated(decision.order.id().as_str());
    let asked = ask(&app.neighbours, new, decision, &context, &scope).await?;
    let placed = app.store.place(&request, &numbered, asked.decision, &asked.beside).await;
    let is_placed =
        matches!(&placed, Ok(placed) if !placed.replayed) || matches!(&placed, Err(StoreError::OutcomeUnknown(_)));
    if let Some(inventory) = app.neighbours.inventory.as_ref().filter(|_| !is_placed) {
        reserve::give_back(inventory, &asked.records, &scope).await;
    }
    let placed = placed?;
    let view = OrderView::from(&placed.order);
    if placed.replayed {
        return Ok(replayed(&view));
    }
    let location = format!("/orders/{}", placed.order.id());
    Ok(([(header::LOCATION, location)], with(StatusCode::CREATED, &view)).into_response())
}

/// An order that may be placed, after other services were asked.
struct Asked {
    decision: Decision,
    beside: Beside,
    /// What is reserved for it.
    records: Vec<AllocationRecord>,
}

/// Asks the services that have an address, and decides anew where the answer changes how the order is told.
async fn ask(
    neighbours: &Neighbours,
    new: NewOrder,
    decision: Decision,
    context: &Context,
    scope: &Scope,
) -> Result<Asked, Problem> {
    let items: Vec<&Item> = decision.order.lines().iter().map(|line| &line.item).collect();
    let inventory = neighbours.inventory.as_ref().filter(|_| new.allocation == AllocationMode::Synchronous);
    let user_id = &decision.order.customer().id;
    let mut reviews = checkout::check(neighbours, &items, user_id, inventory.is_some(), scope).await?;
    let Some(inventory) = inventory else {
        let beside = Beside { states: Vec::new(), reviews };
        return Ok(Asked { decision, beside, records: Vec::new() });
    };
    let reserved = reserve::reserve(inventory, &decision.order, scope).await?;
    reviews.extend(reserved.reviews);
    let decision = match reserved.mode {
        AllocationMode::Synchronous => decision,
        AllocationMode::Event => Order::place(NewOrder { allocation: AllocationMode::Event, ..new }, context)?,
    };
    Ok(Asked { decision, beside: Beside { states: reserved.states, reviews }, records: reserved.records })
}
