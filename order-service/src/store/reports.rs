//! What became of notifications: a state for each channel, beside the order. Where the channels that were asked for have failed for
//! good and another one is left, that one is asked for in the same transaction.

use deadpool_postgres::Transaction;
use order_domain::Context;
use order_domain::event::NotificationSendRequestedEvent;
use order_domain::inbound::notification::{
    ChannelState, Channels, Delivery, NotificationFact, NotificationReport, Requested,
};
use order_domain::inbound::{Dead, DeadReason, Outcome};
use order_domain::notification::Channel;
use tokio_postgres::types::Type;

use super::hear::Effect;
use super::notify::record_fallback;
use super::{Parameter, Store, StoreError, allocations, json, one, parsed, reviews};

const ORDER_EXISTS: &str = include_str!("../../sql/order_exists.sql");
const CHANNELS: &str = include_str!("../../sql/list_channel_states.sql");
const REQUEST: &str = include_str!("../../sql/read_notification.sql");
const WRITE: &str = include_str!("../../sql/write_notification_state.sql");

impl Store {
    /// Writes what the Notification Service tells.
    pub(super) async fn hear_notification(
        &self,
        transaction: &Transaction<'_>,
        fact: &NotificationFact,
        context: &Context,
    ) -> Result<Effect, StoreError> {
        match fact {
            NotificationFact::Report(report) => self.hear_report(transaction, report, context).await,
            NotificationFact::RetriesExhausted(exhausted) => Ok(Effect::of(exhausted.reaction().outcome())),
        }
    }

    async fn hear_report(
        &self,
        transaction: &Transaction<'_>,
        report: &NotificationReport,
        context: &Context,
    ) -> Result<Effect, StoreError> {
        let order_id = &report.order_id;
        let found = one(transaction, ORDER_EXISTS, &[(&order_id.as_str(), Type::TEXT)]).await?;
        let is_there = found.map(|row| row.try_get::<_, bool>(0)).transpose()?.unwrap_or(false);
        if !is_there {
            return Ok(Effect::of(Outcome::Dead(Dead::new(DeadReason::OrderUnknown, "there is no such order"))));
        }
        allocations::lock(transaction, order_id).await?;
        let known = channels(transaction, report).await?;
        let request = request(transaction, report).await?;
        let requested = request.as_ref().map(|(event, is_fallback)| Requested { event, is_fallback: *is_fallback });
        let reaction = report.reaction(&known, requested, context);
        reviews::raise(transaction, order_id, reaction.reviews()).await?;
        let mut effect = Effect::of(reaction.outcome());
        if let Some(change) = reaction.change() {
            for (channel, state) in &change.channels {
                write(transaction, report, channel, state).await?;
            }
            if let Some(event) = &change.fallback {
                // The order's place in the outbox is claimed without a lock on the order: a report does not move it.
                order_domain::postgres::lock(&self.outbox, transaction, event.aggregate()).await?;
                record_fallback(transaction, event).await?;
                effect.events.push(event.clone());
            }
        }
        Ok(effect)
    }
}

async fn channels(transaction: &Transaction<'_>, report: &NotificationReport) -> Result<Channels, StoreError> {
    let rows = transaction.query_typed(CHANNELS, &[(&report.notification_id.as_str(), Type::TEXT)]).await?;
    let state = |row: &tokio_postgres::Row| {
        let channel: String = row.try_get(0)?;
        Ok((Channel::new(channel).map_err(|e| StoreError::Broken(e.into()))?, parsed(row, 1)?))
    };
    rows.iter().map(state).collect()
}

/// What was asked for, where this service did, and whether it was the other channel already.
async fn request(
    transaction: &Transaction<'_>,
    report: &NotificationReport,
) -> Result<Option<(NotificationSendRequestedEvent, bool)>, StoreError> {
    let (id, order_id) = (report.notification_id.as_str(), report.order_id.as_str());
    let row = one(transaction, REQUEST, &[(&id, Type::TEXT), (&order_id, Type::TEXT)]).await?;
    row.map(|row| Ok((parsed(&row, 0)?, row.try_get(1)?))).transpose()
}

async fn write(
    transaction: &Transaction<'_>,
    report: &NotificationReport,
    channel: &Channel,
    state: &ChannelState,
) -> Result<(), StoreError> {
    let name = match &state.latest.value {
        Delivery::Requested => "REQUESTED",
        Delivery::Failed(_) => "FAILED",
        Delivery::Sent { .. } => "SENT",
    };
    let body = json(state)?;
    let parameters: [Parameter<'_>; 6] = [
        (&report.notification_id.as_str(), Type::TEXT),
        (&channel.as_str(), Type::TEXT),
        (&report.order_id.as_str(), Type::TEXT),
        (&report.notification_type.as_str(), Type::TEXT),
        (&name, Type::TEXT),
        (&body, Type::TEXT),
    ];
    one(transaction, WRITE, &parameters).await?;
    Ok(())
}
