//! How to reach the two services, and where to publish: the arguments that several commands share.

use std::path::PathBuf;

use clap::Args;

/// How to reach the database.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// PostgreSQL URL, for example postgres://user@localhost:5432/shop; to another host append ?sslmode=disable (no TLS yet)
    #[arg(long, env = "OUTBOX_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// User; overrules the URL's
    #[arg(long, env = "OUTBOX_DATABASE_USER", value_name = "NAME")]
    pub database_user: Option<String>,
    /// Password; overrules the URL's
    #[arg(long, env = "OUTBOX_DATABASE_PASSWORD", hide_env_values = true, value_name = "SECRET")]
    pub database_password: Option<String>,
    /// File that holds the password; read again at each connect
    #[arg(long, env = "OUTBOX_DATABASE_PASSWORD_FILE", value_name = "FILE")]
    pub database_password_file: Option<PathBuf>,
    /// Schema of the outbox tables
    #[arg(long, env = "OUTBOX_SCHEMA", default_value = "outbox", value_name = "NAME")]
    pub schema: String,
}

/// How to reach the broker.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Broker")]
pub struct BrokerArgs {
    /// RabbitMQ URL, for example amqp://user@host:5672/vhost; for a cluster several, with commas or the flag repeated
    #[arg(
        long = "amqp-url",
        env = "OUTBOX_AMQP_URL",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub amqp_urls: Vec<String>,
    /// User; overrules the URLs'
    #[arg(long, env = "OUTBOX_AMQP_USER", value_name = "NAME")]
    pub amqp_user: Option<String>,
    /// Password; overrules the URLs'
    #[arg(long, env = "OUTBOX_AMQP_PASSWORD", hide_env_values = true, value_name = "SECRET")]
    pub amqp_password: Option<String>,
    /// File that holds the password; read again at each connect
    #[arg(long, env = "OUTBOX_AMQP_PASSWORD_FILE", value_name = "FILE")]
    pub amqp_password_file: Option<PathBuf>,
}

/// Where events are published.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Routes")]
pub struct RouteArgs {
    /// Routes file (TOML, see docs/routes.md); without one every event goes to --exchange with its type as the routing key
    #[arg(long, env = "OUTBOX_ROUTES", value_name = "FILE")]
    pub routes: Option<PathBuf>,
    /// Exchange of every route that names none
    #[arg(long, env = "OUTBOX_EXCHANGE", default_value = "order.events", value_name = "NAME")]
    pub exchange: String,
    /// Who publishes, where the route does not say so: app_id and the envelope's source
    #[arg(long, env = "OUTBOX_SOURCE", default_value = "order-service", value_name = "NAME")]
    pub source: String,
}
