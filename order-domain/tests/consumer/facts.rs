//! The integration tests of the Notification document, section 10.2, by their names: a report comes over RabbitMQ, and the order's
//! notification shows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use deadpool_postgres::{Config, Pool, Runtime};
use lapin::BasicProperties;
use order_domain::amqp::{AmqpUrl, Settings, start};
use order_domain::inbound::notification::{ChannelState, Channels, Delivery, NotificationFact, NotificationStatus};
use order_domain::inbound::{DeadLetter, DeadLetterStore, Fact, Fault, Handler, Message, Outcome};
use order_domain::inbox;
use order_domain::notification::Channel;
use tokio_postgres::{NoTls, Transaction};
use tokio_util::sync::CancellationToken;

use crate::stage::{SOON, Stage};
use crate::support::exact::without_comments;
use crate::support::samples::{WHEN, at};
use testkit::wait::eventually;

const TABLES: &str = "
    CREATE TABLE channels (notification_id text, channel text, state json NOT NULL, PRIMARY KEY (notification_id, channel));
    CREATE TABLE reviews (order_id text, reason text, subject text, message text, PRIMARY KEY (order_id, reason, subject));";

struct Notifications(Pool);

impl Notifications {
    fn new(url: &str) -> Self {
        let config = Config { url: Some(url.to_owned()), ..Config::default() };
        Self(config.create_pool(Some(Runtime::Tokio1), NoTls).expect("a pool"))
    }

    async fn channels(transaction: &Transaction<'_>, id: &str) -> Result<Channels, tokio_postgres::Error> {
        let sql = "SELECT channel, state::text FROM channels WHERE notification_id = $1 FOR UPDATE";
        let rows = transaction.query(sql, &[&id]).await?;
        let read = |row: &tokio_postgres::Row| {
            let channel = Channel::new(row.get::<_, String>(0)).expect("a channel");
            let state: ChannelState = serde_json::from_str(row.get(1)).expect("a state");
            (channel, state)
        };
        Ok(rows.iter().map(read).collect::<BTreeMap<_, _>>())
    }
}

impl Handler for Notifications {
    async fn handle(&self, message: &Message) -> Result<Outcome, Fault> {
        let fault = |error: tokio_postgres::Error| inbox::fault(&error);
        let Fact::Notification(NotificationFact::Report(report)) = &message.fact else { return Ok(Outcome::Stale) };
        let mut client = self.0.get().await.map_err(|error| Fault::infrastructure(error.to_string()))?;
        let transaction = client.transaction().await.map_err(fault)?;
        if !inbox::once(&transaction, message.source().queue(), &message.id).await.map_err(fault)? {
            return Ok(Outcome::Duplicate);
        }
        let id = report.notification_id.as_str();
        let known = Self::channels(&transaction, id).await.map_err(fault)?;
        let reaction = report.reaction(&known, None, &at(WHEN));
        for (channel, state) in reaction.change().iter().flat_map(|change| &change.channels) {
            let sql = "INSERT INTO channels VALUES ($1, $2, $3::text::json)
                       ON CONFLICT (notification_id, channel) DO UPDATE SET state = excluded.state";
            let state = serde_json::to_string(state).expect("JSON");
            transaction.execute(sql, &[&id, &channel.as_str(), &state]).await.map_err(fault)?;
        }
        for review in reaction.reviews() {
            let sql = "INSERT INTO reviews VALUES ($1, $2, $3, $4)
                       ON CONFLICT (order_id, reason, subject) DO UPDATE SET message = excluded.message";
            let order_id = report.order_id.as_str();
            transaction
                .execute(sql, &[&order_id, &review.reason.as_str(), &review.subject, &review.message])
                .await
                .map_err(fault)?;
        }
        transaction.commit().await.map_err(fault)?;
        Ok(reaction.outcome())
    }
}

impl DeadLetterStore for Notifications {
    async fn store(&self, letter: &DeadLetter) -> Result<(), Fault> {
        panic!("nothing is put aside here: {letter:?}");
    }
}

/// Sends an example to consumers that run, and gives the channels of its notification once it was handled.
async fn told(key: &str, example: &str) -> (Stage, Channels) {
    let stage = Stage::new().await;
    stage.database.client().await.batch_execute(TABLES).await.expect("the tables");
    let service = Arc::new(Notifications::new(stage.database.url()));
    let stop = CancellationToken::new();
    let url = AmqpUrl::new(stage.url());
    let (letters, nothing) = (Arc::clone(&service), Arc::new(()));
    let consumers =
        start(Settings::default(), url, "order-service", Arc::clone(&service), letters, nothing, stop.clone());
    eventually(SOON, "its queue is there", async || {
        stage
            .management
            .queue(&stage.vhost, "OrderService_NotificationEvents")
            .await
            .is_some_and(|it| it["consumers"] == 1)
    })
    .await;
    let properties = BasicProperties::default();
    stage.send("notification.events", key, properties, without_comments(example).as_bytes()).await;
    eventually(SOON, "it is handled", async || {
        stage.ask::<i64>("SELECT count(*) FROM inbox.handled_messages", &[]).await == 1
    })
    .await;
    stop.cancel();
    consumers.ended().await;
    let mut client = stage.database.client().await;
    let transaction = client.transaction().await.expect("a transaction");
    let id = "d290f1ee-6c54-4b01-90e6-d701748f0851";
    let channels = Notifications::channels(&transaction, id).await.expect("read");
    drop(transaction);
    (stage, channels)
}

mod notification_integration {
    use super::*;

    #[tokio::test]
    async fn should_handle_notification_sent_events_properly() {
        let example = include_str!("../golden/000-notification-sent.jsonc");
        let (_stage, channels) = told("notification.sent", example).await;
        assert_eq!(NotificationStatus::of(channels.values()), NotificationStatus::Sent);
        let latest = &channels[&Channel::EMAIL].latest;
        assert_eq!(latest.at.map(|at| at.to_string()).as_deref(), Some("2023-11-21T15:27:38.456Z"));
        let Delivery::Sent { message_id, .. } = &latest.value else { panic!("not sent: {latest:?}") };
        assert_eq!(message_id.as_ref().map(|id| id.as_str()), Some("msg_5f9c1b2a-3d7e-4b0f-8d7c-6a5d8b9e1f3a"));
    }

    #[tokio::test]
    async fn should_handle_notification_failed_events_properly() {
        let example = include_str!("../golden/000-notification-failed.jsonc");
        let (stage, channels) = told("notification.failed", example).await;
        assert_eq!(NotificationStatus::of(channels.values()), NotificationStatus::Failed);
        let latest = &channels[&Channel::SMS].latest;
        let Delivery::Failed(failure) = &latest.value else { panic!("not failed: {latest:?}") };
        assert_eq!(latest.at.map(|at| at.to_string()).as_deref(), Some("2023-11-21T15:27:39.123Z"));
        assert_eq!(failure.error_code.as_str(), "INVALID_PHONE_NUMBER");
        assert_eq!(failure.error_message.as_str(), "Phone number is not valid or unreachable");
        assert_eq!((failure.retry_count, failure.will_retry), (2, false));
        let review: String = stage.ask("SELECT reason || ': ' || message FROM reviews", &[]).await;
        let text = "Failed to send ORDER_CONFIRMATION notification: Phone number is not valid or unreachable";
        assert_eq!(review, format!("NOTIFICATION_FAILURE: {text}"));
    }
}
