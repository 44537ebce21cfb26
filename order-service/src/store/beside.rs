//! What stands beside an order: what Inventory and the Notification Service have told of it, and why a person should look at it. Read
//! for answers; nothing here locks.

use std::collections::BTreeMap;

use order_domain::inbound::inventory::ItemState;
use order_domain::inbound::notification::{ChannelState, Channels};
use order_domain::notification::Channel;
use order_domain::value::id::{OrderId, OrderItemId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{Store, StoreError, allocations, not_found, order, parsed};

const READ_ORDER: &str = include_str!("../../sql/read_order.sql");
const REVIEWS: &str = include_str!("../../sql/list_reviews.sql");
const NOTIFICATIONS: &str = include_str!("../../sql/list_notifications.sql");
const STATES: &str = include_str!("../../sql/list_notification_states.sql");

/// An order with what stands beside it, as of one moment.
pub struct Whole {
    pub order: order_domain::Order,
    pub allocations: BTreeMap<OrderItemId, ItemState>,
    pub notifications: Vec<Notification>,
    pub reviews: Vec<RaisedReview>,
}

/// A notification that was asked for, or that was reported without.
pub struct Notification {
    pub notification_id: String,
    pub notification_type: String,
    pub channels: Channels,
    /// Absent where this service did not ask.
    pub request: Option<NotificationAsked>,
}

/// What this service has asked for.
pub struct NotificationAsked {
    pub idempotency_key: String,
    pub is_fallback: bool,
    pub requested_at: String,
}

/// Why a person should look.
pub struct RaisedReview {
    pub reason: String,
    pub subject: String,
    pub message: String,
    pub raised_at: String,
}

impl Store {
    /// The order of that id, with what stands beside it.
    pub async fn whole(&self, id: &OrderId) -> Result<Whole, StoreError> {
        let mut client = self.client().await?;
        let snapshot = client.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
        let transaction = snapshot.read_only(true).start().await?;
        let parameters = [(&id.as_str() as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT)];
        let row = transaction.query_typed(READ_ORDER, &parameters).await?.pop().ok_or_else(|| not_found(id))?;
        let reviews = transaction.query_typed(REVIEWS, &parameters).await?;
        let asked = transaction.query_typed(NOTIFICATIONS, &parameters).await?;
        let states = transaction.query_typed(STATES, &parameters).await?;
        let allocations = allocations::of(&transaction, id).await?;
        transaction.commit().await?;
        Ok(Whole {
            order: order(&row)?,
            allocations,
            notifications: notifications(&asked, &states)?,
            reviews: reviews.iter().map(review).collect::<Result<_, _>>()?,
        })
    }
}

/// Those that were asked for, in that order, then those that were reported without.
fn notifications(asked: &[Row], states: &[Row]) -> Result<Vec<Notification>, StoreError> {
    let mut found: Vec<Notification> = asked.iter().map(requested).collect::<Result<_, _>>()?;
    for row in states {
        let (notification_id, channel): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let state: ChannelState = parsed(row, 3)?;
        let at = found.iter().position(|notification| notification.notification_id == notification_id);
        let at = match at {
            Some(at) => at,
            None => {
                let (notification_type, channels) = (row.try_get(2)?, Channels::new());
                found.push(Notification { notification_id, notification_type, channels, request: None });
                found.len() - 1
            }
        };
        found[at].channels.insert(named(channel)?, state);
    }
    Ok(found)
}

fn requested(row: &Row) -> Result<Notification, StoreError> {
    let channels: Vec<String> = row.try_get(2)?;
    let channels = channels.into_iter().map(|channel| Ok((named(channel)?, ChannelState::requested())));
    Ok(Notification {
        notification_id: row.try_get(0)?,
        notification_type: row.try_get(1)?,
        channels: channels.collect::<Result<_, StoreError>>()?,
        request: Some(NotificationAsked {
            idempotency_key: row.try_get(3)?,
            is_fallback: row.try_get(4)?,
            requested_at: row.try_get(5)?,
        }),
    })
}

fn named(channel: String) -> Result<Channel, StoreError> {
    Channel::new(channel).map_err(|e| StoreError::Broken(e.into()))
}

fn review(row: &Row) -> Result<RaisedReview, StoreError> {
    Ok(RaisedReview {
        reason: row.try_get(0)?,
        subject: row.try_get(1)?,
        message: row.try_get(2)?,
        raised_at: row.try_get(3)?,
    })
}
