//! Placing an order.

use serde::{Deserialize, Serialize};

use super::draft::{Decision, Draft};
use super::record::RecordVersion;
use super::{Address, Customer, Item, Line, Order, Status, Totals};
use crate::event::{OrderCreatedEvent, OrderCreatedForInventoryEvent, OrderPlacedForAnalyticsEvent, Payload, about};
use crate::notification;
use crate::value::amount::Amount;
use crate::value::currency::Currency;
use crate::value::id::{OrderId, OrderNumber};
use crate::value::text::{TEXT_BYTES_MAX, check};
use crate::{Context, Invalid, Refusal};

/// An order of more lines is a mistake, or an attack.
pub const LINES_MAX: usize = 1000;

/// How stock is reserved. One way for each order, or it would be reserved twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AllocationMode {
    /// Inventory allocates when it hears of the order.
    #[default]
    Event,
    /// The order service has asked Inventory before it placed the order.
    Synchronous,
}

/// When the customer gets the confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConfirmationTrigger {
    /// Once the order is placed.
    #[default]
    Placed,
    /// Once it is paid.
    Paid,
}

/// What a customer orders.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOrder {
    /// Names the order from now on.
    pub id: OrderId,
    /// The number for the customer.
    pub order_number: OrderNumber,
    /// Who orders.
    pub customer: Customer,
    /// Where it goes.
    pub shipping_address: Address,
    /// Of every amount.
    pub currency: Currency,
    /// 1 to 1000 lines.
    pub items: Vec<Item>,
    /// Tax on all of it.
    pub tax: Amount,
    /// Shipping.
    pub shipping: Amount,
    /// How stock is reserved.
    pub allocation: AllocationMode,
    /// When the customer gets the confirmation.
    pub confirmation: ConfirmationTrigger,
}

impl Order {
    /// Places an order: awaiting payment, or confirmed where there is nothing to pay.
    pub fn place(new: NewOrder, context: &Context) -> Result<Decision, Refusal> {
        check_new(&new)?;
        let totals = total(new.items.iter(), new.tax, new.shipping)?;
        let is_free = totals.total.is_zero();
        let mut draft = Draft::placed(Self::new(new, totals, context), context);
        draft.emit(created(&draft.order));
        draft.emit(created_for_inventory(&draft.order));
        if is_free {
            draft.emit(draft.order.confirmed(context));
        }
        draft.emit(placed_for_analytics(&draft.order));
        if is_free || draft.order.confirmation == ConfirmationTrigger::Placed {
            draft.push(notification::order_confirmation(&draft.order, &draft.order.customer, context));
        }
        Ok(draft.done())
    }

    fn new(new: NewOrder, totals: Totals, context: &Context) -> Self {
        Self {
            record_version: RecordVersion,
            id: new.id,
            order_number: new.order_number,
            version: 1,
            status: if totals.total.is_zero() { Status::Confirmed } else { Status::PendingPayment },
            customer: new.customer,
            shipping_address: new.shipping_address,
            currency: new.currency,
            lines: new.items.into_iter().map(Line::new).collect(),
            totals,
            paid: false,
            payments: Vec::new(),
            shipments: Vec::new(),
            delivery_delayed: false,
            returned: None,
            refunds: Vec::new(),
            allocation: new.allocation,
            confirmation: new.confirmation,
            created_at: context.occurred_at,
        }
    }
}

fn check_new(new: &NewOrder) -> Result<(), Refusal> {
    new.customer.check()?;
    new.shipping_address.check()?;
    let lines = new.items.len();
    if !(1..=LINES_MAX).contains(&lines) {
        return Err(Refusal::LineCount { lines, lines_max: LINES_MAX });
    }
    let mut seen = std::collections::HashSet::new();
    for item in &new.items {
        check("productName", &item.product_name, TEXT_BYTES_MAX)?;
        item.unit_price.check_for(new.currency)?;
        if !seen.insert(&item.order_item_id) {
            return Err(Refusal::DuplicateItem { order_item_id: item.order_item_id.clone() });
        }
    }
    new.tax.check_for(new.currency)?;
    new.shipping.check_for(new.currency)?;
    Ok(())
}

/// What an order of `items` costs.
pub(super) fn total<'a>(
    items: impl Iterator<Item = &'a Item>,
    tax: Amount,
    shipping: Amount,
) -> Result<Totals, Invalid> {
    let mut subtotal = Amount::ZERO;
    for item in items {
        subtotal = subtotal.plus(item.unit_price.times(item.quantity)?)?;
    }
    Ok(Totals { subtotal, tax, shipping, total: subtotal.plus(tax)?.plus(shipping)? })
}

fn created(order: &Order) -> Payload {
    Payload::OrderCreated(OrderCreatedEvent {
        order_id: order.id.clone(),
        order_number: order.order_number.clone(),
        user_id: order.customer.id.clone(),
        order_date: order.created_at,
        status: order.status,
        total_amount: order.totals.total,
        currency: order.currency,
        item_count: order.line_count(),
        subtotal: order.totals.subtotal,
        tax: order.totals.tax,
        shipping: order.totals.shipping,
        requires_pre_allocation: order.allocation == AllocationMode::Event,
        customer_details: (&order.customer).into(),
        shipping_address: (&order.shipping_address).into(),
        items: crate::event::OrderLine::all(order),
        idempotency_key: notification::confirmation_key(order),
        timestamp: order.created_at,
    })
}

fn created_for_inventory(order: &Order) -> Payload {
    let requires_pre_allocation = order.allocation == AllocationMode::Event;
    Payload::OrderCreatedForInventory(OrderCreatedForInventoryEvent::new(order, requires_pre_allocation))
}

fn placed_for_analytics(order: &Order) -> Payload {
    Payload::OrderPlacedForAnalytics(about!(
        order,
        OrderPlacedForAnalyticsEvent {
            order_date: order.created_at,
            total_amount: order.totals.total,
            currency: order.currency,
            item_count: order.line_count(),
            subtotal: order.totals.subtotal,
            tax: order.totals.tax,
            shipping: order.totals.shipping,
        }
    ))
}

impl Order {
    fn line_count(&self) -> u32 {
        u32::try_from(self.lines.len()).expect("an order has at most 1000 lines")
    }
}
