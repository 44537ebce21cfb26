//! A database of one round's own: made, filled, asked whether everything has left, dropped.
//!
//! Called by `stage` and the cases. Promises that only a database that it created is ever dropped.

use std::time::Duration;

use testkit::urls::with_path;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls};

use crate::failure::{Doing, Failure, within};

const CONNECT: Duration = Duration::from_secs(10);
const STATEMENT: Duration = Duration::from_secs(60);
/// Filling twenty million rows takes a while.
const FILL: Duration = Duration::from_secs(3_600);

/// Our table's INSERT: $1 rows, $2 aggregates, $3 bytes of payload.
pub const INSERT: &str = r#"INSERT INTO outbox.events (aggregate_type, aggregate_id, event_type, payload)
SELECT 'order', 'order-' || lpad((n % $2)::text, 8, '0'), 'order.created',
       ('{"order":' || n || ',"note":"' || repeat('x', greatest($3 - 30, 0)::int) || '"}')::json
FROM generate_series(1, $1) n"#;
/// Whether everything has left our table. From the floors on, like a claim: a look must not cost what it measures.
pub const DONE: &str = "SELECT NOT EXISTS (SELECT FROM outbox.lanes l CROSS JOIN LATERAL (
    SELECT FROM outbox.events e WHERE e.lane = l.lane AND e.published_at IS NULL AND e.seq >= l.floor LIMIT 1) pending)";

/// A database, and one connection to it.
pub struct Database {
    pub url: String,
    pub client: Client,
    name: String,
    server: Config,
}

/// What was written so far.
#[derive(Debug, Clone, Copy)]
pub struct Writes {
    /// Of the server's log.
    pub wal_bytes: f64,
    /// Versions of our rows that an UPDATE or a DELETE left dead, whether vacuum has removed them or not.
    pub dead_tuples: f64,
}

/// How many rows, over how many aggregates, of what size.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    pub count: u32,
    pub aggregates: u32,
    pub payload_bytes: u32,
}

impl Rows {
    /// Rows of 1 KB.
    pub fn new(count: u32, aggregates: u32) -> Self {
        Self { count, aggregates, payload_bytes: 1_024 }
    }
}

impl Database {
    pub async fn create(server_url: &str, name: &str) -> Result<Self, Failure> {
        let server: Config = server_url.parse().doing("reading DATABASE_URL")?;
        let create = format!("CREATE DATABASE {name}");
        within(STATEMENT, "creating a database", connect(&server).await?.batch_execute(&create)).await?;
        let url = with_path(server_url, name);
        let client = connect(&url.parse().doing("reading the database's URL")?).await?;
        Ok(Self { url, client, name: name.to_owned(), server })
    }

    /// Commits rows in one transaction.
    pub async fn insert(&self, sql: &str, rows: Rows) -> Result<(), Failure> {
        let (count, aggregates, bytes) =
            (i64::from(rows.count), i64::from(rows.aggregates), i64::from(rows.payload_bytes));
        let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&count, Type::INT8), (&aggregates, Type::INT8), (&bytes, Type::INT8)];
        within(FILL, "committing rows", self.client.execute_typed(sql, &params)).await.map(|_| ())
    }

    /// The one boolean of a query.
    pub async fn is(&self, sql: &str) -> Result<bool, Failure> {
        let row =
            within(STATEMENT, "asking whether everything has left", self.client.query_typed_one(sql, &[])).await?;
        row.try_get(0).doing("reading whether everything has left")
    }

    /// What the server's log and our tables got so far.
    pub async fn writes(&self) -> Result<Writes, Failure> {
        let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8,
                          (SELECT coalesce(sum(n_tup_upd + n_tup_del), 0)::float8 FROM pg_stat_user_tables WHERE schemaname = 'outbox')";
        let row = within(STATEMENT, "asking what was written", self.client.query_typed_one(sql, &[])).await?;
        let value = |column: usize| row.try_get(column).doing("reading what was written");
        Ok(Writes { wal_bytes: value(0)?, dead_tuples: value(1)? })
    }

    /// Statements without results.
    pub async fn run(&self, sql: &str) -> Result<(), Failure> {
        within(FILL, "preparing the database", self.client.batch_execute(sql)).await
    }

    /// The server's processes that serve this database, besides the one that asks.
    pub async fn backends(&self) -> Result<Vec<u32>, Failure> {
        let sql = "SELECT pid FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        let rows = within(STATEMENT, "listing backends", self.client.query_typed(sql, &[])).await?;
        rows.iter().map(|row| row.try_get::<_, i32>(0).map(i32::unsigned_abs).doing("reading a process id")).collect()
    }

    /// Another connection.
    pub async fn another(&self) -> Result<Client, Failure> {
        connect(&self.url.parse().doing("reading the database's URL")?).await
    }

    pub async fn drop(self) -> Result<(), Failure> {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        within(STATEMENT, "dropping a database", connect(&self.server).await?.batch_execute(&drop)).await
    }
}

async fn connect(config: &Config) -> Result<Client, Failure> {
    let mut config = config.clone();
    config.application_name("outbox-bench").connect_timeout(CONNECT);
    let (client, connection) = within(CONNECT, "connecting to PostgreSQL", config.connect(NoTls)).await?;
    // It ends with the client; an error shows in the client's own calls.
    tokio::spawn(connection);
    Ok(client)
}

/// The server's version and buffers.
pub async fn version(server_url: &str) -> Result<String, Failure> {
    let client = connect(&server_url.parse().doing("reading DATABASE_URL")?).await?;
    let ask =
        "SELECT current_setting('server_version') || ' with ' || current_setting('shared_buffers') || ' of buffers'";
    let row = within(STATEMENT, "asking for the version", client.query_typed_one(ask, &[])).await?;
    row.try_get(0).doing("reading the version")
}
