//! The slow path: what keeps the tables small and the claims quick. One replica does each job at a time.
//!
//! Started by `app` beside the workers; nothing here delays them, and nothing here is needed for a row to be delivered, except the
//! sweep for rows that commit very late.

mod floors;
mod holds;
mod retention;
mod stats;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;

use crate::ops::metrics::Metrics;
use crate::ops::quota::Quota;
use crate::ops::vitals::Vitals;
use crate::outbox::hints::Hints;
use crate::outbox::route::RouteTable;
use crate::outbox::store::StoreError;
use crate::postgres::call;
use crate::postgres::floors::Seen;
use crate::postgres::store::PgStore;

const TICK: Duration = Duration::from_millis(250);
/// A look at the writers that keep a bound from ripening is repeated after so long at first, and at the most.
const RIPENING_MIN: Duration = Duration::from_millis(20);
const RIPENING_MAX: Duration = Duration::from_secs(1);
/// No transaction of a relay that works is this old: a batch ends after 8 s at the most.
const TRANSACTION_SECONDS_MAX: i64 = 60;
/// A job that scans takes no more than one part in so many of the time, unless that would be more than a minute between its turns.
const SCAN_SHARE: u32 = 20;
const SCAN_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// A failing job is left alone for this long.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Every command but `run`, as it stands at the end of its connection's application name: hanging relays are ended, operators are not.
pub const COMMANDS: [&str; 9] = ["migrate", "check", "status", "trace", "keys", "routes", "dlq", "replay", "purge"];

/// What the jobs need.
pub struct Upkeep {
    /// The database.
    pub store: PgStore,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What the admin port says of this process.
    pub vitals: Vitals,
    /// Keeps the log short, together with the workers.
    pub quota: Quota,
    /// To wake the workers for what a sweep finds.
    pub hints: Hints,
    /// This replica's name.
    pub replica: String,
    /// Prefix of every relay's application name.
    pub program: String,
    /// How long published events are kept; `None` keeps them.
    pub retention: Option<Duration>,
    /// The routes, to say which are held.
    pub routes: RouteTable,
}

/// One of the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Floors,
    Sweep,
    Stats,
    Retention,
    Backends,
}

impl Job {
    const ALL: [Self; 5] = [Self::Floors, Self::Sweep, Self::Stats, Self::Retention, Self::Backends];

    fn name(self) -> &'static str {
        match self {
            Self::Floors => "floors",
            Self::Sweep => "sweep",
            Self::Stats => "stats",
            Self::Retention => "retention",
            Self::Backends => "backends",
        }
    }

    fn interval(self) -> Duration {
        match self {
            Self::Floors => Duration::from_secs(2),
            Self::Sweep => Duration::from_secs(5),
            Self::Stats => Duration::from_secs(10),
            Self::Retention => Duration::from_secs(30),
            Self::Backends => Duration::from_secs(20),
        }
    }

    /// From one turn's start to the next one's.
    fn interval_after(self, ran: &Ran, took: Duration) -> Duration {
        match ran {
            Ran::Elsewhere => self.interval(),
            // Half of the time is left to the batches.
            Ran::More { .. } => TICK.max(took * 2),
            Ran::Done => match self {
                Self::Floors | Self::Backends => self.interval(),
                // These walk the dead index entries that vacuum has not taken, and the gauges count.
                Self::Sweep | Self::Stats | Self::Retention => {
                    self.interval().max((took * SCAN_SHARE).min(SCAN_INTERVAL_MAX))
                }
            },
        }
    }
}

/// What became of a job's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ran {
    /// It was not this replica's: another one does this job.
    Elsewhere,
    Done,
    /// There is more to do than one turn may; the next one begins after what this one did.
    More {
        after: Option<String>,
    },
}

impl Ran {
    fn after(self) -> Option<String> {
        match self {
            Self::More { after } => after,
            Self::Elsewhere | Self::Done => None,
        }
    }
}

/// When a job may run next here.
struct Due {
    job: Job,
    at: Instant,
    interval: Duration,
    /// Where a turn that left something ended.
    after: Option<String>,
}

/// When it is looked next how far floors may move.
struct Looks {
    at: Instant,
    pause: Duration,
    /// Whether the last one asked the database.
    asked: bool,
}

impl Looks {
    fn next(&mut self, pause: Duration, asked: bool) {
        *self = Self { at: Instant::now() + pause, pause, asked };
    }

    /// The first batch after a rest: what it leaves behind is not walked for long.
    fn at_once(&mut self) {
        if !self.asked {
            self.at = Instant::now();
        }
    }
}

/// Runs the jobs until `stop`.
pub async fn run(upkeep: Upkeep, stop: CancellationToken) {
    let mut said = false;
    let mut dues: Vec<Due> = Job::ALL
        .into_iter()
        .map(|job| Due { job, at: Instant::now(), interval: job.interval(), after: None })
        .collect();
    let mut looks = Looks { at: Instant::now(), pause: TICK, asked: false };
    loop {
        if looks.at <= Instant::now() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = upkeep.look(&mut looks, &mut said) => {}
            }
        }
        for due in &mut dues {
            if due.at > Instant::now() {
                continue;
            }
            let started = Instant::now();
            let done = tokio::select! {
                () = stop.cancelled() => return,
                done = upkeep.run_job(due.job, due.interval, due.after.take()) => done,
            };
            due.interval = match done {
                Ok(ran) => {
                    upkeep.succeeded(&mut said);
                    let interval = due.job.interval_after(&ran, started.elapsed());
                    due.after = ran.after();
                    interval
                }
                Err(error) => {
                    upkeep.failed(due.job, &error, &mut said);
                    due.job.interval().max(AFTER_FAILURE)
                }
            };
            due.at = started + due.interval;
        }
        upkeep.store.database().close_idle();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK.min(looks.pause)) => {}
            () = upkeep.store.floors().wanted() => looks.at_once(),
        }
    }
}

