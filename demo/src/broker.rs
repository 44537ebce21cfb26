//! The broker's side of the stage: the exchange the relay publishes to and the demo's own queue.
//!
//! Called by `stage` (open, close); `consumer` and `ceiling` take the address from here. Promises to leave the vhost as
//! it was found: the exchange is deleted only if the demo made it and nobody has bound to it. Refuses TLS, which the
//! demo's library is built without, and IPv6 literals, which the library would silently read as localhost.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};

use crate::failure::{Failure, within};
use crate::settings::EXCHANGE;
use crate::story::documents;

const ANSWER: Duration = Duration::from_secs(10);

pub struct Broker {
    pub address: AMQPUri,
    pub queue: String,
    /// Made and deleted by `ceiling`; named here so that an interrupted run is cleaned up too.
    pub ceiling_queue: String,
    connection: Connection,
    channel: Channel,
    exchange_is_ours: bool,
    /// Whether the queues and exchanges that the order service hears by are the demo's to delete.
    heard_is_ours: bool,
}

/// By which the order service hears others: it declares them, as its own documents name them.
const HEARD_EXCHANGES: [&str; 6] = [
    "notification.events",
    "inventory.events",
    "inventory.notifications",
    "product.events",
    "payment.events",
    "OrderService_DeadLetters",
];
/// The last part of the name of the queue that stands in for every service without one.
const OTHERS: &str = "others";
const HEARD_SOURCES: [&str; 4] = ["Notification", "Inventory", "Product", "Payment"];

/// The queue of each source, those in which messages wait to be tried again, and that of the dead letters.
fn heard_queues() -> impl Iterator<Item = String> {
    HEARD_SOURCES.into_iter().flat_map(|source| {
        let queue = format!("OrderService_{source}Events");
        let waiting = ["1s", "2s", "4s"].map(|delay| format!("{queue}.retry.{delay}"));
        waiting.into_iter().chain([queue, format!("DLQ_OrderService_{source}")])
    })
}

impl Broker {
    pub async fn open(url: &str, pid: u32) -> Result<Self, Failure> {
        let address = parse(url)?;
        let connection = connect(&address).await?;
        let exchange_is_ours = !exchange_exists(&connection).await?;
        let channel = within(ANSWER, "opening a channel", connection.create_channel()).await?;
        let mut broker = Self {
            address,
            queue: format!("demo.orders.{pid}"),
            ceiling_queue: format!("demo.ceiling.{pid}"),
            connection,
            channel,
            exchange_is_ours,
            heard_is_ours: false,
        };
        if let Err(error) = broker.declare().await {
            // A refused declaration has closed the channel; cleaning up needs another.
            broker.channel = within(ANSWER, "opening a channel", broker.connection.create_channel()).await?;
            broker.close().await?;
            return Err(error);
        }
        Ok(broker)
    }

