//! Goods that leave and arrive, all at once or in parts.

use super::draft::{Decision, Draft};
use super::{Line, LineQuantity, Lines, Order, Status};
use crate::event::{OrderDeliveredEvent, OrderDeliveryDelayedEvent, OrderPart, OrderShippedEvent, Payload, about};
use crate::notification;
use crate::value::id::ShipmentId;
use crate::value::text::{TEXT_BYTES_MAX, check, check_optional};
use crate::value::timestamp::Timestamp;
use crate::{Context, Refusal};

const SHIPMENTS_MAX: usize = 1000;

/// A parcel that leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Shipment {
    /// Names it.
    pub shipment_id: ShipmentId,
    /// What is in it. A command that is given no line takes everything that is left.
    pub lines: Vec<LineQuantity>,
    /// Who carries it.
    pub carrier: String,
    /// By what number the carrier knows it.
    pub tracking_number: Option<String>,
    /// Where the customer can follow it.
    pub tracking_url: Option<String>,
    /// When it should arrive.
    pub estimated_delivery: Option<Timestamp>,
}

impl Shipment {
    /// Everything that is left, with a carrier; the rest can be set on the fields.
    pub fn of_the_rest(shipment_id: ShipmentId, carrier: impl Into<String>) -> Self {
        Self {
            shipment_id,
            lines: Vec::new(),
            carrier: carrier.into(),
            tracking_number: None,
            tracking_url: None,
            estimated_delivery: None,
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        check("carrier", &self.carrier, TEXT_BYTES_MAX)?;
        check_optional("trackingNumber", self.tracking_number.as_deref(), TEXT_BYTES_MAX)?;
        check_optional("trackingUrl", self.tracking_url.as_deref(), TEXT_BYTES_MAX)?;
        Ok(())
    }
}

impl Order {
    /// Picking and packing starts.
    pub fn start_processing(&self, context: &Context) -> Result<Decision, Refusal> {
        let mut draft = Draft::of(self, context);
        draft.move_to(Status::Processing, "be processed", None)?;
        Ok(draft.done())
    }

    /// A parcel leaves. The order is shipped once everything has left.
    pub fn ship(&self, mut shipment: Shipment, context: &Context) -> Result<Decision, Refusal> {
        shipment.check()?;
        self.require(&[Status::Processing], "be shipped")?;
        let shipment_id = shipment.shipment_id.clone();
        if self.shipments.contains(&shipment_id) {
            return Err(Refusal::DuplicateShipment { shipment_id });
        }
        if self.shipments.len() >= SHIPMENTS_MAX {
            return Err(Refusal::TooMany { what: "shipments of an order", count_max: SHIPMENTS_MAX });
        }
        let wanted = if shipment.lines.is_empty() { Lines::All } else { Lines::Some(shipment.lines) };
        shipment.lines = wanted.pick(&self.lines, |line| line.ordered() - line.shipped)?;

        let mut draft = Draft::of(self, context);
        draft.order.shipments.push(shipment_id);
        draft.order.advance(&shipment.lines, |line, pieces| line.shipped += pieces);
        let partial = !draft.order.is_all_shipped();
        if !partial {
            draft.move_to(Status::Shipped, "be shipped", None)?;
        }
        draft.emit(shipped(&draft.order, &shipment, partial, context));
        draft.push(notification::order_shipped(&draft.order, &draft.order.customer, &shipment, context));
        Ok(draft.done())
    }

    /// The carrier is late with what is under way, whatever else becomes of the order.
    pub fn report_delay(
        &self,
        reason: &str,
        estimated_delivery: Option<Timestamp>,
        context: &Context,
    ) -> Result<Decision, Refusal> {
        check("reason", reason, TEXT_BYTES_MAX)?;
        if !self.is_under_way() {
            return Err(Refusal::IllegalTransition { command: "be delayed", status: self.status });
        }
        let mut draft = Draft::of(self, context);
        draft.order.delivery_delayed = true;
        let payload = about!(draft.order, OrderDeliveryDelayedEvent with customer {
            reason: reason.to_owned(),
            estimated_delivery: estimated_delivery,
            delayed_at: context.occurred_at,
        });
        draft.emit(Payload::OrderDeliveryDelayed(payload));
        Ok(draft.done())
    }

    /// Goods arrived. The order is delivered once everything has arrived; one that is being refunded stays so, and its lines
    /// tell.
    pub fn deliver(&self, lines: &Lines, context: &Context) -> Result<Decision, Refusal> {
        let refunds = [Status::RefundRequested, Status::RefundInitiated, Status::Refunded];
        if !refunds.contains(&self.status) {
            self.require(&[Status::Processing, Status::Shipped], "be delivered")?;
        }
        let picked = lines.pick(&self.lines, |line| line.shipped - line.delivered)?;
        let mut draft = Draft::of(self, context);
        draft.order.advance(&picked, |line, pieces| line.delivered += pieces);
        let partial = !draft.order.is_all_delivered();
        if !partial && self.status == Status::Shipped {
            draft.move_to(Status::Delivered, "be delivered", None)?;
        }
        let payload = about!(draft.order, OrderDeliveredEvent with customer {
            partial: partial,
            delivered_items: OrderPart::all(&draft.order, &picked),
            delivered_at: context.occurred_at,
        });
        draft.emit(Payload::OrderDelivered(payload));
        Ok(draft.done())
    }

    fn advance(&mut self, picked: &[LineQuantity], step: impl Fn(&mut Line, u32)) {
        for part in picked {
            let line = self.lines.iter_mut().find(|line| line.item.order_item_id == part.order_item_id);
            step(line.expect("picked lines are lines of the order"), part.quantity.get());
        }
    }
}

fn shipped(order: &Order, shipment: &Shipment, partial: bool, context: &Context) -> Payload {
    Payload::OrderShipped(about!(order, OrderShippedEvent with customer {
        shipment_id: shipment.shipment_id.clone(),
        partial: partial,
        shipped_items: OrderPart::all(order, &shipment.lines),
        carrier: shipment.carrier.clone(),
        tracking_number: shipment.tracking_number.clone(),
        tracking_url: shipment.tracking_url.clone(),
        estimated_delivery: shipment.estimated_delivery,
        shipping_address: (&order.shipping_address).into(),
        shipped_at: context.occurred_at,
    }))
}
