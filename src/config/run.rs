//! The configuration of `run`.

use std::net::SocketAddr;
use std::time::Duration;

use crate::cli::run::{AfterDeadLetter, FailureArgs, MarkDurability, OpsArgs, RunArgs, WakeMode};
use crate::config::broker::broker;
use crate::config::database::{Url, check_schema, database, settings};
use crate::config::problems::Problems;
use crate::config::routes_file::routes;
use crate::config::{PROGRAM, host};
use crate::ops::admin::WakeFrom;
use crate::ops::logging::{self, LogFormat};
use crate::outbox::route::RouteTable;
use crate::outbox::store::{ClaimLimits, Marking};
use crate::postgres::connect::DatabaseSettings;
use crate::rabbitmq::supervisor::BrokerSettings;
use crate::relay::retry::RetrySteps;
use crate::relay::settle::OnDeadLetter;
use crate::relay::verdict::Policy;

const LANES_PER_BATCH: usize = 16;
const EVENTS_OF_KEY_PER_BATCH: usize = 32;
const RETURNS_IN_A_ROW_MAX: u32 = 20;
const DAY: Duration = Duration::from_secs(86_400);

/// Everything that `run` needs.
#[derive(Debug)]
pub struct RunConfig {
    /// The database.
    pub database: DatabaseSettings,
    /// For LISTEN, if asked for.
    pub listen: Option<DatabaseSettings>,
    /// What announces commits.
    pub wake: WakeMode,
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
    /// The limits of one claim.
    pub limits: ClaimLimits,
    /// The most workers.
    pub workers: usize,
    /// How often to look for work.
    pub poll_interval: Duration,
    /// How long a batch may stay open.
    pub batch_deadline: Duration,
    /// How long stopping may take.
    pub drain_timeout: Duration,
    /// How long published events are kept.
    pub retention: Option<Duration>,
    /// What becomes of the rows of confirmed events.
    pub marking: Marking,
    /// Where the admin port listens.
    pub admin_addr: Option<SocketAddr>,
    /// Who may `POST /wake`.
    pub wake_from: WakeFrom,
    /// Log format.
    pub log_format: LogFormat,
    /// Log level.
    pub log_level: String,
    /// The name of this process among the replicas.
    pub replica: String,
}

/// Checks `run`'s arguments.
pub fn run_config(args: &RunArgs) -> Result<RunConfig, Vec<String>> {
    let mut problems = Problems::default();
    let (milli, second) = (Duration::from_millis(1), Duration::from_secs(1));
    let name = format!("{PROGRAM}/{}", host());
    let database = database(&mut problems, &args.database, &name);
    let wake: WakeMode = problems.word("wake", &args.pace.wake);
    let listen = listen(&mut problems, args, wake, &name);
    let routes = routes(&mut problems, &args.routes);
    let declare = routes.as_ref().filter(|_| args.declare).map(|routes| routes.declared.clone()).unwrap_or_default();
    let broker = broker(&mut problems, &args.broker, declare, name.clone());
    let (pace, failures, ops) = (&args.pace, &args.failures, &args.ops);
    let policy = policy(&mut problems, failures);
    let limits = ClaimLimits {
        lanes: LANES_PER_BATCH,
        events: problems.number("batch-size", &pace.batch_size, (1, 10_000)),
        bytes: problems.size("batch-bytes", &pace.batch_bytes, (64 << 10, 1 << 30)),
        events_of_key: EVENTS_OF_KEY_PER_BATCH,
        payload_bytes: problems.size("max-message-size", &failures.max_message_size, (1 << 10, 512 << 20)),
    };
    // The transaction's own timeouts end a batch after 10 s.
    let batch_deadline = problems.duration("batch-deadline", &pace.batch_deadline, (milli * 100, second * 8));
    if policy.confirm_timeout < batch_deadline {
        problems.add("confirm-timeout", "shorter than --batch-deadline");
    }
    let (retention, marking) = history(&mut problems, ops);
    let admin_addr = admin_addr(&mut problems, &ops.admin_addr);
    if let Err(error) = logging::filter(&ops.log_level) {
        problems.add("log-level", error);
    }
    let workers = problems.number("workers", &pace.workers, (1, 16));
    let poll_interval = problems.duration("poll-interval", &pace.poll_interval, (milli, second * 3_600));
    let drain_timeout = problems.duration("drain-timeout", &ops.drain_timeout, (second, second * 3_600));
    let on_dead_letter = match problems.word("on-dead-letter", &failures.on_dead_letter) {
        AfterDeadLetter::Continue => OnDeadLetter::Continue,
        AfterDeadLetter::Hold => OnDeadLetter::Wait,
    };
    let wake_from: WakeFrom = problems.word("wake-from", &ops.wake_from);
    let log_format: LogFormat = problems.word("log-format", &ops.log_format);
    check_schema(&mut problems, &args.database.schema);
    let is_sound = problems.0.is_empty();
    let (Some(database), Ok(listen), Some(routes), Some(broker), true) = (database, listen, routes, broker, is_sound)
    else {
        return Err(problems.0);
    };
    Ok(RunConfig {
        database,
        listen,
        wake,
        broker,
        schema: args.database.schema.clone(),
        routes: routes.table,
        policy,
        on_dead_letter,
        limits,
        workers,
        poll_interval,
        batch_deadline,
        drain_timeout,
        retention,
        marking,
        admin_addr,
        wake_from,
        log_format,
        log_level: ops.log_level.clone(),
        replica: format!("{name}/{}", std::process::id()),
    })
}

/// How long published events are kept, and so what becomes of a confirmed event's row.
fn history(problems: &mut Problems, args: &OpsArgs) -> (Option<Duration>, Marking) {
    let retention = match args.retention.as_str() {
        "off" => None,
        "0" | "0s" => Some(Duration::ZERO),
        text => Some(problems.duration("retention", text, (Duration::from_secs(1), DAY * 3_650))),
    };
    let is_durable = match problems.word("mark-durability", &args.mark_durability) {
        MarkDurability::On => true,
        MarkDurability::Off => false,
    };
    (retention, Marking { deletes: retention == Some(Duration::ZERO), is_durable })
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
        returns_in_a_row_max: RETURNS_IN_A_ROW_MAX,
    }
}

/// Where the admin port listens, of `--admin-addr`; `off` is nowhere.
pub(super) fn admin_addr(problems: &mut Problems, text: &str) -> Option<SocketAddr> {
    if text == "off" {
        return None;
    }
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            problems.add(
                "admin-addr",
                format_args!("must be off or an address such as [::]:9632 or 127.0.0.1:9632, got '{text}'"),
            );
            None
        }
    }
}

fn listen(problems: &mut Problems, args: &RunArgs, wake: WakeMode, name: &str) -> Result<Option<DatabaseSettings>, ()> {
    match wake {
        WakeMode::Poll | WakeMode::Poke => return Ok(None),
        WakeMode::Listen => {}
    }
    let (text, file) = (args.listen_database_url.as_ref(), args.listen_database_url_file.as_ref());
    // The problems of the common values were already reported.
    let mut own = Problems::default();
    let settings = if text.is_some() || file.is_some() {
        let url = Url { flag: "listen-database-url", text, file };
        let settings = settings(&mut own, &args.database, &url, name);
        problems.0.extend(own.0.into_iter().filter(|problem| problem.starts_with("--listen-")));
        settings
    } else {
        database(&mut own, &args.database, name)
    };
    settings.map(Some).ok_or(())
}
