//! From arguments to a configuration: every value is checked before anything is connected, and every problem is reported together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};
use tokio_postgres::config::{Host, SslMode};

use crate::cli::{AfterDeadLetter, BrokerArgs, DatabaseArgs, FailureArgs, MigrateArgs, RunArgs, WakeMode};
use crate::commands::migrate::Notify;
use crate::link::broker::BrokerSettings;
use crate::link::database::DatabaseSettings;
use crate::link::secret::Secret;
use crate::ops::admin::WakeFrom;
use crate::ops::logging::{self, LogFormat};
use crate::relay::backoff::RetrySteps;
use crate::relay::message::SHORT_STRING_BYTES_MAX;
use crate::relay::route::RouteTable;
use crate::relay::settle::OnDeadLetter;
use crate::relay::store::ClaimLimits;
use crate::relay::verdict::Policy;

/// Everything that `run` needs.
#[derive(Debug)]
pub struct RunConfig {
    /// The database.
    pub database: DatabaseSettings,
    /// For LISTEN, if asked for.
    pub listen: Option<DatabaseSettings>,
    /// The broker.
    pub broker: BrokerSettings,
    /// Schema of the outbox tables.
    pub schema: String,
    /// The routes.
    pub routes: RouteTable,
    /// Verdicts.
    pub policy: Policy,
    /// After a dead letter.
    pub on_dead_letter: OnDeadLetter,
    /// What one claim takes.
    pub limits: ClaimLimits,
    /// Workers at the most.
    pub workers: usize,
    /// How often to look for work.
    pub poll_interval: Duration,
    /// How long a batch may stay open.
    pub batch_deadline: Duration,
    /// How long a stop may take.
    pub drain_timeout: Duration,
    /// How long published events are kept.
    pub retention: Option<Duration>,
    /// Where the admin port listens.
    pub admin_addr: Option<SocketAddr>,
    /// Who may poke.
    pub wake_from: WakeFrom,
    /// Form of the log.
    pub log_format: LogFormat,
    /// Level of the log.
    pub log_level: String,
    /// This process among the replicas.
    pub replica: String,
}

/// Everything that `migrate` needs.
#[derive(Debug)]
pub struct MigrateConfig {
    /// The database; not needed for printing.
    pub database: Option<DatabaseSettings>,
    /// The schema.
    pub schema: String,
    /// The opt-in trigger.
    pub notify: Notify,
}

/// Prefix of the application and connection names of every relay.
pub const PROGRAM: &str = concat!("outbox-relay/", env!("CARGO_PKG_VERSION"));

const LANES_PER_BATCH: usize = 16;
const EVENTS_OF_KEY_PER_BATCH: usize = 32;
const NO_ROUTE_PAUSE: Duration = Duration::from_secs(30);
const RETURNS_IN_A_ROW_MAX: u32 = 20;
const DAY: Duration = Duration::from_secs(86_400);

