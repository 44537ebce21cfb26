//! Handling what other services tell: the inbox's mark, the effect, and the events that it asks for, in one transaction. Called by the
//! consumers for messages, by the endpoints for facts that come over HTTP, and for dead letters that are replayed.

use deadpool_postgres::Transaction;
use order_domain::inbound::{
    self, Dead, DeadLetter, DeadLetterStore, DeadReason, Fact, Fault, Handler, Message, Outcome,
};
use order_domain::order::{Decision, OrderFact};
use order_domain::value::id::OrderId;
use order_domain::{Context, Event, Order, inbox};

use super::change::{lock, write};
use super::dead_letters::{Closing, Resolution, close, lock_open};
use super::{Store, StoreError, allocations, notify, products, reviews};

/// What a fact has done within a transaction.
pub struct Effect {
    pub outcome: Outcome,
    /// What is to be told of it.
    pub events: Vec<Event>,
}

impl Effect {
    /// Nothing is told.
    pub fn of(outcome: Outcome) -> Self {
        Self { outcome, events: Vec::new() }
    }
}

/// An order after a fact, and what the fact did.
pub struct HeardOrder {
    pub order: Order,
    pub outcome: Outcome,
}

impl Store {
    /// Handles a message once.
    async fn hear(&self, message: &Message) -> Result<Outcome, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        if !inbox::once(&transaction, message.source().queue(), &message.id).await? {
            return Ok(Outcome::Duplicate);
        }
        let effect = self.effect(&transaction, message).await?;
        if let Outcome::Dead(_) = effect.outcome {
            return Ok(effect.outcome); // rolled back: a replay must not meet the mark of a message without an effect
        }
        self.append(transaction, &effect.events).await?;
        Ok(effect.outcome)
    }

    async fn effect(&self, transaction: &Transaction<'_>, message: &Message) -> Result<Effect, StoreError> {
        let context = message.context();
        match &message.fact {
            Fact::Notification(fact) => self.hear_notification(transaction, fact, &context).await,
            Fact::Inventory(fact) => allocations::hear(transaction, fact).await.map(Effect::of),
            Fact::Product(fact) => products::hear(transaction, fact).await.map(Effect::of),
            Fact::Payment(fact) => match hear_order(transaction, &fact.order_id, &fact.fact, &context).await {
                Ok((_, effect)) => Ok(effect),
                Err(StoreError::NotFound(_)) => {
                    Ok(Effect::of(Outcome::Dead(Dead::new(DeadReason::OrderUnknown, "there is no such order"))))
                }
                Err(error) => Err(error),
            },
        }
    }

    /// Handles a fact about an order that a request has told.
    pub async fn hear_fact(&self, id: &OrderId, fact: &OrderFact, context: &Context) -> Result<HeardOrder, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let (order, effect) = hear_order(&transaction, id, fact, context).await?;
        if let Outcome::Dead(dead) = effect.outcome {
            return Err(StoreError::Dead(dead));
        }
        self.append(transaction, &effect.events).await?;
        Ok(HeardOrder { order, outcome: effect.outcome })
    }

    /// Deletes marks that are older than `retention`, in chunks of a transaction each, and says how many.
    pub async fn clean_inbox(&self, retention: inbox::Retention) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let mut marks = 0;
        loop {
            let deleted = inbox::clean(&**client, retention, inbox::CHUNK_DEFAULT).await?;
            marks += deleted;
            if deleted < u64::from(inbox::CHUNK_DEFAULT) {
                return Ok(marks);
            }
        }
    }

    /// Handles a dead letter again, past the mark that its message may have left. The effect, the mark and who did it are one
    /// transaction. What is dead again stays open.
    pub async fn replay_dead_letter(&self, id: i64, closing: &Closing<'_>) -> Result<Outcome, StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await?;
        let original = lock_open(&transaction, id).await?.ok_or(StoreError::NotWhole(id))?;
        let read = inbound::read(&original.properties, &original.body, inbound::BODY_BYTES_MAX);
        let message = read.map_err(|unreadable| StoreError::Dead(unreadable.dead))?;
        inbox::forget(&transaction, &original.queue, &message.id).await?;
        inbox::once(&transaction, &original.queue, &message.id).await?;
        let effect = self.effect(&transaction, &message).await?;
        if let Outcome::Dead(dead) = effect.outcome {
            return Err(StoreError::Dead(dead));
        }
        close(&transaction, id, Resolution::Replayed, closing).await?;
        self.append(transaction, &effect.events).await?;
        Ok(effect.outcome)
    }
}

/// Locks the order, lets it hear the fact, and writes what becomes of it.
async fn hear_order(
    transaction: &Transaction<'_>,
    id: &OrderId,
    fact: &OrderFact,
    context: &Context,
) -> Result<(Order, Effect), StoreError> {
    let order = lock(transaction, id).await?;
    let reaction = order.hear(fact, context);
    let outcome = reaction.outcome();
    reviews::raise(transaction, id, reaction.reviews()).await?;
    let Some(Decision { order: after, events }) = reaction.change() else {
        return Ok((order, Effect::of(outcome)));
    };
    write(transaction, after).await?;
    reviews::raise_shortages(transaction, &order, after).await?;
    notify::record(transaction, events).await?;
    Ok((after.clone(), Effect { outcome, events: events.clone() }))
}

impl Handler for Store {
    async fn handle(&self, message: &Message) -> Result<Outcome, Fault> {
        let (event, source) = (message.event.as_str(), message.source().as_str());
        let (message_id, correlation_id) = (&message.id, message.correlation_id.as_ref().map(|id| id.as_str()));
        let order_id = message.fact.order_id().map(OrderId::as_str);
        let handled = Store::hear(self, message).await;
        match &handled {
            Ok(outcome) => {
                let outcome = outcome.as_str();
                tracing::info!(source, event, message_id, order_id, correlation_id, outcome, "heard");
            }
            Err(error) => {
                let cause = error.cause();
                tracing::warn!(source, event, message_id, order_id, correlation_id, cause, "not heard");
            }
        }
        handled.map_err(|error| error.fault())
    }
}

impl DeadLetterStore for Store {
    async fn store(&self, letter: &DeadLetter) -> Result<(), Fault> {
        self.keep_dead_letter(letter).await.map_err(|error| error.fault())
    }
}
