//! The consumers' side of the broker: exchanges, queues and bindings. The relay declares none of these by itself, so the
//! bed does it for each test.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    Classic,
    /// Killed with its broker less than about four seconds after it was declared, it comes back deaf (seen on 3.10.8): it
    /// neither confirms nor rejects, for ever.
    Quorum,
}

/// A durable queue and what binds it to the exchange.
#[derive(Debug, Clone)]
pub struct Queue {
    pub name: String,
    pub kind: QueueKind,
    pub bindings: Vec<String>,
    /// Further arguments, for example `x-max-length`.
    pub arguments: FieldTable,
}

impl Queue {
    /// Bound to everything.
    pub fn new(name: &str, kind: QueueKind) -> Self {
        Self { name: name.into(), kind, bindings: vec!["#".into()], arguments: FieldTable::default() }
    }

    pub fn bound_to(mut self, patterns: &[&str]) -> Self {
        self.bindings = patterns.iter().map(ToString::to_string).collect();
        self
    }

    pub fn argument(mut self, name: &str, value: impl Into<AMQPValue>) -> Self {
        self.arguments.insert(name.into(), value.into());
        self
    }
}

/// One durable exchange and its queues.
#[derive(Debug, Clone)]
pub struct Topology {
    pub exchange: String,
    pub kind: ExchangeKind,
    pub queues: Vec<Queue>,
}

impl Topology {
    /// The topic exchange `order.events` with these queues.
    pub fn order_events(queues: impl IntoIterator<Item = Queue>) -> Self {
        Self { exchange: "order.events".into(), kind: ExchangeKind::Topic, queues: queues.into_iter().collect() }
    }

    pub async fn declare(&self, channel: &Channel) {
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let exchange = self.exchange.as_str();
        let declared =
            channel.exchange_declare(exchange.into(), self.kind.clone(), durable, FieldTable::default()).await;
        declared.unwrap_or_else(|e| panic!("exchange {exchange}: {e}"));
        for queue in &self.queues {
            self.declare_queue(channel, queue).await;
        }
    }

    async fn declare_queue(&self, channel: &Channel, queue: &Queue) {
        let name = queue.name.as_str();
        let mut arguments = queue.arguments.clone();
        if queue.kind == QueueKind::Quorum {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        }
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(name.into(), durable, arguments).await.unwrap_or_else(|e| panic!("queue {name}: {e}"));
        for pattern in &queue.bindings {
            let bound = channel
                .queue_bind(
                    name.into(),
                    self.exchange.as_str().into(),
                    pattern.as_str().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await;
            bound.unwrap_or_else(|e| panic!("binding of {name} to {pattern}: {e}"));
        }
    }
}