/// Collects problems while values are read.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, flag: &str, problem: impl std::fmt::Display) {
        self.0.push(format!("--{flag}: {problem}"));
    }

    fn duration(&mut self, flag: &str, text: &str, range: (Duration, Duration)) -> Duration {
        match humantime::parse_duration(text) {
            Ok(duration) if duration >= range.0 && duration <= range.1 => return duration,
            Ok(_) => {
                let (min, max) = (humantime::format_duration(range.0), humantime::format_duration(range.1));
                self.add(flag, format_args!("'{text}' is not from {min} to {max}"));
            }
            Err(_) => self.add(flag, format_args!("'{text}' is no duration such as 250ms, 30s or 7d")),
        }
        range.0
    }

    fn number(&mut self, flag: &str, text: &str, range: (usize, usize)) -> usize {
        match text.parse::<usize>() {
            Ok(number) if number >= range.0 && number <= range.1 => return number,
            Ok(_) | Err(_) => self.add(flag, format_args!("'{text}' is no number from {} to {}", range.0, range.1)),
        }
        range.0
    }

    fn size(&mut self, flag: &str, text: &str, range: (usize, usize)) -> usize {
        match text.parse::<bytesize::ByteSize>() {
            Ok(size) => match usize::try_from(size.as_u64()) {
                Ok(size) if size >= range.0 && size <= range.1 => return size,
                Ok(_) | Err(_) => {
                    let (min, max) = (bytesize::ByteSize(range.0 as u64), bytesize::ByteSize(range.1 as u64));
                    self.add(flag, format_args!("'{text}' is not from {min} to {max}"));
                }
            },
            Err(_) => self.add(flag, format_args!("'{text}' is no size such as 512KiB or 16MiB")),
        }
        range.0
    }

    fn secret(&mut self, flag: &str, text: Option<&String>, file: Option<&PathBuf>) -> Option<Secret> {
        match (text, file) {
            (Some(_), Some(_)) => {
                self.add(flag, format_args!("given beside --{flag}-file; one of them is enough"));
                None
            }
            (Some(text), None) => Some(Secret::Text(text.as_str().into())),
            (None, Some(file)) => {
                let secret = Secret::File(file.clone());
                if let Err(error) = secret.read() {
                    self.add(&format!("{flag}-file"), error);
                }
                Some(secret)
            }
            (None, None) => None,
        }
    }
}

/// Checks `run`'s arguments.
pub fn run_config(args: &RunArgs) -> Result<RunConfig, Vec<String>> {
    let mut problems = Problems::default();
    let (milli, second) = (Duration::from_millis(1), Duration::from_secs(1));
    let name = format!("{PROGRAM}/{}", host());
    let database = database(&mut problems, &args.database, &name);
    let listen = listen(&mut problems, args, &name);
    let broker = broker(&mut problems, &args.broker, name.clone());
    let (pace, failures, ops) = (&args.pace, &args.failures, &args.ops);
    let policy = policy(&mut problems, failures);
    let limits = ClaimLimits {
        lanes: LANES_PER_BATCH,
        events: problems.number("batch-size", &pace.batch_size, (1, 10_000)),
        bytes: problems.size("batch-bytes", &pace.batch_bytes, (64 << 10, 1 << 30)),
        events_of_key: EVENTS_OF_KEY_PER_BATCH,
        payload_bytes: problems.size("max-message-size", &failures.max_message_size, (1 << 10, 512 << 20)),
    };
    // The transaction's own timeouts cut a batch off after 10 s.
    let batch_deadline = problems.duration("batch-deadline", &pace.batch_deadline, (milli * 100, second * 8));
    if policy.confirm_timeout < batch_deadline {
        problems.add("confirm-timeout", "shorter than --batch-deadline");
    }
    let retention = match ops.retention.as_str() {
        "off" => None,
        text => Some(problems.duration("retention", text, (second, DAY * 3_650))),
    };
    let admin_addr = admin_addr(&mut problems, &ops.admin_addr);
    if let Err(error) = logging::filter(&ops.log_level) {
        problems.add("log-level", error);
    }
    let workers = problems.number("workers", &pace.workers, (1, 16));
    let poll_interval = problems.duration("poll-interval", &pace.poll_interval, (milli, second * 3_600));
    let drain_timeout = problems.duration("drain-timeout", &ops.drain_timeout, (second, second * 3_600));
    check_schema(&mut problems, &args.database.schema);
    let (Some(database), Ok(listen), Some(broker), true) = (database, listen, broker, problems.0.is_empty()) else {
        return Err(problems.0);
    };
    Ok(RunConfig {
        database,
        listen,
        broker,
        schema: args.database.schema.clone(),
        routes: RouteTable::single(&args.broker.exchange, &args.broker.source),
        policy,
        on_dead_letter: match failures.on_dead_letter {
            AfterDeadLetter::Continue => OnDeadLetter::Continue,
            AfterDeadLetter::Hold => OnDeadLetter::Hold,
        },
        limits,
        workers,
        poll_interval,
        batch_deadline,
        drain_timeout,
        retention,
        admin_addr,
        wake_from: ops.wake_from,
        log_format: ops.log_format,
        log_level: ops.log_level.clone(),
        replica: format!("{name}/{}", std::process::id()),
    })
}

