//! Arguments shared by several commands: how to reach the two services, and where to publish.

use std::path::PathBuf;

use clap::Args;

/// How to reach the database.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// PostgreSQL URL, for example postgres://user@db.example:5432/shop; uses verified TLS unless the host is this machine or the URL sets sslmode
    #[arg(long, env = "OUTBOX_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// File with the URL; like all files named here, it is read again at each connect
    #[arg(long, env = "OUTBOX_DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
    /// User; overrides the URL's
    #[arg(long, env = "OUTBOX_DATABASE_USER", value_name = "NAME")]
    pub database_user: Option<String>,
    /// File with the user
    #[arg(long, env = "OUTBOX_DATABASE_USER_FILE", value_name = "FILE")]
    pub database_user_file: Option<PathBuf>,
    /// Password; overrides the URL's
    #[arg(long, env = "OUTBOX_DATABASE_PASSWORD", hide_env_values = true, value_name = "SECRET")]
    pub database_password: Option<String>,
    /// File with the password
    #[arg(long, env = "OUTBOX_DATABASE_PASSWORD_FILE", value_name = "FILE")]
    pub database_password_file: Option<PathBuf>,
    /// Certificates of private authorities (PEM), in addition to the built-in public ones
    #[arg(long, env = "OUTBOX_DATABASE_CA_FILE", value_name = "FILE", hide_short_help = true)]
    pub database_ca_file: Option<PathBuf>,
    /// Client certificate (PEM), if the server asks for one
    #[arg(long, env = "OUTBOX_DATABASE_CERT_FILE", value_name = "FILE", hide_short_help = true)]
    pub database_cert_file: Option<PathBuf>,
    /// Key of the client certificate (PEM, without a password), unless the certificate's file contains it
    #[arg(long, env = "OUTBOX_DATABASE_KEY_FILE", value_name = "FILE", hide_short_help = true)]
    pub database_key_file: Option<PathBuf>,
    /// Schema of the outbox tables
    #[arg(long, env = "OUTBOX_SCHEMA", default_value = "outbox", value_name = "NAME")]
    pub schema: String,
}

/// How to reach the broker.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Broker")]
pub struct BrokerArgs {
    /// RabbitMQ URL, for example amqps://user@mq.example:5671/vhost (amqp:// is without TLS); for a cluster, several separated by commas or with the flag repeated
    #[arg(long = "amqp-url", env = "OUTBOX_AMQP_URL", hide_env_values = true, value_name = "URL")]
    pub amqp_urls: Vec<String>,
    /// File with the URL, or several separated by commas or newlines; like all files named here, it is read again at each connect
    #[arg(long, env = "OUTBOX_AMQP_URL_FILE", value_name = "FILE")]
    pub amqp_url_file: Option<PathBuf>,
    /// User; overrides the URLs'
    #[arg(long, env = "OUTBOX_AMQP_USER", value_name = "NAME")]
    pub amqp_user: Option<String>,
    /// File with the user
    #[arg(long, env = "OUTBOX_AMQP_USER_FILE", value_name = "FILE")]
    pub amqp_user_file: Option<PathBuf>,
    /// Password; overrides the URLs'
    #[arg(long, env = "OUTBOX_AMQP_PASSWORD", hide_env_values = true, value_name = "SECRET")]
    pub amqp_password: Option<String>,
    /// File with the password
    #[arg(long, env = "OUTBOX_AMQP_PASSWORD_FILE", value_name = "FILE")]
    pub amqp_password_file: Option<PathBuf>,
    /// Certificates of private authorities (PEM), in addition to the built-in public ones
    #[arg(long, env = "OUTBOX_AMQP_CA_FILE", value_name = "FILE", hide_short_help = true)]
    pub amqp_ca_file: Option<PathBuf>,
    /// Client certificate (PEM), if the broker asks for one
    #[arg(long, env = "OUTBOX_AMQP_CERT_FILE", value_name = "FILE", hide_short_help = true)]
    pub amqp_cert_file: Option<PathBuf>,
    /// Key of the client certificate (PEM, without a password), unless the certificate's file contains it
    #[arg(long, env = "OUTBOX_AMQP_KEY_FILE", value_name = "FILE", hide_short_help = true)]
    pub amqp_key_file: Option<PathBuf>,
}

/// Where events are published.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Routes")]
pub struct RouteArgs {
    /// Routes file (TOML, see docs/routes.md); without one, every event goes to --exchange with its type as the routing key
    #[arg(long, env = "OUTBOX_ROUTES", value_name = "FILE")]
    pub routes: Option<PathBuf>,
    /// Exchange of routes that do not name one
    #[arg(long, env = "OUTBOX_EXCHANGE", default_value = "order.events", value_name = "NAME")]
    pub exchange: String,
    /// Publisher (app_id and the envelope's source) of routes that do not name one
    #[arg(long, env = "OUTBOX_SOURCE", default_value = "order-service", value_name = "NAME")]
    pub source: String,
    /// The relay's own headers (x-outbox-…) on messages of routes that do not say: some of key, seq, route, published-at, or none
    #[arg(long, env = "OUTBOX_MESSAGE_HEADERS", default_value = "key,seq,route", value_name = "LIST")]
    pub message_headers: String,
    /// Properties on messages of routes that do not say: some of type, timestamp, app-id, content-type, correlation-id, or none
    #[arg(
        long,
        env = "OUTBOX_MESSAGE_PROPERTIES",
        default_value = "type,timestamp,app-id,content-type,correlation-id",
        value_name = "LIST"
    )]
    pub message_properties: String,
}
