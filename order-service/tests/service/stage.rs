//! A service with a database of its own, and the questions that tests ask both.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_postgres::Client;

use crate::bodies;
use crate::database::Database;
use crate::http::{Answer, Request, send};
use crate::program::Program;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stage {
    pub database: Database,
    pub service: Program,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A service that was started with these flags too.
    pub async fn with(flags: &[&str]) -> Self {
        let database = Database::new().await;
        let service = Program::start(database.url(), flags).await;
        Self { database, service }
    }

    pub async fn request(&self, request: &Request<'_>) -> Answer {
        send(self.service.address, request).await.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(&Request { method: "GET", path, headers: &[], body: None }).await
    }

    /// POSTs JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send_json("POST", path, body).await
    }

    pub async fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let (headers, body) = ([("Content-Type", "application/json")], body.to_string());
        self.request(&Request { method, path, headers: &headers, body: Some(body.as_bytes()) }).await
    }

    /// Places by a key.
    pub async fn place(&self, key: &str, body: &str) -> Answer {
        place(self.service.address, key, body).await.expect("an answer")
    }

    /// The id of a new order.
    pub async fn placed(&self) -> String {
        let answer = self.place(&uuid::Uuid::new_v4().to_string(), bodies::ORDER).await;
        answer.data(201)["id"].as_str().expect("it has an id").to_owned()
    }

    /// Committed orders and events.
    pub async fn counts(&self) -> (i64, i64) {
        let client = self.database.client().await;
        let row = client.query_one("SELECT count(*) FROM order_service.orders", &[]).await.expect("counted");
        (row.get(0), self.database.events().await)
    }

    /// The types of an order's events, in their order.
    pub async fn events(&self, id: &str) -> Vec<String> {
        let sql = "SELECT event_type FROM outbox.events WHERE aggregate_id = $1 ORDER BY seq";
        let rows = self.database.client().await.query(sql, &[&id]).await.expect("read");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

pub async fn place(address: std::net::SocketAddr, key: &str, body: &str) -> std::io::Result<Answer> {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    send(address, &Request { method: "POST", path: "/orders", headers: &headers, body: Some(body.as_bytes()) }).await
}

/// Asks until the statement, which answers one boolean, says yes.
pub async fn until(client: &Client, what: &str, sql: &str) {
    let end = Instant::now() + PATIENCE;
    while !client.query_one(sql, &[]).await.expect("asked").get::<_, bool>(0) {
        assert!(Instant::now() < end, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await; // between two looks
    }
}
