//! The work on the messages of one source: read, handle, and then acknowledge, try again later, put aside, or hand back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt as _;
use lapin::Connection;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use lapin::types::AMQPValue;

use super::consumer::{End, Work};
use super::dead_letter;
use super::deadline::deadline;
use super::publisher::Publisher;
use super::settings::Settings;
use super::topology::{self, DEAD_LETTER_EXCHANGE, retry_queue};
use super::wire::{ATTEMPTS, EXCHANGE, ROUTING_KEY, Taken, copy, text};
use crate::inbound::{
    Dead, DeadBody, DeadLetter, DeadReason, Fault, FaultKind, Handler, InboundEvent, Message, Observer, Outcome, Seen,
    Source, read,
};
use crate::value::timestamp::Timestamp;

pub(super) struct Events<H, O> {
    pub source: Source,
    pub handler: Arc<H>,
    pub observer: Arc<O>,
    pub settings: Settings,
}

impl<H: Handler, O: Observer> Work for Events<H, O> {
    fn queue(&self) -> &str {
        self.source.queue()
    }

    async fn declare(&self, connection: &Connection) -> Result<(), String> {
        topology::declare_own(connection, self.source, &self.settings.retry_delays).await
    }

    async fn bind(&self, connection: &Connection) -> Vec<String> {
        topology::bind_foreign(connection, self.source, self.settings.declare_topology).await
    }

    async fn work(&self, delivery: Delivery, publisher: &Publisher) -> End {
        let taken = Taken::of(&delivery, self.queue());
        let started = Instant::now();
        let message = match read(&taken.properties, &delivery.data, self.settings.body_bytes_max) {
            Ok(message) => message,
            Err(unreadable) => {
                let event = InboundEvent::by_key(&taken.properties.routing_key);
                let outcome = Outcome::Dead(unreadable.dead.clone());
                return match self.bury(&delivery, &taken, unreadable.id, unreadable.dead, publisher).await {
                    End::Done => self.handled(event, &outcome, started),
                    end => end,
                };
            }
        };
        log_start(&message, &taken);
        match self.handle(&message).await {
            Ok(outcome) => self.settle(&delivery, &taken, &message, outcome, started, publisher).await,
            Err(fault) => self.fail(&delivery, &taken, &message, fault, publisher).await,
        }
    }
}