/// Checks `migrate`'s arguments.
pub fn migrate_config(args: &MigrateArgs) -> Result<MigrateConfig, Vec<String>> {
    let mut problems = Problems::default();
    let prints = args.print || args.print_down;
    let wanted = !prints || args.database.database_url.is_some();
    let name = format!("{PROGRAM}/migrate");
    let database = if wanted { database(&mut problems, &args.database, &name) } else { None };
    check_schema(&mut problems, &args.database.schema);
    let notify = match (args.with_notify, args.without_notify) {
        (true, _) => Notify::With,
        (false, true) => Notify::Without,
        (false, false) => Notify::Keep,
    };
    if problems.0.is_empty() {
        Ok(MigrateConfig { database, schema: args.database.schema.clone(), notify })
    } else {
        Err(problems.0)
    }
}

fn policy(problems: &mut Problems, args: &FailureArgs) -> Policy {
    let range = (Duration::from_millis(1), DAY);
    let steps = RetrySteps {
        min: problems.duration("retry-backoff-min", &args.retry_backoff_min, range),
        max: problems.duration("retry-backoff-max", &args.retry_backoff_max, range),
    };
    if steps.min > steps.max {
        problems.add("retry-backoff-min", "longer than --retry-backoff-max");
    }
    let confirm_range = (Duration::from_secs(1), Duration::from_secs(600));
    Policy {
        retries_max: u32::try_from(problems.number("max-retries", &args.max_retries, (0, 100))).unwrap_or(u32::MAX),
        steps,
        confirm_timeout: problems.duration("confirm-timeout", &args.confirm_timeout, confirm_range),
        no_route_pause: NO_ROUTE_PAUSE,
        returns_in_a_row_max: RETURNS_IN_A_ROW_MAX,
    }
}

fn check_schema(problems: &mut Problems, schema: &str) {
    let first = schema.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let rest = schema.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    // PostgreSQL cuts names at 63 bytes; the notification channel adds `_events`.
    if !first || !rest || schema.len() > 50 {
        problems.add("schema", format_args!("'{schema}' is not [a-z_][a-z0-9_]*, at most 50 long"));
    }
}

fn admin_addr(problems: &mut Problems, text: &str) -> Option<SocketAddr> {
    if text == "off" {
        return None;
    }
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            problems.add(
                "admin-addr",
                format_args!("'{text}' is no address such as [::]:9632 or 127.0.0.1:9632, and not off"),
            );
            None
        }
    }
}

fn database(problems: &mut Problems, args: &DatabaseArgs, name: &str) -> Option<DatabaseSettings> {
    let password =
        problems.secret("database-password", args.database_password.as_ref(), args.database_password_file.as_ref());
    let Some(url) = &args.database_url else {
        problems.add("database-url", "missing (or OUTBOX_DATABASE_URL)");
        return None;
    };
    let mut config = postgres_url(problems, "database-url", url)?;
    if let Some(user) = &args.database_user {
        config.user(user);
    }
    Some(DatabaseSettings::new(config, password, name))
}

fn listen(problems: &mut Problems, args: &RunArgs, name: &str) -> Result<Option<DatabaseSettings>, ()> {
    if args.pace.wake == WakeMode::Poll {
        return Ok(None);
    }
    let mut database_args = args.database.clone();
    if args.listen_database_url.is_some() {
        database_args.database_url.clone_from(&args.listen_database_url);
    }
    // What is wrong with the common values has been said once already.
    let mut own = Problems::default();
    let settings = database(&mut own, &database_args, name);
    if let (Some(url), None) = (&args.listen_database_url, &settings) {
        postgres_url(problems, "listen-database-url", url);
    }
    settings.map(Some).ok_or(())
}

