//! Orders as callers see them. Amounts are JSON numbers with the digits that they were given with.

use std::collections::BTreeMap;

use order_domain::inbound::notification::NotificationStatus;
use order_domain::notification::Channel;
use order_domain::order::{Address, Customer, Line, LineQuantity, Refund, RefundState, Return, Status};
use order_domain::value::id::{OrderId, OrderNumber, PaymentId, ShipmentId, UserId};
use order_domain::value::timestamp::Timestamp;
use order_domain::{Amount, Currency, Order};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::Whole;
use crate::view_beside::{self, AllocationView, NotificationStatusView, NotificationView, ReviewView};

/// An order.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderView<'a> {
    #[schema(value_type = String)]
    id: &'a OrderId,
    /// For people, such as `ORD-00000042`.
    #[schema(value_type = String)]
    order_number: &'a OrderNumber,
    /// One more with every command.
    version: u64,
    #[schema(value_type = String)]
    user_id: &'a UserId,
    #[schema(value_type = StatusView)]
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, pattern = "^[A-Z]{3}$")]
    currency: Currency,
    #[schema(value_type = f64, minimum = 0)]
    subtotal: Amount,
    #[schema(value_type = f64, minimum = 0)]
    tax: Amount,
    #[schema(value_type = f64, minimum = 0)]
    shipping: Amount,
    #[schema(value_type = f64, minimum = 0)]
    total_amount: Amount,
    /// Lines, not pieces.
    item_count: usize,
    #[schema(value_type = CustomerView)]
    customer_details: CustomerView<'a>,
    #[schema(value_type = AddressView)]
    shipping_address: &'a Address,
    #[schema(value_type = Vec<ItemView>)]
    items: Vec<ItemView<'a>>,
    /// Whether a payment was completed.
    paid: bool,
    /// The latest payment.
    #[schema(value_type = Option<String>)]
    payment_id: Option<&'a PaymentId>,
    #[schema(value_type = Vec<String>)]
    shipments: &'a [ShipmentId],
    delivery_delayed: bool,
    #[serde(rename = "return")]
    #[schema(value_type = Option<ReturnView>)]
    returned: Option<&'a Return>,
    #[schema(value_type = Vec<RefundView>)]
    refunds: Vec<RefundView<'a>>,
    /// What can still be asked back.
    #[schema(value_type = f64, minimum = 0)]
    refundable: Amount,
    /// By type of notification: `SENT` if any is sent, `FAILED` if some failed for good and none is sent, else `REQUESTED`. Like the
    /// two below only where the order is asked for, not where it is moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = BTreeMap<String, NotificationStatusView>, nullable = false, required = false)]
    notification_status: Option<BTreeMap<&'a str, NotificationStatus>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<NotificationView>, nullable = false, required = false)]
    notifications: Option<Vec<NotificationView<'a>>>,
    /// Why a person should look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<ReviewView>, nullable = false, required = false)]
    reviews: Option<Vec<ReviewView<'a>>>,
}

impl<'a> From<&'a Whole> for OrderView<'a> {
    fn from(whole: &'a Whole) -> Self {
        Self {
            items: ItemView::allocated(whole),
            notification_status: Some(view_beside::by_type(whole)),
            notifications: Some(whole.notifications.iter().map(NotificationView::from).collect()),
            reviews: Some(whole.reviews.iter().map(ReviewView::from).collect()),
            ..Self::from(&whole.order)
        }
    }
}

impl<'a> From<&'a Order> for OrderView<'a> {
    fn from(order: &'a Order) -> Self {
        let totals = order.totals();
        Self {
            id: order.id(),
            order_number: order.order_number(),
            version: order.version(),
            user_id: &order.customer().id,
            status: order.status(),
            created_at: order.created_at(),
            currency: order.currency(),
            subtotal: totals.subtotal,
            tax: totals.tax,
            shipping: totals.shipping,
            total_amount: totals.total,
            item_count: order.lines().len(),
            customer_details: order.customer().into(),
            shipping_address: order.shipping_address(),
            items: ItemView::all(order),
            paid: order.is_paid(),
            payment_id: order.payment_id(),
            shipments: order.shipments(),
            delivery_delayed: order.is_delivery_delayed(),
            returned: order.returned(),
            refunds: order.refunds().iter().map(RefundView::from).collect(),
            refundable: order.refundable(),
            notification_status: None,
            notifications: None,
            reviews: None,
        }
    }
}