impl Upkeep {
    /// Looks how far floors may move, which every replica does for itself.
    async fn look(&self, looks: &mut Looks, said: &mut bool) {
        let seen = match floors::observe(self).await {
            Ok(seen) => seen,
            Err(error) => {
                self.failed(Job::Floors, &error, said);
                return looks.next(AFTER_FAILURE, true);
            }
        };
        if seen.is_some() {
            self.succeeded(said);
        }
        let pause = match seen {
            // Most writers end within milliseconds, a few after minutes.
            Some(Seen::Ripening) if looks.pause == TICK => RIPENING_MIN,
            Some(Seen::Ripening) => (looks.pause * 2).min(RIPENING_MAX),
            Some(Seen::Ripe | Seen::Nothing) | None => TICK,
        };
        looks.next(pause, seen.is_some());
    }

    /// Runs a job if this replica is elected for it.
    async fn run_job(&self, job: Job, interval: Duration, after: Option<String>) -> Result<Ran, StoreError> {
        let _turn = self.store.database().turn().await;
        let elected = self.elected(job, interval).await?;
        if !elected {
            if job == Job::Stats {
                self.metrics.no_backlog();
            }
            return Ok(Ran::Elsewhere);
        }
        match job {
            Job::Floors => floors::run(self).await?,
            Job::Sweep => sweep::run(self).await?,
            Job::Stats => stats::run(self).await?,
            Job::Retention => return retention::run(self, after).await,
            Job::Backends => self.end_hanging_backends().await?,
        }
        Ok(Ran::Done)
    }

    /// The workers do not look at the database while the broker is away, so what is wrong with it is said here too, by whoever notices
    /// first.
    fn failed(&self, job: Job, error: &StoreError, said: &mut bool) {
        self.metrics.failure("upkeep");
        self.vitals.saw_database(error.is_answer(), Some(error.kind()));
        let (job, words) = (job.name(), error.to_string());
        match error {
            StoreError::Unreachable(_) | StoreError::Schema(_) => {
                if let Some(left_out) = self.quota.news(&words) {
                    let left_out = (left_out > 0).then_some(left_out);
                    tracing::warn!(error = words, left_out, "the database cannot be used; trying again");
                    *said = true;
                }
            }
            StoreError::Failed { .. } | StoreError::MarksRefused { .. } => {
                if let Some(left_out) = self.quota.news(&format!("{job}: {words}")) {
                    let left_out = (left_out > 0).then_some(left_out);
                    tracing::warn!(job, error = words, left_out, "an upkeep job failed; trying again");
                }
            }
        }
    }

    fn succeeded(&self, said: &mut bool) {
        self.vitals.reached_database();
        if std::mem::take(said) {
            self.quota.forget();
            tracing::info!("the database can be used again");
        }
    }

    async fn elected(&self, job: Job, interval: Duration) -> Result<bool, StoreError> {
        let batch = self.store.begin_upkeep().await?;
        let (name, interval_ms) = (job.name(), i64::try_from(interval.as_millis()).unwrap_or(i64::MAX));
        let params: [call::Param<'_>; 3] =
            [(&name, Type::TEXT), (&interval_ms, Type::INT8), (&self.replica, Type::TEXT)];
        let sql = &self.store.queries().take_job;
        let elected = call::execute(batch.client(), "electing a replica for upkeep", sql, &params).await? == 1;
        // Elected or not, each replica says for its own routes what is on hold; in this transaction, because one of its own would keep a
        // second connection busy.
        if job == Job::Floors {
            holds::look(self, &batch).await?;
        }
        batch.commit().await?;
        Ok(elected)
    }

    async fn end_hanging_backends(&self) -> Result<(), StoreError> {
        let batch = self.store.begin_upkeep().await?;
        let commands = COMMANDS.as_slice();
        let params: [call::Param<'_>; 3] =
            [(&self.program, Type::TEXT), (&TRANSACTION_SECONDS_MAX, Type::INT8), (&commands, Type::TEXT_ARRAY)];
        let sql = &self.store.queries().end_hanging_backends;
        let ended = call::rows(batch.client(), "ending hanging backends", sql, &params).await?.len();
        batch.commit().await?;
        if ended > 0 {
            tracing::warn!(backends = ended, "ended transactions of a relay that had hung for over a minute");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_turn_leaves_is_taken_up_soon_and_a_scan_takes_a_twentieth_of_the_time() {
        let (second, more) = (Duration::from_secs(1), Ran::More { after: None });
        let retention = |ran: &Ran, took: Duration| Job::Retention.interval_after(ran, took);
        assert_eq!(retention(&more, Duration::from_millis(1)), TICK);
        assert_eq!(retention(&more, second), 2 * second);
        assert_eq!(retention(&Ran::Done, second), 30 * second);
        assert_eq!(retention(&Ran::Elsewhere, 50 * second), 30 * second);
        assert_eq!(Job::Sweep.interval_after(&Ran::Done, second), 20 * second);
        assert_eq!(Job::Stats.interval_after(&Ran::Done, 50 * second), 60 * second);
        assert_eq!(Job::Floors.interval_after(&Ran::Done, second), 2 * second);
    }
}
