//! Changing an order's details, cancelling it, and telling its customer something.

use super::draft::{Decision, Draft};
use super::{Address, Customer, Order, Status};
use crate::event::{
    ChangedField, OrderCancelledEvent, OrderCancelledForInventoryEvent, OrderUpdatedEvent, Payload, about,
};
use crate::notification::{self, CustomNotification};
use crate::value::text::{TEXT_BYTES_MAX, check};
use crate::{Context, Invalid, Refusal};

/// The details to change; what is absent stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update {
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// How the customer is addressed and reached. The account cannot change.
    pub customer: Option<Customer>,
}

impl Order {
    /// Changes details of an order that is not processed yet.
    pub fn update(&self, update: Update, context: &Context) -> Result<Decision, Refusal> {
        let before = [Status::PendingPayment, Status::PaymentFailed, Status::Confirmed];
        self.require(&before, "be updated")?;
        let mut draft = Draft::of(self, context);
        let mut changes = Vec::new();
        if let Some(address) = update.shipping_address.filter(|address| *address != self.shipping_address) {
            address.check()?;
            draft.order.shipping_address = address;
            changes.push(ChangedField::ShippingAddress);
        }
        if let Some(customer) = update.customer.filter(|customer| *customer != self.customer) {
            customer.check()?;
            if customer.id != self.customer.id {
                let expected = "the account that the order belongs to";
                return Err(Invalid::Malformed { field: "userId", expected }.into());
            }
            draft.order.customer = customer;
            changes.push(ChangedField::CustomerDetails);
        }
        if changes.is_empty() {
            return Err(Refusal::NothingToChange);
        }
        let payload = about!(draft.order, OrderUpdatedEvent with customer {
            changes: changes,
            shipping_address: (&draft.order.shipping_address).into(),
            updated_at: context.occurred_at,
        });
        draft.emit(Payload::OrderUpdated(payload));
        Ok(draft.done())
    }

    /// Cancels an order while nothing of it has left. What was paid and not refunded yet is asked back.
    pub fn cancel(&self, reason: &str, context: &Context) -> Result<Decision, Refusal> {
        check("reason", reason, TEXT_BYTES_MAX)?;
        let previous_status = self.status;
        let mut draft = Draft::of(self, context);
        draft.move_to(Status::Cancelled, "be cancelled", Some(reason))?;
        if self.is_partly_shipped() {
            return Err(Refusal::PartlyShipped);
        }
        let refundable = self.refundable();
        let payload = about!(draft.order, OrderCancelledEvent with customer {
            previous_status: previous_status,
            reason: reason.to_owned(),
            refund_requested: !refundable.is_zero(),
            cancelled_at: context.occurred_at,
        });
        draft.emit(Payload::OrderCancelled(payload));
        let for_inventory = OrderCancelledForInventoryEvent::new(&draft.order, context.occurred_at);
        draft.emit(Payload::OrderCancelledForInventory(for_inventory));
        draft.push(notification::order_cancellation(&draft.order, &draft.order.customer, reason, context));
        if !refundable.is_zero() {
            draft.refund_cancelled(refundable, reason)?;
        }
        Ok(draft.done())
    }

    /// Asks the Notification Service to tell the customer something, whatever the order's status.
    pub fn notify(&self, request: CustomNotification, context: &Context) -> Result<Decision, Refusal> {
        let mut draft = Draft::of(self, context);
        draft.push(notification::custom(&draft.order, &self.customer, request, context)?);
        Ok(draft.done())
    }
}
