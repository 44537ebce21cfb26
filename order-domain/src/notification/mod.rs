//! Requests to the Notification Service: what seed 000 section 5 builds, as events for the outbox. The commands of
//! [`Order`] build the usual ones by themselves; a service calls these for a notification that no command asks for.
//!
//! Nothing here fails because the Notification Service is away: the outbox row is the retry queue.

mod fallback;
mod kind;
mod template;

pub use self::fallback::{FALLBACK_CHANNELS, fallback};
pub use self::kind::{Channel, NotificationType, Priority};
pub use self::template::{
    CancellationTemplate, ConfirmationTemplate, ShippedTemplate, TEMPLATE_BYTES_MAX, TemplateAddress, TemplateData,
    TemplateItem,
};
use crate::event::{Aggregate, Event, EventType, NotificationSendRequestedEvent, Payload, Recipient};
use crate::order::{Customer, Order, Shipment};
use crate::{Context, Refusal};

/// Types whose final failure needs a person to look after the customer.
pub const CRITICAL_TYPES: [NotificationType; 2] =
    [NotificationType::ORDER_CONFIRMATION, NotificationType::ORDER_SHIPPED];

/// The language of a customer who prefers none.
pub const DEFAULT_LANGUAGE: &str = "en";

/// The channel that a customer prefers who prefers none.
pub const DEFAULT_CHANNEL: Channel = Channel::EMAIL;

/// A request for whatever somebody wants the customer to know.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomNotification {
    /// What it tells; decides the template.
    pub notification_type: NotificationType,
    /// By which channels; none means by e-mail and text message.
    pub channels: Vec<Channel>,
    /// How urgent it is.
    pub priority: Priority,
    /// What the template is filled in with.
    pub template_data: TemplateData,
    /// The same for every try to send the same notification; without one, every request is its own.
    pub idempotency_key: Option<String>,
}

/// The key of an order's confirmation, whichever event asks for it.
pub fn confirmation_key(order: &Order) -> String {
    format!("ord_{}_confirmation", order.id())
}

/// Asks to confirm the order to the customer.
pub fn order_confirmation(order: &Order, customer: &Customer, context: &Context) -> Event {
    let request = Request {
        notification_type: NotificationType::ORDER_CONFIRMATION,
        channels: Vec::new(),
        priority: Priority::High,
        template_data: TemplateData::of(&ConfirmationTemplate::new(order, &customer.name)),
        idempotency_key: Some(confirmation_key(order)),
    };
    event(order, customer, request, context, Payload::OrderConfirmationNotificationRequested)
}

/// Asks to tell the customer that the order is cancelled.
pub fn order_cancellation(order: &Order, customer: &Customer, reason: &str, context: &Context) -> Event {
    let request = Request {
        notification_type: NotificationType::ORDER_CANCELLATION,
        channels: Vec::new(),
        priority: Priority::High,
        template_data: TemplateData::of(&CancellationTemplate::new(order, &customer.name, reason)),
        idempotency_key: Some(format!("ord_{}_cancellation", order.id())),
    };
    event(order, customer, request, context, Payload::NotificationSendRequested)
}

/// Asks to tell the customer that the order, or a part of it, is on its way.
pub fn order_shipped(order: &Order, customer: &Customer, shipment: &Shipment, context: &Context) -> Event {
    let request = Request {
        notification_type: NotificationType::ORDER_SHIPPED,
        channels: Vec::new(),
        priority: Priority::High,
        template_data: TemplateData::of(&ShippedTemplate::new(order, &customer.name, shipment)),
        idempotency_key: Some(format!("ord_{}_shipped_{}", order.id(), shipment.shipment_id)),
    };
    event(order, customer, request, context, Payload::NotificationSendRequested)
}

/// Asks to tell the customer something of the caller's choice.
pub fn custom(
    order: &Order,
    customer: &Customer,
    request: CustomNotification,
    context: &Context,
) -> Result<Event, Refusal> {
    let key = request.idempotency_key.as_deref();
    crate::value::text::check_optional("idempotencyKey", key, crate::value::id::ID_BYTES_MAX)?;
    Ok(event(order, customer, request, context, Payload::NotificationSendRequested))
}

type Request = CustomNotification;

fn event(
    order: &Order,
    customer: &Customer,
    request: Request,
    context: &Context,
    wrap: fn(NotificationSendRequestedEvent) -> Payload,
) -> Event {
    let notification_id = context.random_id();
    let idempotency_key =
        request.idempotency_key.unwrap_or_else(|| format!("ord_{}_custom_{notification_id}", order.id()));
    let payload = NotificationSendRequestedEvent {
        event_type: EventType::NotificationSendRequested.as_str().to_owned(),
        notification_id,
        order_id: order.id().clone(),
        notification_type: request.notification_type,
        channels: available(request.channels, customer),
        priority: request.priority,
        recipient: recipient(customer),
        template_data: request.template_data,
        idempotency_key: idempotency_key.clone(),
        timestamp: context.occurred_at,
    };
    Event::new(context, Aggregate::Order(order.id().clone()), idempotency_key, wrap(payload))
}

fn recipient(customer: &Customer) -> Recipient {
    let language = customer.preferred_language.as_deref().unwrap_or(DEFAULT_LANGUAGE);
    Recipient {
        user_id: customer.id.clone(),
        email: customer.email.clone(),
        phone: customer.phone.clone(),
        preferred_language: language.to_owned(),
        preferred_channel: customer.preferred_channel.clone().unwrap_or(DEFAULT_CHANNEL),
    }
}

/// The wished channels, or e-mail and text message; without those that cannot reach the customer. E-mail always can.
fn available(wished: Vec<Channel>, customer: &Customer) -> Vec<Channel> {
    let wished = if wished.is_empty() { vec![Channel::EMAIL, Channel::SMS] } else { wished };
    let mut channels = Vec::new();
    for channel in wished {
        let reaches = channel != Channel::SMS || customer.phone.is_some();
        if reaches && !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    if channels.is_empty() { vec![Channel::EMAIL] } else { channels }
}
