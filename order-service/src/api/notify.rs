//! Asking the Notification Service to tell a customer something, and showing what became of it.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use order_domain::Refusal;
use order_domain::notification::{Channel, CustomNotification, NotificationType, TemplateData};
use order_domain::value::id::{NotificationId, OrderId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::answer::{Answer, Success, ok, replayed, with};
use crate::app::App;
use crate::body::{Body, OrderPath};
use crate::operation::Operation;
use crate::problem::Problem;
use crate::request::PriorityBody;
use crate::store::{Notification, NotificationRequest, Requested};
use crate::view_beside::NotificationView;

/// A notification of an order, and what became of it by each channel.
#[utoipa::path(get, path = "/orders/{orderId}/notifications/{notificationId}", tag = "notifications", params(NotificationPath), responses((status = 200, body = Success<NotificationView>)))]
pub async fn notification(State(app): State<App>, path: NotificationPath) -> Answer {
    let whole = app.store.whole(&path.order_id).await?;
    let is_meant = |notification: &&Notification| notification.notification_id == path.notification_id.as_str();
    let found = whole.notifications.iter().find(is_meant);
    let found = found.ok_or_else(|| Problem::notification(&path.notification_id))?;
    Ok(ok(&NotificationView::from(found)))
}

/// The notification that the path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct NotificationPath {
    /// Names the order; at most 255 bytes.
    #[param(rename = "orderId", value_type = String, min_length = 1, max_length = 255)]
    order_id: OrderId,
    /// Names the notification; at most 255 bytes.
    #[param(rename = "notificationId", value_type = String, min_length = 1, max_length = 255)]
    notification_id: NotificationId,
}

impl<S: Send + Sync> FromRequestParts<S> for NotificationPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<(String, String)>, PathRejection> = Path::from_request_parts(parts, state).await;
        let (order_id, notification_id) = path?.0;
        Ok(Self { order_id: OrderId::new(order_id)?, notification_id: NotificationId::new(notification_id)? })
    }
}

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
pub struct NotifyView {
    notification_id: String,
    order_id: String,
    idempotency_key: String,
    /// `REQUESTED`.
    status: &'static str,
}

/// Asks to tell the customer something. 202: the request is in the outbox, and is sent from there. The same key with the same
/// body, byte for byte, answers with the first notification and sends nothing (200); a key that was used for another request or
/// another order is refused (409).
#[utoipa::path(
    post, path = "/orders/{orderId}/notifications", tag = "notifications", params(OrderPath), request_body = NotifyBody,
    responses(
        (status = 202, body = Success<NotifyView>),
        (status = 200, body = Success<NotifyView>, description = "It was asked for before."),
    )
)]
pub async fn notify(
    State(app): State<App>,
    path: OrderPath,
    Operation(context): Operation,
    Body { value, bytes }: Body<NotifyBody>,
) -> Answer {
    let key = value.idempotency_key.clone();
    let asked = key.as_deref().map(|key| NotificationRequest { key, bytes: &bytes });
    let request = CustomNotification::try_from(value)?;
    let Requested { notification_id, idempotency_key, was_there } =
        app.store.notify(&path.order_id, asked, |order| order.notify(request, &context)).await?;
    let order_id = path.order_id.to_string();
    let view = NotifyView { notification_id, order_id, idempotency_key, status: "REQUESTED" };
    if was_there {
        return Ok(replayed(&view));
    }
    Ok(with(StatusCode::ACCEPTED, &view))
}
