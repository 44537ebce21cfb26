//! Asking the Notification Service to tell a customer something.

use axum::extract::State;
use axum::http::StatusCode;
use order_domain::event::Payload;
use order_domain::notification::{Channel, CustomNotification, NotificationType, TemplateData};
use order_domain::value::id::OrderId;
use order_domain::{Event, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{Answer, Success, with};
use crate::app::App;
use crate::body::{Body, OrderPath};
use crate::operation::Operation;
use crate::request::PriorityBody;
use crate::store::StoreError;

/// What the customer is to be told.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotifyBody {
    /// Decides the template, such as `CUSTOM`.
    #[serde(rename = "type")]
    #[schema(pattern = "^[A-Z0-9_]{1,64}$")]
    notification_type: String,
    /// Absent means e-mail and text message.
    channels: Option<Vec<String>>,
    #[serde(default)]
    priority: PriorityBody,
    /// What the template is filled in with: an object of at most 64 KiB.
    #[schema(value_type = Object)]
    template_data: Box<RawValue>,
    /// The same for every try to send the same; without one, every request is its own.
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
    idempotency_key: Option<String>,
}

impl TryFrom<NotifyBody> for CustomNotification {
    type Error = Refusal;

    fn try_from(body: NotifyBody) -> Result<Self, Refusal> {
        let channels: Result<_, _> = body.channels.unwrap_or_default().into_iter().map(Channel::new).collect();
        Ok(Self {
            notification_type: NotificationType::new(body.notification_type)?,
            channels: channels?,
            priority: body.priority.into(),
            template_data: TemplateData::from_json(body.template_data.get())?,
            idempotency_key: body.idempotency_key,
        })
    }
}

/// The request that was written; whether it was sent is for the Notification Service to tell.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotifyView<'a> {
    #[schema(value_type = String)]
    notification_id: Uuid,
    order_id: &'a str,
    idempotency_key: &'a str,
    /// `REQUESTED`.
    status: &'static str,
}

/// Asks to tell the customer something. 202: the request is in the outbox, and is sent from there.
#[utoipa::path(post, path = "/orders/{orderId}/notifications", tag = "notifications", params(OrderPath), request_body = NotifyBody, responses((status = 202, body = Success<NotifyView>)))]
pub async fn notify(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, .. }: Body<NotifyBody>,
) -> Answer {
    let request = CustomNotification::try_from(value)?;
    let decision = app.store.change(&path.order_id, |order| order.notify(request, &context)).await?;
    let view = decision.events.iter().find_map(|event| view(&path.order_id, event));
    let view = view.ok_or_else(|| StoreError::Broken("a request for a notification made none".into()))?;
    Ok(with(StatusCode::ACCEPTED, &view))
}

fn view<'a>(order_id: &'a OrderId, event: &'a Event) -> Option<NotifyView<'a>> {
    let Payload::NotificationSendRequested(payload) = event.payload() else { return None };
    Some(NotifyView {
        notification_id: payload.notification_id,
        order_id: order_id.as_str(),
        idempotency_key: event.idempotency_key(),
        status: "REQUESTED",
    })
}