/// Reads a PostgreSQL URL. Secrets in it must not reach an error text, so the parser's own words are used and never the URL.
fn postgres_url(problems: &mut Problems, flag: &str, url: &str) -> Option<tokio_postgres::Config> {
    let config: tokio_postgres::Config = match url.parse() {
        Ok(config) => config,
        Err(error) => {
            problems.add(
                flag,
                format_args!(
                    "no PostgreSQL URL such as postgres://user@host:5432/database: {}",
                    crate::link::database::chain(&error)
                ),
            );
            return None;
        }
    };
    if config.get_hosts().is_empty() {
        problems.add(flag, "names no host");
        return None;
    }
    let remote = config.get_hosts().iter().any(|host| match host {
        Host::Tcp(name) => !is_loopback(name),
        Host::Unix(_) => false,
    });
    match config.get_ssl_mode() {
        SslMode::Disable => Some(config),
        SslMode::Prefer if !remote => Some(config),
        _ => {
            problems.add(flag, "this version has no TLS, which another host is asked for unless told otherwise; where the network is trusted, append ?sslmode=disable");
            None
        }
    }
}

fn broker(problems: &mut Problems, args: &BrokerArgs, connection_name: String) -> Option<BrokerSettings> {
    let password = problems.secret("amqp-password", args.amqp_password.as_ref(), args.amqp_password_file.as_ref());
    for (flag, text) in [("exchange", &args.exchange), ("source", &args.source)] {
        if text.len() > SHORT_STRING_BYTES_MAX {
            problems.add(flag, format_args!("longer than AMQP's {SHORT_STRING_BYTES_MAX} bytes"));
        }
    }
    if args.amqp_urls.is_empty() {
        problems.add("amqp-url", "missing (or OUTBOX_AMQP_URL)");
        return None;
    }
    let uris: Vec<AMQPUri> = args.amqp_urls.iter().filter_map(|url| amqp_url(problems, url)).collect();
    let declare = if args.declare { vec![args.exchange.clone()] } else { Vec::new() };
    (uris.len() == args.amqp_urls.len()).then(|| BrokerSettings {
        uris,
        user: args.amqp_user.clone(),
        password,
        connection_name,
        declare,
    })
}

/// Reads an AMQP URL as people paste it: a trailing `/` is the vhost `/`, and IPv6 literals are addresses, which lapin's own parser
/// takes for `localhost`.
fn amqp_url(problems: &mut Problems, url: &str) -> Option<AMQPUri> {
    let mut uri: AMQPUri = match url.parse() {
        Ok(uri) => uri,
        Err(error) => {
            let error: String = error;
            // The parser repeats parts of the URL in some of its words, and a URL may hold a password.
            let words = if error.contains("scheme") { "the scheme is not amqp" } else { "it cannot be read" };
            problems.add("amqp-url", format_args!("no AMQP URL such as amqp://user@host:5672/vhost: {words}"));
            return None;
        }
    };
    if uri.scheme == AMQPScheme::AMQPS {
        problems.add("amqp-url", "TLS is not built into this version; use amqp:// where the network is trusted");
        return None;
    }
    if let Some(host) = ipv6_literal(url) {
        host.clone_into(&mut uri.authority.host);
    }
    if uri.vhost.is_empty() {
        uri.vhost = "/".into();
    }
    Some(uri)
}

fn ipv6_literal(url: &str) -> Option<&str> {
    let authority = url.split("://").nth(1)?.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    host.strip_prefix('[')?.split(']').next()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// This host's name: Kubernetes and most shells set it, and the kernel knows it.
fn host() -> String {
    let from_kernel = || std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).ok();
    let name = std::env::var("HOSTNAME").ok().or_else(from_kernel).unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).take(30).collect();
    if name.is_empty() { "unknown".into() } else { name }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
