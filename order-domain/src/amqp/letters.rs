//! The work on dead letters: each is stored, and then acknowledged. One that cannot be stored stays in the broker, whatever
//! the reason: it is the last place where the message is.

use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use lapin::message::Delivery;

use super::consumer::{End, Work};
use super::dead_letter;
use super::deadline::deadline;
use super::events::acknowledge;
use super::publisher::Publisher;
use super::settings::Settings;
use super::topology::{self, retry_queue};
use super::wire::copy;
use crate::inbound::notification::alert;
use crate::inbound::{DeadLetter, DeadLetterStore, Fault, FaultKind, Observer, Seen, Source};

pub(super) struct Letters<D, O> {
    pub source: Source,
    pub store: Arc<D>,
    pub observer: Arc<O>,
    pub settings: Settings,
}

impl<D: DeadLetterStore, O: Observer> Letters<D, O> {
    /// A letter that cannot be stored is tried again after the pause, for as long as it takes.
    fn delay(&self) -> Duration {
        self.settings.pause
    }

    /// Raises the alert of a critical notification.
    fn alert(&self, letter: &DeadLetter) {
        let retries = letter.attempts.saturating_sub(1);
        let Some(alert) = alert(&letter.properties, letter.body.bytes(), retries) else { return };
        tracing::error!(
            order_id = alert.order_id.as_ref().map(|id| id.as_str()),
            notification_type = alert.notification_type.as_str(),
            retry_count = alert.retry_count,
            "NOTIFICATION_FAILURE"
        );
        self.observer.seen(Seen::NotificationFailure(&alert));
    }

    async fn later(&self, delivery: &Delivery, letter: &DeadLetter, publisher: &Publisher) -> End {
        let queue = retry_queue(self.queue(), self.delay());
        let properties = copy(delivery, dead_letter::set(letter));
        if let Err(error) = publisher.publish("", &queue, properties, letter.body.bytes()).await {
            return End::HandBack(error);
        }
        match acknowledge(delivery).await {
            End::Done => End::Faulted(letter.message_id.clone()),
            end => end,
        }
    }
}

impl<D: DeadLetterStore, O: Observer> Work for Letters<D, O> {
    fn queue(&self) -> &str {
        self.source.dead_letter_queue()
    }

    async fn declare(&self, connection: &Connection) -> Result<(), String> {
        topology::declare_dead_letters(connection, self.source).await?;
        topology::declare_retries(connection, self.queue(), &[self.delay()]).await
    }

    async fn bind(&self, _: &Connection) -> Vec<String> {
        Vec::new()
    }

    async fn work(&self, delivery: Delivery, publisher: &Publisher) -> End {
        let letter = dead_letter::letter(&delivery, self.source, self.settings.body_bytes_max);
        let storing = deadline(self.settings.handler_timeout, "storing a dead letter", self.store.store(&letter));
        let stored = storing.await.unwrap_or_else(|error| Err(Fault::infrastructure(error)));
        let Err(fault) = stored else {
            let End::Done = acknowledge(&delivery).await else {
                return End::Lost("the channel ended before a stored letter was acknowledged".to_owned());
            };
            self.alert(&letter);
            self.observer.seen(Seen::Stored { source: self.source });
            return End::Done;
        };
        let (message_id, error) = (&letter.message_id, &fault.text);
        tracing::error!(
            source = self.source.as_str(),
            message_id,
            error,
            "a dead letter could not be stored; it waits"
        );
        match fault.kind {
            FaultKind::Infrastructure => End::HandBack(fault.text),
            FaultKind::Message => self.later(&delivery, &letter, publisher).await,
        }
    }
}
