//! The broker's side of a round: an exchange, a quorum queue bound to it, and how many messages are there.
//!
//! Called by `stage`, `watcher` and the drain. Promises to delete what it declared.

use std::time::Duration;

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};

use crate::failure::{Doing, Failure, within};
use crate::raw;
use crate::stage::ORDERS;
use crate::wire::Wire;

const ANSWER: Duration = Duration::from_secs(30);

/// The queue of one round.
pub struct Broker {
    pub address: AMQPUri,
    pub exchange: String,
    pub queue: String,
    pub connection: Connection,
    channel: Channel,
}

impl Broker {
    /// Declares exchange and queue; the queue takes every routing key that `pattern` matches.
    pub async fn open(url: &str, name: &str, pattern: &str) -> Result<Self, Failure> {
        let address: AMQPUri = url.parse().map_err(|why| Failure::new(format!("reading AMQP_URL: {why}")))?;
        let properties = ConnectionProperties::default().with_connection_name("outbox-bench".into());
        let connect = Connection::connect_uri(address.clone(), properties);
        let connection = within(ANSWER, "connecting to RabbitMQ", connect).await?;
        let channel = within(ANSWER, "opening a channel", connection.create_channel()).await?;
        let broker =
            Self { address, exchange: format!("{name}.events"), queue: format!("{name}.queue"), connection, channel };
        broker.declare(&broker.exchange, &broker.queue, pattern).await?;
        Ok(broker)
    }

    /// A queue bound to an exchange, which is a topic exchange only where the pattern needs one: the order service's are direct.
    async fn declare(&self, exchange: &str, queue: &str, pattern: &str) -> Result<(), Failure> {
        let kind = if pattern.contains(['#', '*']) { ExchangeKind::Topic } else { ExchangeKind::Direct };
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let table = FieldTable::default;
        let declare = self.channel.exchange_declare(exchange.into(), kind, durable, table());
        within(ANSWER, "declaring the exchange", declare).await?;
        self.declare_quorum(queue).await?;
        let options = QueueBindOptions::default();
        let bind = self.channel.queue_bind(queue.into(), exchange.into(), pattern.into(), options, table());
        within(ANSWER, "binding the queue", bind).await
    }

    async fn declare_quorum(&self, queue: &str) -> Result<(), Failure> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        let declare = self.channel.queue_declare(queue.into(), durable, arguments);
        within(ANSWER, "declaring a quorum queue", declare).await.map(|_| ())
    }

    /// Messages in the queue that nobody has taken.
    pub async fn ready(&self, queue: &str) -> Result<u32, Failure> {
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let declare = self.channel.queue_declare(queue.into(), passive, FieldTable::default());
        Ok(within(ANSWER, "counting a queue's messages", declare).await?.message_count())
    }

    /// Messages a second of the raw publisher on a fresh queue of the same kind. Fails if one of them is not there afterwards.
    pub async fn ceiling(&self, count: u32) -> Result<f64, Failure> {
        let queue = format!("{}.raw", self.queue);
        self.declare_quorum(&queue).await?;
        let (address, name) = (self.address.clone(), queue.clone());
        let publish = move || raw::publish(&mut Wire::connect(&address)?, &raw::Kind::Plain(&name), count as usize);
        self.measure(&queue, count, publish).await
    }

    /// The same with messages like the relay's, through an exchange: what this broker can take of them.
    pub async fn ceiling_as_relayed(&self, count: u32) -> Result<f64, Failure> {
        let (queue, exchange) = (format!("{}.raw", self.queue), format!("{}.raw", self.exchange));
        self.declare(&exchange, &queue, ORDERS).await?;
        let (address, name) = (self.address.clone(), exchange.clone());
        let publish = move || {
            let kind = raw::Kind::AsRelayed { exchange: &name, routing_key: ORDERS };
            raw::publish(&mut Wire::connect(&address)?, &kind, count as usize)
        };
        let rate = self.measure(&queue, count, publish).await?;
        let delete = self.channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default());
        within(ANSWER, "deleting the raw publisher's exchange", delete).await?;
        Ok(rate)
    }

    async fn measure(
        &self,
        queue: &str,
        count: u32,
        publish: impl FnOnce() -> std::io::Result<Duration> + Send + 'static,
    ) -> Result<f64, Failure> {
        let took = tokio::task::spawn_blocking(publish).await.doing("measuring the ceiling")?;
        let took = took.doing("measuring the broker's ceiling")?;
        self.await_ready(queue, count).await?;
        let delete = self.channel.queue_delete(queue.into(), QueueDeleteOptions::default());
        within(ANSWER, "deleting the raw publisher's queue", delete).await?;
        Ok(f64::from(count) / took.as_secs_f64())
    }

    /// The broker counts what it has confirmed with a delay.
    async fn await_ready(&self, queue: &str, count: u32) -> Result<(), Failure> {
        for _ in 0..100 {
            if self.ready(queue).await? == count {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await; // between two looks
        }
        let there = self.ready(queue).await?;
        Err(Failure::new(format!("{count} messages were confirmed and {there} are in {queue}")))
    }

    pub async fn close(self) -> Result<(), Failure> {
        let delete = self.channel.queue_delete(self.queue.as_str().into(), QueueDeleteOptions::default());
        within(ANSWER, "deleting the queue", delete).await?;
        let delete = self.channel.exchange_delete(self.exchange.as_str().into(), ExchangeDeleteOptions::default());
        within(ANSWER, "deleting the exchange", delete).await?;
        within(ANSWER, "closing the broker connection", self.connection.close(200, "done".into())).await
    }
}