    async fn declare(&self) -> Result<(), Failure> {
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let table = FieldTable::default;
        let exchange = self.channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, durable, table());
        within(ANSWER, "declaring the exchange order.events", exchange).await?;
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        let queue = self.channel.queue_declare(self.queue.as_str().into(), durable, table());
        within(ANSWER, "declaring the demo's queue", queue).await?;
        Ok(())
    }

    /// From now on the demo's own queue gets everything.
    pub async fn bind(&self) -> Result<(), Failure> {
        let (queue, table) = (self.queue.as_str().into(), FieldTable::default);
        let bind = self.channel.queue_bind(queue, EXCHANGE.into(), "#".into(), QueueBindOptions::default(), table());
        within(ANSWER, "binding the demo's queue", bind).await
    }

    /// Stands in for the services that are told and do not answer. A route that was confirmed once and has no queue any more goes on hold,
    /// as a lost binding should. Returns the queue, which its caller deletes.
    pub async fn bind_others(&self) -> Result<String, Failure> {
        let queue = self.service_queue(OTHERS);
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        let declare = self.channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
        within(ANSWER, "declaring the queue of the other services", declare).await?;
        let (options, table) = (QueueBindOptions::default(), FieldTable::default());
        let bind = self.channel.queue_bind(queue.as_str().into(), EXCHANGE.into(), "#".into(), options, table);
        within(ANSWER, "binding the queue of the other services", bind).await?;
        Ok(queue)
    }

    /// Refuses to go on where an order service is at this broker already.
    pub async fn reserve_heard(&mut self) -> Result<(), Failure> {
        for queue in heard_queues() {
            let probe = within(ANSWER, "opening a channel", self.connection.create_channel()).await?;
            let passive = QueueDeclareOptions { passive: true, ..Default::default() };
            let asked = probe.queue_declare(queue.as_str().into(), passive, FieldTable::default());
            if matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok(_))) {
                return Err(Failure::new(format!(
                    "the queue {queue} is there: give the demo a vhost without an order service"
                )));
            }
        }
        self.heard_is_ours = true;
        Ok(())
    }

    /// The queue of a service in the story.
    pub fn service_queue(&self, service: &'static str) -> String {
        format!("{}.{service}", self.queue)
    }

    pub async fn delete_queue(&self, queue: &str) -> Result<(), Failure> {
        let delete = self.channel.queue_delete(queue.into(), QueueDeleteOptions::default());
        within(ANSWER, "deleting the demo's queues", delete).await.map(|_messages| ())
    }

    pub async fn close(self) -> Result<(), Failure> {
        // Deleting what is not there is no error, so an interrupted story is cleaned up too.
        let services = documents::ALL.iter().map(|document| self.service_queue(document.service));
        let own = [self.queue.clone(), self.ceiling_queue.clone(), self.service_queue(OTHERS)];
        for queue in services.chain(own) {
            self.delete_queue(&queue).await?;
        }
        if self.heard_is_ours {
            for queue in heard_queues() {
                self.delete_queue(&queue).await?;
            }
            for exchange in HEARD_EXCHANGES {
                let delete = self.channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default());
                within(ANSWER, "deleting the exchanges of the neighbours", delete).await?;
            }
        }
        if self.exchange_is_ours {
            let unused = ExchangeDeleteOptions { if_unused: true, ..Default::default() };
            // Refused when somebody bound to it meanwhile: then it is theirs now.
            let _in_use = within(ANSWER, "deleting", self.channel.exchange_delete(EXCHANGE.into(), unused)).await;
        }
        within(ANSWER, "closing the broker connection", self.connection.close(200, "the demo is over".into())).await
    }
}

pub async fn connect(address: &AMQPUri) -> Result<Connection, Failure> {
    let properties = ConnectionProperties::default().with_connection_name("outbox-demo".into());
    within(ANSWER, "connecting to RabbitMQ", Connection::connect_uri(address.clone(), properties)).await
}

/// Asked on a channel of its own, because the answer "no" closes it.
async fn exchange_exists(connection: &Connection) -> Result<bool, Failure> {
    let probe = within(ANSWER, "opening a channel", connection.create_channel()).await?;
    let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let asked = probe.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, passive, FieldTable::default());
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(answer) => Ok(answer.is_ok()),
        Err(_) => Err(Failure::new(format!("asking for the exchange {EXCHANGE}: no answer within {ANSWER:?}"))),
    }
}

fn parse(url: &str) -> Result<AMQPUri, Failure> {
    let mut address: AMQPUri = url.parse().map_err(|why| Failure::new(format!("reading AMQP_URL: {why}")))?;
    if address.scheme == AMQPScheme::AMQPS {
        return Err(Failure::new("AMQP_URL is amqps: the demo speaks plain AMQP only"));
    }
    if url.contains('[') {
        return Err(Failure::new("AMQP_URL has an IPv6 literal: give the demo a host name or an IPv4 address"));
    }
    if address.vhost.is_empty() {
        // A pasted URL that ends in a slash means the default vhost, as it does for the relay.
        address.vhost = "/".to_owned();
    }
    Ok(address)
}
