//! A fresh database with the relay's tables for each test, dropped by the server's end.

use std::sync::atomic::{AtomicU32, Ordering};

use order_domain::order::NewOrder;
use order_domain::{Context, Event, Order};
use tokio_postgres::{Client, NoTls};

use crate::support::samples::{a, order_in_parts};

const MIGRATION: &str = include_str!("../../../sql/migrations/0001_outbox.up.sql");

/// What one placed order tells: everybody, Inventory, Notification and Analytics.
pub const PLACED_EVENTS: i64 = 4;

/// Where the database of one test is.
pub struct Database {
    url: String,
}

impl Database {
    /// A new one, with the outbox and a table of orders.
    pub async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server_url();
        let name = format!("order_domain_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&server).await;
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.expect("it is created");
        let (address, query) = server.split_once('?').map_or((server.as_str(), ""), |(a, q)| (a, q));
        let at = address.rfind('/').expect("the URL names a database");
        let database = Self { url: format!("{}/{name}?{query}", &address[..at]) };
        let client = database.client().await;
        client.batch_execute(MIGRATION).await.expect("the migration is applied");
        let orders = "CREATE TABLE orders (id text PRIMARY KEY, body json NOT NULL)";
        client.batch_execute(orders).await.expect("the table is created");
        database
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }

    /// Rows that are committed.
    pub async fn events(&self) -> i64 {
        let row = self.client().await.query_one("SELECT count(*) FROM outbox.events", &[]).await;
        row.expect("counted").get(0)
    }
}

fn server_url() -> String {
    std::env::var("OUTBOX_TEST_DATABASE_URL")
        .expect("OUTBOX_TEST_DATABASE_URL is set: run this through dev/with-services")
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test server is reachable");
    tokio::spawn(async move {
        // The client of a finished test is gone; nobody is left to be told.
        drop(connection.await);
    });
    client
}

/// The events of a new order with that id.
pub fn placed(id: &str, context: &Context) -> Vec<Event> {
    let new = NewOrder { id: a(id), ..order_in_parts() };
    Order::place(new, context).expect("placed").events
}
