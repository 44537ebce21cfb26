//! Services that hear: a database, a vhost and one or more replicas, with what tests tell them and ask them.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bodies;
use crate::broker::Broker;
use crate::database::Database;
use crate::program::Program;
use crate::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(90);
const QUEUES: [&str; 4] = [
    "OrderService_NotificationEvents",
    "OrderService_InventoryEvents",
    "OrderService_ProductEvents",
    "OrderService_PaymentEvents",
];
/// Short, where a test waits for the end of a pause.
pub const PAUSE: [&str; 2] = ["--consumer-pause-seconds", "1"];

pub struct Hearers {
    pub broker: Broker,
    /// The database, and the replica that is asked.
    pub stage: Stage,
    /// The other replicas.
    pub others: Vec<Program>,
}

impl Hearers {
    /// One replica, which consumes.
    pub async fn new(flags: &[&str]) -> Self {
        Self::with_replicas(flags, 1).await
    }

    /// So many replicas, which consume.
    pub async fn with_replicas(flags: &[&str], replicas: usize) -> Self {
        let (broker, database) = (Broker::new().await, Database::new().await);
        let service = start(&database, broker.url(), flags).await;
        let mut others = Vec::new();
        for _ in 1..replicas {
            others.push(start(&database, broker.url(), flags).await);
        }
        let hearers = Self { broker, stage: Stage { database, service }, others };
        hearers.until_consuming(replicas).await;
        hearers
    }

    /// One replica on a broker where nobody else has declared anything.
    pub async fn without_exchanges() -> Self {
        let (broker, database) = (Broker::new().await, Database::new().await);
        let service = Program::start(database.url(), &["--amqp-url", broker.url()]).await;
        Self { broker, stage: Stage { database, service }, others: Vec::new() }
    }

    /// Waits until each queue is bound and consumed by so many replicas.
    pub async fn until_consuming(&self, replicas: usize) {
        self.eventually("every queue is consumed", async || {
            let health = self.stage.get("/health").await;
            let bound = health.status == 200
                && health.data(200)["consumers"].as_array().is_some_and(|all| {
                    all.iter().all(|queue| {
                        queue["state"] == "RUNNING" && queue["problems"].as_array().is_some_and(Vec::is_empty)
                    })
                });
            let mut consumed = bound;
            for queue in QUEUES {
                consumed &= usize::try_from(self.broker.consumers(queue).await).is_ok_and(|found| found == replicas);
            }
            consumed
        })
        .await;
    }

    /// An order, and the id of its first line.
    pub async fn placed(&self) -> (String, String) {
        let answer = self.stage.place(&uuid::Uuid::new_v4().to_string(), bodies::ORDER).await.data(201);
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        (text(&answer["id"]), text(&answer["items"][0]["orderItemId"]))
    }

    pub async fn order(&self, id: &str) -> Value {
        self.stage.get(&format!("/orders/{id}")).await.data(200)
    }

    /// The id of an order's first notification of a type.
    pub async fn notification(&self, id: &str, kind: &str) -> String {
        let order = self.order(id).await;
        let all = order["notifications"].as_array().expect("notifications");
        let found = all.iter().find(|one| one["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {order}"));
        found["notificationId"].as_str().expect("an id").to_owned()
    }

    /// As the Notification Service tells it, without an AMQP id.
    pub async fn tell(&self, key: &str, body: &Value) {
        self.broker.publish("notification.events", key, None, body.to_string().as_bytes()).await;
    }

    /// As Inventory tells it: `created`, `confirmed`, `cancelled`, `fulfilled`.
    pub async fn tell_inventory(&self, what: &str, body: &Value) {
        let key = format!("inventory.allocation{what}.allocation");
        self.broker.publish("inventory.events", &key, None, body.to_string().as_bytes()).await;
    }

    pub async fn tell_product(&self, key: &str, body: &Value) {
        self.broker.publish("product.events", key, None, body.to_string().as_bytes()).await;
    }

