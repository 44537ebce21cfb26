//! The arguments of `run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::services::{BrokerArgs, DatabaseArgs, RouteArgs};

/// `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Direct URL for LISTEN, where the other passes a pooler in transaction mode; --database-url if absent
    #[arg(
        long,
        env = "OUTBOX_LISTEN_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Database"
    )]
    pub listen_database_url: Option<String>,
    /// File that holds that URL; read again at each connect
    #[arg(long, env = "OUTBOX_LISTEN_DATABASE_URL_FILE", value_name = "FILE", help_heading = "Database")]
    pub listen_database_url_file: Option<PathBuf>,

    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArgs,

    /// Where to publish.
    #[command(flatten)]
    pub routes: RouteArgs,
    /// Declare the exchanges of the routes (durable; topic, unless the routes file says otherwise) after each connect, and nothing else
    #[arg(long, env = "OUTBOX_DECLARE", help_heading = "Routes")]
    pub declare: bool,

    /// The pace.
    #[command(flatten)]
    pub pace: PaceArgs,

    /// Failures.
    #[command(flatten)]
    pub failures: FailureArgs,

    /// Operation.
    #[command(flatten)]
    pub ops: OpsArgs,
}

/// How fast and how much.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pace")]
pub struct PaceArgs {
    /// What wakes the relay besides polling: poll (nothing), or listen (NOTIFY, after migrate --with-notify)
    #[arg(long, env = "OUTBOX_WAKE", default_value = "poll", value_name = "MODE")]
    pub wake: String,
    /// Look for work at least this often
    #[arg(long, env = "OUTBOX_POLL_INTERVAL", default_value = "250ms", value_name = "DURATION")]
    pub poll_interval: String,
    /// Events in a batch, 1 to 10000
    #[arg(long, allow_hyphen_values = true, env = "OUTBOX_BATCH_SIZE", default_value = "500", value_name = "EVENTS")]
    pub batch_size: String,
    /// Bytes of payload in flight, of all workers together
    #[arg(long, env = "OUTBOX_BATCH_BYTES", default_value = "16MiB", value_name = "SIZE")]
    pub batch_bytes: String,
    /// Workers at the most, 1 to 16; one works while there is little to do
    #[arg(long, allow_hyphen_values = true, env = "OUTBOX_WORKERS", default_value = "4", value_name = "COUNT")]
    pub workers: String,
    /// A batch ends after this long, whatever the broker does
    #[arg(long, env = "OUTBOX_BATCH_DEADLINE", default_value = "2s", value_name = "DURATION")]
    pub batch_deadline: String,
}

/// What happens when something does not go through.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Failures")]
pub struct FailureArgs {
    /// Retries after the first attempt, 0 to 100
    #[arg(long, allow_hyphen_values = true, env = "OUTBOX_MAX_RETRIES", default_value = "3", value_name = "COUNT")]
    pub max_retries: String,
    /// Pause before the first retry; it doubles
    #[arg(long, env = "OUTBOX_RETRY_BACKOFF_MIN", default_value = "1s", value_name = "DURATION")]
    pub retry_backoff_min: String,
    /// The longest pause between retries
    #[arg(long, env = "OUTBOX_RETRY_BACKOFF_MAX", default_value = "10s", value_name = "DURATION")]
    pub retry_backoff_max: String,
    /// Whether a key goes on after a dead letter: continue (its later events leave), or hold (they wait for an operator)
    #[arg(long, env = "OUTBOX_ON_DEAD_LETTER", default_value = "continue", value_name = "POLICY")]
    pub on_dead_letter: String,
    /// How long a sent message may stay unconfirmed
    #[arg(long, env = "OUTBOX_CONFIRM_TIMEOUT", default_value = "15s", value_name = "DURATION")]
    pub confirm_timeout: String,
    /// Largest payload; larger ones become dead letters
    #[arg(long, env = "OUTBOX_MAX_MESSAGE_SIZE", default_value = "16MiB", value_name = "SIZE")]
    pub max_message_size: String,
}

/// Operation.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Operation")]
pub struct OpsArgs {
    /// How long a stop may take
    #[arg(long, env = "OUTBOX_DRAIN_TIMEOUT", default_value = "20s", value_name = "DURATION")]
    pub drain_timeout: String,
    /// Published events are deleted after this long; off keeps them
    #[arg(long, env = "OUTBOX_RETENTION", default_value = "7d", value_name = "DURATION")]
    pub retention: String,
    /// Where /metrics, /livez, /readyz, /status and /wake are served; off serves nothing
    #[arg(long, env = "OUTBOX_ADMIN_ADDR", default_value = "[::]:9632", value_name = "ADDRESS")]
    pub admin_addr: String,
    /// Who may POST /wake: loopback (this host, which in a pod is its containers), or any (who reaches the port)
    #[arg(long, env = "OUTBOX_WAKE_FROM", default_value = "loopback", value_name = "WHO")]
    pub wake_from: String,
    /// Form of the log: text (for people), or json (one object per line)
    #[arg(long, env = "OUTBOX_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: String,
    /// Level of the log, or a filter such as info,outbox_relay=debug
    #[arg(long, env = "OUTBOX_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
}

/// What wakes the relay besides polling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WakeMode {
    /// Nothing.
    Poll,
    /// NOTIFY, after `migrate --with-notify`.
    Listen,
}

/// Whether a key goes on after a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AfterDeadLetter {
    /// Its later events leave.
    Continue,
    /// They wait until its row in outbox.waits is deleted.
    Hold,
}

/// What `run --help` opens with.
pub(super) const ABOUT: &str = "\
Relay events until told to stop.

Starts and stays up without database or broker, and waits for both. The first SIGTERM or SIGINT drains: nothing more is claimed, confirms are \
awaited and settled for up to --drain-timeout; the second ends it at once. 'outbox-relay check' with the same arguments tries them first.

  outbox-relay run --database-url postgres://relay@db.example/shop --amqp-url amqps://relay@mq.example/
  outbox-relay run --routes routes.toml --declare --log-format json

Exit codes: 0 stopped · 64 wrong usage or configuration, all problems together · 70 a bug.";
