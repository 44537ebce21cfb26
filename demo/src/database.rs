//! The demo's own database on the server it was given.
//!
//! Called by `stage` (create, drop) and by everyone who needs a connection. Promises a database nobody else had before,
//! and that only a database it created is ever dropped. Refuses connection strings that are not URLs, since the relay
//! gets the same URL with another name, and TLS: the demo's own connections are plain.

use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls};

use crate::failure::{Doing, Failure, within};
use crate::story::Committed;

const CONNECT: Duration = Duration::from_secs(10);
const STATEMENT: Duration = Duration::from_secs(30);

pub struct Database {
    pub name: String,
    pub url: String,
    pub config: Config,
    server: Config,
}

impl Database {
    pub async fn create(server_url: &str, name: &str) -> Result<Self, Failure> {
        let url = with_name(server_url, name)?;
        let server = parse(server_url)?;
        let config = parse(&url)?;
        let client = connect(&server).await?;
        let create = format!("CREATE DATABASE {name}");
        within(STATEMENT, "creating the demo's database", client.batch_execute(&create)).await?;
        Ok(Self { name: name.to_owned(), url, config, server })
    }

    /// The order service's own table; the relay knows nothing of it.
    pub async fn create_orders(&self) -> Result<(), Failure> {
        let client = connect(&self.config).await?;
        let table = "CREATE TABLE orders (id text PRIMARY KEY, status text NOT NULL, version bigint NOT NULL)";
        within(STATEMENT, "creating the orders table", client.batch_execute(table)).await
    }

    /// Every event that was committed so far, as the outbox holds it.
    pub async fn committed(&self) -> Result<Vec<Committed>, Failure> {
        let client = connect(&self.config).await?;
        let sql = "SELECT id, coalesce(partition_key, aggregate_id), event_type, seq FROM outbox.events ORDER BY seq";
        let rows = within(STATEMENT, "reading the outbox", client.query(sql, &[])).await?;
        let event = |row: &tokio_postgres::Row| Committed {
            id: row.get(0),
            key: row.get(1),
            event_type: row.get::<_, &str>(2).into(),
            seq: row.get(3),
        };
        Ok(rows.iter().map(event).collect())
    }

    /// FORCE, because a relay or writer that was killed may leave a backend behind for a moment.
    pub async fn drop(self) -> Result<(), Failure> {
        let client = connect(&self.server).await?;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        within(STATEMENT, "dropping the demo's database", client.batch_execute(&drop)).await
    }

    /// Where events that did not arrive are, in the outbox's own words.
    pub async fn outbox_state(&self) -> Result<String, Failure> {
        let client = connect(&self.config).await?;
        let sql = "SELECT format('%s pending, %s published, %s keys waiting, %s holds, %s dead letters',
                          count(*) FILTER (WHERE published_at IS NULL), count(published_at),
                          (SELECT count(*) FROM outbox.waits), (SELECT count(*) FROM outbox.holds),
                          (SELECT count(*) FROM outbox.dead_letters))
                   FROM outbox.events";
        let row = within(STATEMENT, "reading the outbox", client.query_one(sql, &[])).await?;
        Ok(row.get(0))
    }
}

pub async fn connect(config: &Config) -> Result<Client, Failure> {
    let (client, connection) = within(CONNECT, "connecting to PostgreSQL", config.connect(NoTls)).await?;
    // It ends with the client; an error shows in the client's own calls.
    tokio::spawn(connection);
    Ok(client)
}

fn parse(url: &str) -> Result<Config, Failure> {
    let mut config: Config = url.parse().doing("reading DATABASE_URL")?;
    config.application_name("outbox-demo").connect_timeout(CONNECT);
    Ok(config)
}

/// The same URL with another database: what stands between the authority and the query.
fn with_name(url: &str, name: &str) -> Result<String, Failure> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| Failure::new("DATABASE_URL must be a URL: postgres://user:password@host:port/database"))?;
    let authority = rest.find(['/', '?']).map_or(rest, |end| &rest[..end]);
    let query = rest.find('?').map_or("", |start| &rest[start..]);
    Ok(format!("{scheme}://{authority}/{name}{query}"))
}
