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
    /// Direct URL for LISTEN, if --database-url goes through a pooler in transaction mode; default: --database-url
    #[arg(
        long,
        env = "OUTBOX_LISTEN_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Database"
    )]
    pub listen_database_url: Option<String>,
    /// File with the URL for LISTEN; read again at each connect
    #[arg(long, env = "OUTBOX_LISTEN_DATABASE_URL_FILE", value_name = "FILE", help_heading = "Database")]
    pub listen_database_url_file: Option<PathBuf>,

    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArgs,

    /// Where to publish.
    #[command(flatten)]
    pub routes: RouteArgs,
    /// Declare only the exchanges of the routes after each connect: durable, and topic unless the routes file says otherwise
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
    /// What announces commits: poll (nothing), listen (NOTIFY, after migrate --with-notify), or poke (each writer posts to /wake)
    #[arg(long, env = "OUTBOX_WAKE", default_value = "poll", value_name = "MODE")]
    pub wake: String,
    /// Look for work at least this often; every 5s where commits are announced and no key waits
    #[arg(long, env = "OUTBOX_POLL_INTERVAL", default_value = "250ms", value_name = "DURATION")]
    pub poll_interval: String,
    /// Most events in a batch, 1 to 10000
    #[arg(long, allow_hyphen_values = true, env = "OUTBOX_BATCH_SIZE", default_value = "500", value_name = "EVENTS")]
    pub batch_size: String,
    /// Most bytes of payload in flight, for all workers together
    #[arg(long, env = "OUTBOX_BATCH_BYTES", default_value = "16MiB", value_name = "SIZE")]
    pub batch_bytes: String,
    /// Most workers, 1 to 16; only one works while there is little to do
    #[arg(long, allow_hyphen_values = true, env = "OUTBOX_WORKERS", default_value = "4", value_name = "COUNT")]
    pub workers: String,
    /// Longest time for a batch, whatever the broker does
    #[arg(long, env = "OUTBOX_BATCH_DEADLINE", default_value = "2s", value_name = "DURATION")]
    pub batch_deadline: String,
}

/// What to do when something fails.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Failures")]
pub struct FailureArgs {
    /// Retries after the first attempt, 0 to 100
    #[arg(long, allow_hyphen_values = true, env = "OUTBOX_MAX_RETRIES", default_value = "3", value_name = "COUNT")]
    pub max_retries: String,
    /// Pause before the first retry; doubles with each retry
    #[arg(long, env = "OUTBOX_RETRY_BACKOFF_MIN", default_value = "1s", value_name = "DURATION")]
    pub retry_backoff_min: String,
    /// Longest pause between retries
    #[arg(long, env = "OUTBOX_RETRY_BACKOFF_MAX", default_value = "10s", value_name = "DURATION")]
    pub retry_backoff_max: String,
    /// What a key does after a dead letter: continue (its later events leave), or hold (they wait for an operator)
    #[arg(long, env = "OUTBOX_ON_DEAD_LETTER", default_value = "continue", value_name = "POLICY")]
    pub on_dead_letter: String,
    /// How long a sent message may stay unconfirmed
    #[arg(long, env = "OUTBOX_CONFIRM_TIMEOUT", default_value = "15s", value_name = "DURATION")]
    pub confirm_timeout: String,
    /// Largest payload; events with larger ones become dead letters
    #[arg(long, env = "OUTBOX_MAX_MESSAGE_SIZE", default_value = "16MiB", value_name = "SIZE")]
    pub max_message_size: String,
}

/// Operation.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Operation")]
pub struct OpsArgs {
    /// How long stopping may take
    #[arg(long, env = "OUTBOX_DRAIN_TIMEOUT", default_value = "20s", value_name = "DURATION")]
    pub drain_timeout: String,
    /// How long to keep published events; off keeps them for ever, 0 deletes each as soon as it is confirmed
    #[arg(long, env = "OUTBOX_RETENTION", default_value = "7d", value_name = "DURATION")]
    pub retention: String,
    /// Whether marks of published events survive a crash of PostgreSQL: on, or off (up to a second of events is sent again)
    #[arg(long, env = "OUTBOX_MARK_DURABILITY", default_value = "on", value_name = "MODE")]
    pub mark_durability: String,
    /// Address of the admin port with /metrics, /livez, /readyz, /status and /wake; off disables it
    #[arg(long, env = "OUTBOX_ADMIN_ADDR", default_value = "[::]:9632", value_name = "ADDRESS")]
    pub admin_addr: String,
    /// Who may POST /wake: loopback (this host; in a pod, its containers), or any (everybody who reaches the port)
    #[arg(long, env = "OUTBOX_WAKE_FROM", default_value = "loopback", value_name = "WHO")]
    pub wake_from: String,
    /// Log format: text (for people), or json (one object per line)
    #[arg(long, env = "OUTBOX_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: String,
    /// Log level, or a filter such as info,outbox_relay=debug
    #[arg(long, env = "OUTBOX_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,
}

/// What wakes the relay in addition to polling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WakeMode {
    /// Nothing.
    Poll,
    /// NOTIFY, after `migrate --with-notify`.
    Listen,
    /// `POST /wake` after each commit, by every writer.
    Poke,
}

/// Whether the marks of published events wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MarkDurability {
    /// Each batch's marks are on disk before the next claim.
    On,
    /// `synchronous_commit = off` for transactions that only mark.
    Off,
}

/// What a key does after a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AfterDeadLetter {
    /// Its later events leave.
    Continue,
    /// They wait until its row in outbox.waits is deleted.
    Hold,
}

/// What `run --help` opens with.
pub(super) const ABOUT: &str = "\
Relay events until stopped.

Starts without the database or the broker, and waits for both. The first SIGTERM or SIGINT \
drains: the relay claims nothing more, and waits up to --drain-timeout for confirms to settle. \
The second ends it at once. To test the arguments first, pass them to 'outbox-relay check'.

  outbox-relay run --database-url postgres://relay@db.example/shop --amqp-url amqps://relay@mq.example/
  outbox-relay run --routes routes.toml --declare --log-format json

Exit codes: 0 stopped · 64 wrong usage or configuration; lists all problems · 70 a bug.";
