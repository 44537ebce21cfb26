//! Flags, each with its environment twin. Every limit of the service is here.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use order_domain::inbox::Retention;

use crate::neighbours::NeighbourSettings;

/// The reference order service: orders over HTTP, their events in the outbox.
#[derive(Debug, Parser)]
#[command(name = "order-service")]
pub struct Settings {
    /// Where to listen; there is no authentication, so beyond loopback something else has to do that
    #[arg(long, env = "ORDER_SERVICE_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where Prometheus reads /metrics; absent means nowhere
    #[arg(long, env = "ORDER_SERVICE_ADMIN_LISTEN")]
    pub admin_listen: Option<SocketAddr>,
    /// The database, with the relay's tables in it; spoken to without TLS
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// The schema of the relay's tables, its --schema
    #[arg(long, env = "ORDER_SERVICE_OUTBOX_SCHEMA", default_value = "outbox")]
    pub outbox_schema: String,
    /// Create the service's own tables and end; otherwise that is done at every start
    #[arg(long)]
    pub migrate: bool,
    /// Connections to the database, at most
    #[arg(long, env = "ORDER_SERVICE_POOL_SIZE", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub pool_size: u16,
    /// Connections of clients, at most; more wait to be accepted
    #[arg(long, env = "ORDER_SERVICE_CONNECTIONS_MAX", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub connections_max: u16,
    /// Bytes of a request's body, at most
    #[arg(long, env = "ORDER_SERVICE_BODY_BYTES_MAX", default_value_t = 2 << 20, value_parser = clap::value_parser!(u32).range(1024..=8 << 20))]
    pub body_bytes_max: u32,
    /// Seconds that a request may take, with the reading of its body
    #[arg(long, env = "ORDER_SERVICE_REQUEST_SECONDS_MAX", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=300))]
    pub request_seconds_max: u16,
    /// Seconds that the database may work on one statement
    #[arg(long, env = "ORDER_SERVICE_STATEMENT_SECONDS_MAX", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=300))]
    pub statement_seconds_max: u16,
    /// Seconds that a request may wait for another one of the same order
    #[arg(long, env = "ORDER_SERVICE_LOCK_SECONDS_MAX", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=300))]
    pub lock_seconds_max: u16,
    /// The broker, amqp://user:password@host:port/vhost; absent means that other services are not heard
    #[arg(long, env = "ORDER_SERVICE_AMQP_URL", hide_env_values = true)]
    pub amqp_url: Option<String>,
    /// Declare the exchanges of other services too; otherwise their owners do
    #[arg(long, env = "ORDER_SERVICE_DECLARE_TOPOLOGY")]
    pub declare_topology: bool,
    /// Messages that the broker sends ahead, for each queue
    #[arg(long, env = "ORDER_SERVICE_PREFETCH", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub prefetch: u16,
    /// Connections of the consumers to the database, at most, beside --pool-size
    #[arg(long, env = "ORDER_SERVICE_CONSUMER_POOL_SIZE", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub consumer_pool_size: u16,
    /// Seconds that a consumer pauses when the database or something else is away, before it tries one message
    #[arg(long, env = "ORDER_SERVICE_CONSUMER_PAUSE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub consumer_pause_seconds: u16,
    /// Days that the inbox remembers a message; relays may send one again for 8 days
    #[arg(long, env = "ORDER_SERVICE_INBOX_RETENTION_DAYS", default_value_t = 14, value_parser = clap::value_parser!(u16).range(8..=3650))]
    pub inbox_retention_days: u16,
    /// Seconds that requests and messages have to end in after SIGTERM
    #[arg(long, env = "ORDER_SERVICE_DRAIN_SECONDS_MAX", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=300))]
    pub drain_seconds_max: u16,
    #[command(flatten)]
    pub neighbours: NeighbourSettings,
}

impl Settings {
    pub fn request_deadline(&self) -> Duration {
        Duration::from_secs(self.request_seconds_max.into())
    }

    pub fn consumer_pause(&self) -> Duration {
        Duration::from_secs(self.consumer_pause_seconds.into())
    }

    /// Refuses what is shorter than messages may come again; the flag's own range says the same.
    pub fn inbox_retention(&self) -> Result<Retention, String> {
        let kept = Duration::from_secs(u64::from(self.inbox_retention_days) * 86_400);
        Retention::new(kept).map_err(|e| format!("--inbox-retention-days: {e}"))
    }

    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds_max.into())
    }
}
