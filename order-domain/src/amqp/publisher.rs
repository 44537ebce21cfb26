//! Copies of messages, for a retry or as a dead letter. A copy counts once the broker has confirmed it and returned none of
//! it; before that the original is not acknowledged.
//!
//! One message at a time on a channel of its own: lapin swaps confirms where two tasks publish on one channel, and hands a
//! returned message to whichever confirm comes next. With one message in flight both have one possible answer.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::Mutex;

use super::deadline::{ANSWER_TIMEOUT, deadline};
use super::link::{Link, Live};
use super::wire::short;

const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// Publishes on one connection.
pub(super) struct Publisher {
    /// Absent once anything went wrong, or while a publish is at it: one that is dropped half-way leaves none behind.
    channel: Mutex<Option<Channel>>,
    link: Link,
    generation: u64,
}

impl Publisher {
    /// Opens the channel.
    pub async fn open(live: &Live, link: &Link) -> Result<Self, String> {
        let opening = async {
            let channel = live.connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>(channel)
        };
        let channel = deadline(ANSWER_TIMEOUT, "opening a channel", opening).await?.map_err(|e| e.to_string())?;
        Ok(Self { channel: Mutex::new(Some(channel)), link: link.clone(), generation: live.generation })
    }

    /// Publishes and waits for the confirm. An error means that nobody knows, or that no queue took it.
    pub async fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), String> {
        let mut slot = self.channel.lock().await;
        let channel = slot.take().ok_or("the channel for copies has ended")?;
        let publishing = async {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            channel.basic_publish(short(exchange), short(routing_key), options, body, properties).await?.await
        };
        match deadline(CONFIRM_TIMEOUT, "the confirm of a copy", publishing).await {
            Ok(Ok(Confirmation::Ack(None))) => {
                *slot = Some(channel);
                Ok(())
            }
            Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(_))) => {
                *slot = Some(channel);
                Err(format!("no queue took the copy for '{exchange}' '{routing_key}'"))
            }
            Ok(Ok(Confirmation::NotRequested)) => Err("the channel for copies is not in confirm mode".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => {
                // The copy may still arrive. Nothing on this connection can be relied on.
                self.link.give_up(self.generation, &error);
                Err(error)
            }
        }
    }
}
