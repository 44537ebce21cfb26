//! Sending delivered goods back.

use serde::{Deserialize, Serialize};

use super::draft::{Decision, Draft};
use super::{LineQuantity, Lines, Order, Status};
use crate::event::{OrderPart, OrderReturnApprovedEvent, OrderReturnInitiatedEvent, Payload, about};
use crate::value::id::ReturnId;
use crate::value::text::{TEXT_BYTES_MAX, check};
use crate::{Context, Refusal};

/// What the customer wants to send back, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnRequest {
    /// Names the return.
    pub return_id: ReturnId,
    /// What comes back.
    pub lines: Lines,
    /// Why.
    pub reason: String,
}

/// A return of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Return {
    /// Names it.
    pub return_id: ReturnId,
    /// What comes back.
    pub lines: Vec<LineQuantity>,
}

impl Order {
    /// The customer asks to send delivered goods back.
    pub fn initiate_return(&self, request: ReturnRequest, context: &Context) -> Result<Decision, Refusal> {
        check("reason", &request.reason, TEXT_BYTES_MAX)?;
        let mut draft = Draft::of(self, context);
        draft.move_to(Status::ReturnInitiated, "be returned", Some(&request.reason))?;
        let lines = request.lines.pick(&self.lines, |line| line.delivered)?;
        let payload = about!(
            draft.order,
            OrderReturnInitiatedEvent {
                return_id: request.return_id.clone(),
                return_items: OrderPart::all(&draft.order, &lines),
                reason: request.reason,
                initiated_at: context.occurred_at,
            }
        );
        draft.order.returned = Some(Return { return_id: request.return_id, lines });
        draft.emit(Payload::OrderReturnInitiated(payload));
        Ok(draft.done())
    }

    /// The return may come.
    pub fn approve_return(&self, context: &Context) -> Result<Decision, Refusal> {
        let mut draft = Draft::of(self, context);
        draft.move_to(Status::ReturnApproved, "have its return approved", None)?;
        let returned = self.returned.clone().expect("an order whose return was initiated has one");
        let payload = about!(draft.order, OrderReturnApprovedEvent with customer {
            return_id: returned.return_id,
            return_items: OrderPart::all(&draft.order, &returned.lines),
            approved_at: context.occurred_at,
        });
        draft.emit(Payload::OrderReturnApproved(payload));
        Ok(draft.done())
    }
}