    pub async fn tell_payment(&self, body: &Value) {
        self.broker.publish("payment.events", "payment.completed", None, body.to_string().as_bytes()).await;
    }

    /// Waits until an order is as wanted.
    pub async fn until(&self, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let order = self.order(id).await;
            if is_so(&order) {
                return order;
            }
            assert!(Instant::now() < end, "not in time: {what}: {order}\n{}", self.stage.service.log().join("\n"));
            tokio::time::sleep(Duration::from_millis(50)).await; // between two looks
        }
    }

    /// Waits until this many messages have their effect: marks of the inbox.
    pub async fn until_handled(&self, messages: i64) {
        self.eventually(&format!("{messages} messages are handled"), async || self.marks().await >= messages).await;
        assert_eq!(self.marks().await, messages);
    }

    /// Messages that had their effect.
    pub async fn marks(&self) -> i64 {
        let sql = "SELECT count(*) FROM inbox.handled_messages";
        self.stage.database.client().await.query_one(sql, &[]).await.expect("counted").get(0)
    }

    /// Waits until no message is left: ready, being handled, or waiting to be tried again.
    pub async fn until_empty(&self) {
        self.eventually("every queue is empty", async || {
            let mut left = 0;
            for queue in QUEUES {
                left += self.broker.ready(queue).await.unwrap_or_default();
            }
            left == 0
        })
        .await;
    }

    /// Outcomes of all replicas together.
    pub async fn counts(&self) -> impl Fn(&str) -> u64 + use<> {
        let mut all = Vec::new();
        for address in std::iter::once(self.stage.service.address).chain(self.others.iter().map(|other| other.address))
        {
            let request = crate::http::Request { method: "GET", path: "/health", headers: &[], body: None };
            all.push(crate::http::send(address, &request).await.expect("an answer").data(200));
        }
        move |name| {
            let sources = all.iter().filter_map(|health| health["heard"].as_array()).flatten();
            sources.filter_map(|source| source["outcomes"][name].as_u64().or_else(|| source[name].as_u64())).sum()
        }
    }

    pub async fn until_counted(&self, what: &str, is_so: impl Fn(&dyn Fn(&str) -> u64) -> bool) {
        self.eventually(what, async || is_so(&self.counts().await)).await;
    }

    /// Waits for this many open dead letters.
    pub async fn until_dead(&self, letters: usize) -> Vec<Value> {
        let read = async || self.stage.get("/admin/dead-letters?limit=100").await.data(200)["deadLetters"].clone();
        self.eventually("the dead letters are stored", async || {
            read().await.as_array().is_some_and(|found| found.len() >= letters)
        })
        .await;
        let found = read().await.as_array().cloned().unwrap_or_default();
        assert_eq!(found.len(), letters, "{found:?}");
        found
    }

    /// An order of that id, a copy of a new one.
    pub async fn invent_order(&self, id: &str) {
        let (copied, _) = self.placed().await;
        let sql = "INSERT INTO order_service.orders SELECT $2, number + 1000, 'key-' || $2, request_sha256, user_id, status, version,
                   currency, total, item_count, created_at, replace(body::text, $1, $2)::json FROM order_service.orders WHERE id = $1";
        self.stage.database.client().await.execute(sql, &[&copied, &id]).await.expect("copied");
    }

    pub async fn eventually(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so().await {
            assert!(Instant::now() < end, "not in time: {what}\n{}", self.stage.service.log().join("\n"));
            tokio::time::sleep(Duration::from_millis(50)).await; // between two looks
        }
    }
}

/// A replica that declares what is missing.
pub async fn start(database: &Database, amqp_url: &str, flags: &[&str]) -> Program {
    let flags = [&["--amqp-url", amqp_url, "--declare-topology"], flags].concat();
    Program::start(database.url(), &flags).await
}
