//! A vhost and a database of one test, with the exchanges of the neighbours and a way to send what they send.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use order_domain::amqp::{AmqpUrl, Consumers, Settings, start};
use order_domain::inbound::{BINDINGS, Message};
use order_domain::inbox;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::ledger::{Ledger, Step, TABLES};
use testkit::management::Management;
use testkit::urls::{addr_of, with_addr, with_path};
use testkit::wait::eventually;

/// More than enough for anything that takes a moment on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

pub struct Stage {
    pub database: Database,
    pub vhost: String,
    pub management: Management,
    amqp_url: String,
    /// The neighbours' channel, in confirm mode; its connection lives as long as it.
    pub channel: Channel,
}

impl Stage {
    /// With every exchange of the neighbours.
    pub async fn new() -> Self {
        let stage = Self::without_exchanges().await;
        for binding in &BINDINGS {
            stage.exchange(binding.exchange, ExchangeKind::Topic).await;
        }
        stage
    }

    pub async fn without_exchanges() -> Self {
        let database = Database::new().await;
        let client = database.client().await;
        client.batch_execute(inbox::TABLE).await.expect("the inbox's table");
        client.batch_execute(TABLES).await.expect("the tables");
        let management = Management::new(&service("MANAGEMENT_URL"));
        let vhost = format!("hears_{}", uuid::Uuid::new_v4().simple());
        management.create_vhost(&vhost).await;
        let amqp_url = with_path(&service("AMQP_URL"), &vhost);
        let channel = open(&amqp_url).await;
        Self { database, vhost, management, amqp_url, channel }
    }

    pub async fn exchange(&self, name: &str, kind: ExchangeKind) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = self.channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await;
        declared.expect("the exchange is declared");
    }

    /// A service that applies everything, or does what `script` says.
    pub fn ledger(&self, script: impl Fn(&Message, usize) -> Step + Send + Sync + 'static) -> Ledger {
        Ledger::new(self.database.url(), script)
    }

    pub fn start(&self, ledger: &Arc<Ledger>, settings: Settings) -> Running {
        self.start_at(ledger, settings, &self.amqp_url)
    }

    /// With its way to the broker through `proxy`.
    pub fn start_through(&self, ledger: &Arc<Ledger>, settings: Settings, proxy: SocketAddr) -> Running {
        self.start_at(ledger, settings, &with_addr(&self.amqp_url, proxy))
    }

    fn start_at(&self, ledger: &Arc<Ledger>, settings: Settings, url: &str) -> Running {
        let stop = CancellationToken::new();
        let (handler, letters, observer) = (Arc::clone(ledger), Arc::clone(ledger), Arc::clone(ledger));
        let connector = AmqpUrl::new(url);
        let consumers = start(settings, connector, "order-service", handler, letters, observer, stop.clone());
        Running { consumers, stop }
    }

    /// Where the vhost is.
    pub fn url(&self) -> &str {
        &self.amqp_url
    }

    pub fn broker(&self) -> SocketAddr {
        addr_of(&self.amqp_url)
    }

    /// Sends a message as a neighbour does, and waits until a queue has it.
    pub async fn send(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let confirm = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await;
        let confirm = confirm.expect("published").await.expect("answered");
        assert!(matches!(confirm, Confirmation::Ack(None)), "no queue took {key}: {confirm:?}");
    }

    /// A failed payment, which any handler takes; known by `id`.
    pub async fn fact(&self, id: &str, order_id: &str) {
        let body = format!(r#"{{"id": "{id}", "data": {{"orderId": "{order_id}", "paymentId": "pay-1"}}}}"#);
        self.send("payment.events", "payment.failed", BasicProperties::default(), body.as_bytes()).await;
    }

    /// Asks the database until it says yes.
    pub async fn ask<T: FromSqlOwned>(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> T {
        self.database.client().await.query_one(sql, parameters).await.expect("an answer").get(0)
    }

    /// How often messages had an effect, and how many of them did.
    pub async fn effects(&self) -> (i64, i64) {
        let client = self.database.client().await;
        let row = client.query_one("SELECT count(*), count(DISTINCT message_id) FROM effects", &[]).await;
        let row = row.expect("counted");
        (row.get(0), row.get(1))
    }

    /// Stored letters: reason, attempts, key, by id.
    pub async fn letters(&self) -> Vec<(String, String, i32, String)> {
        let sql = "SELECT message_id, reason, attempts, routing_key FROM letters ORDER BY message_id";
        let rows = self.database.client().await.query(sql, &[]).await.expect("read");
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
    }

    /// Messages that wait in a queue, asked of the queue itself.
    pub async fn waiting(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = open(&self.amqp_url).await;
        channel.queue_declare(queue.into(), options, FieldTable::default()).await.expect("a queue").message_count()
    }

    /// Takes one message from a queue of the test's own.
    pub async fn take(&self, queue: &str) -> Option<lapin::message::Delivery> {
        let got =
            self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.expect("the queue answers");
        got.map(|got| got.delivery)
    }

    /// Until nothing of a source waits or is at work any more.
    pub async fn idle(&self, queue: &str) {
        eventually(SOON, "every message is acknowledged", async || {
            let info = self.management.queue(&self.vhost, queue).await;
            info.is_some_and(|info| info["messages"] == 0)
        })
        .await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let vhost = self.vhost.clone();
        let remove = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(Management::new(&service("MANAGEMENT_URL")).try_delete_vhost(&vhost)).ok()
        });
        if !matches!(remove.join(), Ok(Some(()))) {
            eprintln!("the vhost {} was left behind", self.vhost);
        }
    }
}

/// Consumers at work.
pub struct Running {
    pub consumers: Consumers,
    pub stop: CancellationToken,
}

impl Running {
    /// Until the queues of all sources are there and bound.
    pub async fn ready(&self) {
        use order_domain::amqp::ConsumerState::Running;
        eventually(SOON, "every consumer runs", async || {
            self.consumers.health().iter().all(|health| health.state == Running)
        })
        .await;
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.consumers.ended().await;
    }
}

fn service(name: &str) -> String {
    let variable = format!("OUTBOX_TEST_{name}");
    std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} is set: run this through dev/with-services"))
}

async fn open(url: &str) -> Channel {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.expect("the broker is reachable");
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirm mode");
    channel
}

/// As the defaults, and in a hurry.
pub fn quick() -> Settings {
    Settings {
        retry_delays: [100, 200, 400].map(Duration::from_millis).to_vec(),
        pause: Duration::from_millis(300),
        topology_interval: Duration::from_millis(500),
        ..Settings::default()
    }
}
