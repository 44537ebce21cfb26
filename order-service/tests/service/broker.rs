//! A vhost of its own for each test, messages that neighbours publish into it, and the queues in it. Left to the broker's end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

use crate::http::{Request, send};

/// A vhost, and a channel into it.
pub struct Broker {
    url: String,
    connection: Connection,
    channel: Channel,
}

impl Broker {
    /// A new vhost on the suite's broker.
    pub async fn new() -> Self {
        let variable = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this through dev/with-services"))
        };
        Self::at(&variable("OUTBOX_TEST_AMQP_URL"), &variable("OUTBOX_TEST_MANAGEMENT_URL")).await
    }

    /// A new vhost on the broker at these addresses.
    pub async fn at(amqp: &str, management: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let vhost = format!("order_service_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (user, address) = credentials(management);
        let authorization = format!("Basic {}", STANDARD.encode(user));
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        let name = user.split(':').next().unwrap_or_default();
        let rights = br#"{"configure": ".*", "write": ".*", "read": ".*"}"#;
        for (path, body) in [
            (format!("/api/vhosts/{vhost}"), b"{}".as_slice()),
            (format!("/api/permissions/{vhost}/{name}"), rights.as_slice()),
        ] {
            let request = Request { method: "PUT", path: &path, headers: &headers, body: Some(body) };
            let answer = send(address, &request).await.expect("the management API answers");
            assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        }
        let (scheme, rest) = amqp.split_once("://").expect("a URL");
        let authority = rest.split(['/', '?']).next().expect("an authority");
        let url = format!("{scheme}://{authority}/{vhost}");
        let (connection, channel) = connected(&url).await;
        Self { url, connection, channel }
    }

    /// The same vhost, once the broker that was restarted lets somebody in again.
    pub async fn again(&mut self) {
        let end = Instant::now() + Duration::from_secs(60);
        let connection = loop {
            match Connection::connect(&self.url, ConnectionProperties::default()).await {
                Ok(connection) => break connection,
                Err(error) => assert!(Instant::now() < end, "the broker is not back: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await; // between two looks
        };
        self.channel = channel(&connection).await;
        self.connection = connection;
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same vhost by another address.
    pub fn url_by(&self, address: SocketAddr) -> String {
        let (before, vhost) = self.url.rsplit_once('/').expect("it has a path");
        let user = before.rsplit_once('@').map_or("amqp://", |(user, _)| user);
        format!("{user}{}{address}/{vhost}", if user.ends_with("//") { "" } else { "@" })
    }

    /// Where the broker listens.
    pub fn address(&self) -> SocketAddr {
        let authority = self.url.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("an authority");
        authority.rsplit('@').next().and_then(|address| address.parse().ok()).expect("an address")
    }

    /// Publishes as a neighbour does, and waits for the confirm. A message that no queue takes is an error.
    pub async fn publish(&self, exchange: &str, key: &str, message_id: Option<&str>, body: &[u8]) {
        let mut properties =
            BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
        if let Some(id) = message_id {
            properties = properties.with_message_id(id.into());
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await;
        let confirm = confirm.expect("sent").await.expect("answered");
        assert!(matches!(confirm, Confirmation::Ack(None)), "{exchange} {key}: {confirm:?}");
    }

    /// Messages that are ready in a queue; none where there is no such queue.
    pub async fn ready(&self, queue: &str) -> Option<u32> {
        let channel = self.connection.create_channel().await.expect("a channel");
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel
            .queue_declare(queue.into(), passive, FieldTable::default())
            .await
            .ok()
            .map(|queue| queue.message_count())
    }

    /// Consumers of a queue.
    pub async fn consumers(&self, queue: &str) -> u32 {
        let channel = self.connection.create_channel().await.expect("a channel");
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
        declared.map_or(0, |queue| queue.consumer_count())
    }
}

/// `user:password` and the address of the management API.
fn credentials(url: &str) -> (&str, SocketAddr) {
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("an authority");
    let (user, address) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
    (user, address.parse().expect("an address"))
}

async fn connected(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("the broker is reachable");
    let channel = channel(&connection).await;
    (connection, channel)
}

async fn channel(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
    channel
}