/// How far an order has come; `StatusView` for the document only.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "the domain writes the status; this names its values in the document")]
pub enum StatusView {
    PendingPayment,
    PaymentFailed,
    Confirmed,
    Processing,
    Shipped,
    Delivered,
    ReturnInitiated,
    ReturnApproved,
    Cancelled,
    RefundRequested,
    RefundInitiated,
    Refunded,
}

/// Who ordered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerView<'a> {
    name: &'a str,
    email: &'a str,
    phone: Option<&'a str>,
    preferred_language: Option<&'a str>,
    preferred_channel: Option<&'a str>,
}

impl<'a> From<&'a Customer> for CustomerView<'a> {
    fn from(customer: &'a Customer) -> Self {
        Self {
            name: customer.name.reveal(),
            email: customer.email.reveal(),
            phone: customer.phone.as_ref().map(|phone| phone.reveal()),
            preferred_language: customer.preferred_language.as_deref(),
            preferred_channel: customer.preferred_channel.as_ref().map(Channel::as_str),
        }
    }
}

/// Where it goes; the domain's own form, described.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressView {
    line1: String,
    #[schema(nullable = false)]
    line2: Option<String>,
    city: String,
    #[schema(nullable = false)]
    state: Option<String>,
    postal_code: String,
    #[schema(pattern = "^[A-Z]{2}$")]
    country: String,
}

/// A line, and how far it has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemView<'a> {
    order_item_id: &'a str,
    product_id: &'a str,
    variant_id: Option<&'a str>,
    inventory_item_id: Option<&'a str>,
    product_name: &'a str,
    #[schema(minimum = 1)]
    quantity: u32,
    #[schema(value_type = f64, minimum = 0)]
    unit_price: Amount,
    /// Pieces that have left.
    shipped: u32,
    /// Of those, pieces that have arrived.
    delivered: u32,
    /// What Inventory has done for it; only where the order is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = AllocationView, nullable = false, required = false)]
    allocation: Option<AllocationView<'a>>,
}

impl<'a> ItemView<'a> {
    /// The lines of an order.
    pub fn all(order: &'a Order) -> Vec<Self> {
        let view = |Line { item, shipped, delivered }: &'a Line| Self {
            order_item_id: item.order_item_id.as_str(),
            product_id: item.product_id.as_str(),
            variant_id: item.variant_id.as_ref().map(|id| id.as_str()),
            inventory_item_id: item.inventory_item_id.as_ref().map(|id| id.as_str()),
            product_name: &item.product_name,
            quantity: item.quantity.get(),
            unit_price: item.unit_price,
            shipped: *shipped,
            delivered: *delivered,
            allocation: None,
        };
        order.lines().iter().map(view).collect()
    }
}

impl<'a> ItemView<'a> {
    /// The lines of an order with what Inventory has done for them by now.
    pub fn allocated(whole: &'a Whole) -> Vec<Self> {
        let now = Timestamp::now();
        let lines = Self::all(&whole.order).into_iter().zip(whole.order.lines());
        let view = |(view, line): (Self, &'a Line)| {
            let state = whole.allocations.get(&line.item.order_item_id);
            Self { allocation: Some(AllocationView::new(state, now)), ..view }
        };
        lines.map(view).collect()
    }
}

/// So many pieces of a line.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineView {
    order_item_id: String,
    #[schema(minimum = 1)]
    quantity: u32,
}

/// What comes back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnView {
    return_id: String,
    lines: Vec<LineView>,
}

/// Money that goes back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundView<'a> {
    refund_id: &'a str,
    #[schema(value_type = f64, minimum = 0)]
    amount: Amount,
    /// The pieces it is for.
    #[schema(value_type = Vec<LineView>)]
    lines: &'a [LineQuantity],
    #[schema(value_type = RefundStateView)]
    state: RefundState,
}

/// How far a refund has come; for the document only.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "the domain writes the state; this names its values in the document")]
pub enum RefundStateView {
    Requested,
    Initiated,
    Completed,
}

impl<'a> From<&'a Refund> for RefundView<'a> {
    fn from(refund: &'a Refund) -> Self {
        let Refund { refund_id, amount, lines, state } = refund;
        Self { refund_id: refund_id.as_str(), amount: *amount, lines, state: *state }
    }
}