impl<H: Handler, O: Observer> Events<H, O> {
    /// One try. A handler that panics has failed at this message; one that hangs waits for something that is away.
    async fn handle(&self, message: &Message) -> Result<Outcome, Fault> {
        let handling = AssertUnwindSafe(self.handler.handle(message)).catch_unwind();
        match deadline(self.settings.handler_timeout, "handling a message", handling).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Fault::message("the handler panicked")),
            Err(error) => Err(Fault::infrastructure(error)),
        }
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        taken: &Taken,
        message: &Message,
        outcome: Outcome,
        started: Instant,
        publisher: &Publisher,
    ) -> End {
        let end = match &outcome {
            Outcome::Dead(dead) => self.bury(delivery, taken, message.id.clone(), dead.clone(), publisher).await,
            Outcome::Applied | Outcome::Known | Outcome::Stale | Outcome::Review | Outcome::Duplicate => {
                acknowledge(delivery).await
            }
        };
        let End::Done = end else { return end };
        tracing::info!(
            source = self.source.as_str(),
            event = message.event.as_str(),
            message_id = message.id,
            order_id = message.fact.order_id().map(|id| id.as_str()),
            correlation_id = message.correlation_id.as_ref().map(|id| id.as_str()),
            outcome = outcome.as_str(),
            attempts = taken.attempts + 1,
            "a message was handled"
        );
        self.handled(Some(message.event), &outcome, started)
    }

    fn handled(&self, event: Option<InboundEvent>, outcome: &Outcome, started: Instant) -> End {
        let seconds = started.elapsed().as_secs_f64();
        self.observer.seen(Seen::Handled { source: self.source, event, outcome, seconds });
        End::Done
    }

    /// A try failed.
    async fn fail(
        &self,
        delivery: &Delivery,
        taken: &Taken,
        message: &Message,
        fault: Fault,
        publisher: &Publisher,
    ) -> End {
        let attempts = taken.attempts.saturating_add(1);
        tracing::warn!(
            source = self.source.as_str(),
            event = message.event.as_str(),
            message_id = message.id,
            order_id = message.fact.order_id().map(|id| id.as_str()),
            correlation_id = message.correlation_id.as_ref().map(|id| id.as_str()),
            attempts,
            error = fault.text,
            "Error processing {} event",
            taken.properties.routing_key
        );
        let delay = match fault.kind {
            FaultKind::Infrastructure => return End::HandBack(fault.text),
            FaultKind::Message => self.settings.retry_delays.get(taken.attempts as usize),
        };
        let end = match delay {
            Some(delay) => {
                let mut set =
                    vec![(ATTEMPTS, AMQPValue::LongUInt(attempts)), (ROUTING_KEY, text(&taken.properties.routing_key))];
                if let Some(exchange) = &taken.exchange {
                    set.push((EXCHANGE, text(exchange)));
                }
                let queue = retry_queue(self.queue(), *delay);
                match publisher.publish("", &queue, copy(delivery, set), &delivery.data).await {
                    Ok(()) => acknowledge(delivery).await,
                    Err(error) => return End::HandBack(error),
                }
            }
            None => {
                let dead = Dead::new(DeadReason::MaxRetriesExceeded, fault.text);
                self.bury(delivery, taken, message.id.clone(), dead, publisher).await
            }
        };
        let End::Done = end else { return end };
        if delay.is_some() {
            self.observer.seen(Seen::Retried { source: self.source, event: message.event, attempts });
        }
        End::Faulted(message.id.clone())
    }

    /// Makes a dead letter of the message, and acknowledges it then.
    async fn bury(&self, delivery: &Delivery, taken: &Taken, id: String, dead: Dead, publisher: &Publisher) -> End {
        let letter = DeadLetter {
            source: self.source,
            queue: self.queue().to_owned(),
            exchange: taken.exchange.clone(),
            properties: taken.properties.clone(),
            message_id: id,
            reason: dead.reason,
            detail: dead.detail,
            attempts: taken.attempts.saturating_add(1),
            died_at: Timestamp::now(),
            body: DeadBody::keep(&delivery.data, self.settings.body_bytes_max),
        };
        let properties = copy(delivery, dead_letter::set(&letter));
        let key = self.source.dead_letter_queue();
        if let Err(error) = publisher.publish(DEAD_LETTER_EXCHANGE, key, properties, letter.body.bytes()).await {
            return End::HandBack(error);
        }
        let End::Done = acknowledge(delivery).await else {
            return End::Lost("the channel ended before a dead letter was acknowledged".to_owned());
        };
        tracing::warn!(
            source = self.source.as_str(),
            message_id = letter.message_id,
            attempts = letter.attempts,
            reason = letter.reason.as_str(),
            detail = letter.detail,
            "a message became a dead letter"
        );
        self.observer.seen(Seen::DeadLettered { source: self.source, reason: letter.reason });
        End::Done
    }
}

fn log_start(message: &Message, taken: &Taken) {
    let order_id = message.fact.order_id().map_or("-", |id| id.as_str());
    tracing::debug!("Processing {} event {} for order {order_id}", taken.properties.routing_key, message.id);
}

/// On the channel that it came by.
pub(super) async fn acknowledge(delivery: &Delivery) -> End {
    match delivery.ack(BasicAckOptions::default()).await {
        Ok(true) => End::Done,
        Ok(false) => End::Lost("the channel ended before a message was acknowledged".to_owned()),
        Err(error) => End::Lost(error.to_string()),
    }
}
