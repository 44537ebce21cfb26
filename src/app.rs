//! Starts the tasks of `run` and waits for them to end: the supervisor of the broker link, the
//! workers, the probe, the upkeep, the listener and the admin port.
//!
//! Starts and stays up without broker, database or schema. At the first signal the relay claims
//! nothing more; it waits for confirms and settles them within the drain timeout, and the process
//! ends with 0.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::cli::environment::{Unknown, unknown, variable_names};
use crate::cli::run::WakeMode;
use crate::config::PROGRAM;
use crate::config::run::RunConfig;
use crate::config::visible::visible_secrets;
use crate::deadline::deadline;
use crate::error::AppError;
use crate::ops::admin::{Admin, pages};
use crate::ops::logging;
use crate::ops::metrics::Metrics;
use crate::ops::quota::Quota;
use crate::ops::serve::serve;
use crate::ops::shutdown::Signals;
use crate::ops::socket;
use crate::ops::spans::Spans;
use crate::ops::status::{Process, Sources};
use crate::ops::vitals::Vitals;
use crate::outbox::hints::Hints;
use crate::postgres::listen::{Listener, listen};
use crate::postgres::pool::Database;
use crate::postgres::store::PgStore;
use crate::rabbitmq::supervisor::RabbitMq;
use crate::relay::Relay;
use crate::relay::evidence::Evidence;
use crate::relay::marked::Marked;
use crate::relay::probe::{PAUSE_MAX as PROBE_PAUSE_MAX, probe};
use crate::relay::wake::Wake;
use crate::relay::worker::crew;
use crate::upkeep::heartbeat::{self, Heartbeat};
use crate::upkeep::{self, Strangers, Upkeep};

/// A database clock may be set back by as much without a word.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
/// How long closing the links may take at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sets up the log.
pub fn start_logging(config: &RunConfig) -> Result<(), AppError> {
    logging::start(config.log_format, &config.log_level).map_err(|error| AppError::Config(vec![error]))
}

/// Relays events until a signal.
pub async fn run(config: RunConfig) -> Result<(), AppError> {
    let signals = Signals::listen().map_err(|error| AppError::Bug(format!("cannot listen for signals: {error}")))?;
    let metrics = Arc::new(Metrics::new(config.routes.series(), config.routes.sha()));
    let (hints, broker) = (Hints::default(), RabbitMq::new());
    // The workers stop first, then what they need to finish.
    let (draining, stop) = (CancellationToken::new(), CancellationToken::new());
    let (vitals, listening) = (Vitals::default(), watch::Sender::new(false));
    let sources = sources(&broker, &listening, &vitals);
    let admin = bind_admin(&config, &metrics, &hints, sources.clone(), &draining)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        schema = config.schema,
        workers = config.workers,
        routes = config.routes.all().count(),
        routes_sha = config.routes.sha(),
        "outbox-relay starts"
    );
    for flag in visible_secrets(std::env::args()) {
        tracing::warn!(
            flag,
            "the secret on the command line is visible in the process list; use the variable or the file instead"
        );
    }
    for Unknown { name, nearest } in unknown(variable_names()) {
        tracing::warn!(variable = name, nearest, "no flag has this variable's name, so it is not used");
    }

    let store = PgStore::new(Database::new(config.database.clone(), config.workers + 1), &config.schema)
        .marking(config.marking);
    let mut background = JoinSet::new();
    background.spawn(broker.clone().supervise(config.broker.clone(), stop.clone()));
    if let Some((listener, admin)) = admin {
        background.spawn(serve(listener, pages(admin), stop.clone()));
    }
    if let Some(settings) = config.listen.clone() {
        let listener = Listener { hints: hints.clone(), listening };
        background.spawn(listen(settings, config.schema.clone(), listener, draining.clone()));
    }
    hints.announce_all(config.wake == WakeMode::Poke);
    let (quota, spans) = (Quota::default(), Spans::start(&config.replica));
    background.spawn(heartbeat::run(heartbeat(&config, &store, sources, &quota), stop.clone()));
    background.spawn(upkeep::run(upkeep(&config, &store, (&metrics, &vitals, &quota), &hints), draining.clone()));

    let drain_timeout = config.drain_timeout;
    let wake = Wake::new(hints, config.poll_interval);
    let workers = config.workers;
    let relay = Arc::new(relay(config, store, broker, (metrics, vitals, quota, spans.clone()), draining.clone()));
    let mut work = JoinSet::new();
    work.spawn(crew(Arc::clone(&relay), workers, wake));
    work.spawn(probe(relay));
    let ended = supervise(signals, draining.clone(), work, drain_timeout).await;
    draining.cancel();
    stop.cancel();
    let closed = async { while background.join_next().await.is_some() {} };
    let closed = deadline(CLOSE_TIMEOUT, "closing the links", closed);
    if let (Err(error), ()) = tokio::join!(closed, spans.close(CLOSE_TIMEOUT)) {
        tracing::warn!(%error, "ending without waiting for the links to close");
    }
    tracing::info!("stopped");
    ended
}

/// Waits for the signal to drain, then for the work to end: cleanly, at the drain timeout, or at
/// the second signal. Work that ends too early is a bug; the process then ends, so that its
/// supervisor restarts it.
async fn supervise(
    signals: Signals,
    draining: CancellationToken,
    mut work: JoinSet<()>,
    drain_timeout: Duration,
) -> Result<(), AppError> {
    let timeout = async {
        draining.cancelled().await;
        tokio::time::sleep(drain_timeout).await;
    };
    let drained = async {
        while let Some(ended) = work.join_next().await {
            if let Err(error) = ended {
                return Err(AppError::Bug(format!("a task failed: {error}")));
            }
            if !draining.is_cancelled() {
                return Err(AppError::Bug("a task ended unexpectedly".into()));
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = drained => return ended,
        () = timeout => tracing::warn!(?drain_timeout, "not drained in time; messages in flight may be sent again"),
        () = signals.drain_then_end(draining.clone()) => {}
    }
    Ok(())
}

fn sources(broker: &RabbitMq, listening: &watch::Sender<bool>, vitals: &Vitals) -> Sources {
    use crate::outbox::broker::Broker;
    Sources { link: broker.link(), report: broker.report(), listening: listening.subscribe(), vitals: vitals.clone() }
}

fn bind_admin(
    config: &RunConfig,
    metrics: &Arc<Metrics>,
    hints: &Hints,
    sources: Sources,
    draining: &CancellationToken,
) -> Result<Option<(TcpListener, Admin)>, AppError> {
    let Some(address) = config.admin_addr else { return Ok(None) };
    let listener = socket::bind(address)
        .map_err(|error| AppError::Config(vec![format!("--admin-addr: cannot listen on {address}: {error}")]))?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "admin port");
    }
    let process = Process {
        schema: config.schema.clone(),
        wake: match config.wake {
            WakeMode::Poll => "poll",
            WakeMode::Listen => "listen",
            WakeMode::Poke => "poke",
        },
        workers: config.workers,
        routes: config.routes.all().count(),
        started_at: OffsetDateTime::now_utc(),
    };
    let (metrics, hints, draining) = (Arc::clone(metrics), hints.clone(), draining.clone());
    let admin = Admin { metrics, hints, sources, process, wake_from: config.wake_from, draining };
    Ok(Some((listener, admin)))
}

fn upkeep(
    config: &RunConfig,
    store: &PgStore,
    (metrics, vitals, quota): (&Arc<Metrics>, &Vitals, &Quota),
    hints: &Hints,
) -> Upkeep {
    Upkeep {
        store: store.clone(),
        metrics: Arc::clone(metrics),
        vitals: vitals.clone(),
        quota: quota.clone(),
        hints: hints.clone(),
        replica: config.replica.clone(),
        program: PROGRAM.split('/').next().unwrap_or(PROGRAM).to_owned() + "/",
        retention: config.retention,
        routes: config.routes.clone(),
        pause_max: config.policy.steps.max.max(config.policy.confirm_timeout).max(PROBE_PAUSE_MAX) + CLOCK_TOLERANCE,
        strangers: Strangers::default(),
    }
}

fn heartbeat(config: &RunConfig, store: &PgStore, sources: Sources, quota: &Quota) -> Heartbeat {
    Heartbeat {
        store: store.clone(),
        sources,
        quota: quota.clone(),
        id: Uuid::new_v4(),
        host: config.replica.split('/').nth(2).unwrap_or(&config.replica).to_owned(),
        routes: config.routes.all().map(|route| route.name.to_string()).collect(),
        started: Instant::now(),
    }
}

fn relay(
    config: RunConfig,
    store: PgStore,
    broker: RabbitMq,
    (metrics, vitals, quota, spans): (Arc<Metrics>, Vitals, Quota, Spans),
    draining: CancellationToken,
) -> Relay<PgStore, RabbitMq> {
    Relay {
        store,
        broker,
        routes: config.routes,
        policy: config.policy,
        on_dead_letter: config.on_dead_letter,
        limits: config.limits,
        batch_deadline: config.batch_deadline,
        evidence: Evidence::default(),
        marked: Marked::default(),
        new_hold: tokio::sync::Notify::new(),
        quota,
        drain_timeout: config.drain_timeout,
        metrics,
        spans,
        vitals,
        draining,
    }
}
