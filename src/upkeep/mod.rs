//! The slow path: keeps the tables small and the claims fast. Each `Job` runs on one replica at a
//! time. Every replica observes the floors, reads the holds for its gauges, and makes due what waits
//! for its routes.
//!
//! Started by `app` next to the workers, and never delays them. Rows are delivered without it, except
//! rows that commit very late, events that wait for a route, and waits that nothing else would end.

mod floors;
pub mod heartbeat;
mod holds;
mod no_route;
mod repair;
mod retention;
mod stats;
mod strangers;
mod sweep;

pub use strangers::Strangers;

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
/// How long the upkeep sleeps at most while there is nothing to do; the pool closes what has been idle for long.
const SLEEP_MAX: Duration = Duration::from_secs(2);
/// The time between two turns while floors of idle lanes move.
const FLOORS_MOVING: Duration = Duration::from_secs(2);
/// The first pause before looking again at the writers that keep a bound from ripening, and the
/// longest.
const RIPENING_MIN: Duration = Duration::from_millis(20);
const RIPENING_MAX: Duration = Duration::from_secs(1);
/// No transaction of a healthy relay gets this old: a batch ends after at most 8 s.
const TRANSACTION_SECONDS_MAX: i64 = 60;
/// A job that scans takes at most 1/`SCAN_SHARE` of the time, unless that would mean more than a
/// minute between its turns.
const SCAN_SHARE: u32 = 20;
const SCAN_INTERVAL_MAX: Duration = Duration::from_secs(60);
/// How often every replica looks for events that have waited for its routes, and for times that a clock has left in the future.
const LIFT_EVERY: Duration = Duration::from_secs(30);
/// The pause after a job fails.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Every command that connects to the database, except `run`, as named at the end of a connection's application name. Backends of
/// hanging relays are ended, those of operators are not.
pub const COMMANDS: [&str; 9] = ["migrate", "check", "status", "trace", "keys", "routes", "dlq", "replay", "purge"];

/// Everything that the jobs need.
pub struct Upkeep {
    /// The database.
    pub store: PgStore,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What the admin port shows about this process.
    pub vitals: Vitals,
    /// Limits log lines, shared with the workers.
    pub quota: Quota,
    /// Wakes the workers when a sweep finds something.
    pub hints: Hints,
    /// This replica's name.
    pub replica: String,
    /// Prefix of every relay's application name.
    pub program: String,
    /// How long to keep published events; `None` keeps them for ever.
    pub retention: Option<Duration>,
    /// The routes, to report which are held.
    pub routes: RouteTable,
    /// The longest pause that a relay asks for, and then some: what is due later was put off by a clock that was ahead.
    pub pause_max: Duration,
    /// Who else holds the relays' locks.
    pub strangers: Strangers,
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
            Self::Floors => Duration::from_secs(5),
            Self::Sweep => Duration::from_secs(5),
            Self::Stats => Duration::from_secs(10),
            Self::Retention => Duration::from_secs(30),
            Self::Backends => Duration::from_secs(20),
        }
    }

    /// The time from the start of one turn to the start of the next.
    fn interval_after(self, ran: &Ran, took: Duration) -> Duration {
        match ran {
            Ran::Elsewhere | Ran::Nothing => self.interval(),
            // Leaves half of the time to the batches.
            Ran::More { .. } => TICK.max(took * 2),
            Ran::Done => match self {
                Self::Floors => FLOORS_MOVING,
                Self::Backends => self.interval(),
                // These read dead index entries that vacuum has not removed, and the gauges count
                // rows.
                Self::Sweep | Self::Stats | Self::Retention => {
                    self.interval().max((took * SCAN_SHARE).min(SCAN_INTERVAL_MAX))
                }
            },
        }
    }
}

/// The result of a job's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ran {
    /// Another replica runs this job.
    Elsewhere,
    /// There was nothing to do, nor is there soon.
    Nothing,
    Done,
    /// There is more to do than one turn may do. The next turn continues where this one ended.
    More {
        after: Option<String>,
    },
}

impl Ran {
    fn after(self) -> Option<String> {
        match self {
            Self::More { after } => after,
            Self::Elsewhere | Self::Nothing | Self::Done => None,
        }
    }
}

/// When a job may run next on this replica.
struct Due {
    job: Job,
    at: Instant,
    interval: Duration,
    /// Where an unfinished turn ended.
    after: Option<String>,
}

impl Due {
    /// The next turn begins `interval` after this one began.
    fn put_off(&mut self, began: Instant, interval: Duration) {
        self.interval = interval;
        self.at = began + interval;
    }
}

/// What this replica is to do, and what it saw as it was elected.
struct Election {
    /// The names of the jobs.
    jobs: Vec<String>,
    behind: floors::Behind,
}

/// When to look next at how far the floors may move.
struct Looks {
    at: Instant,
    pause: Duration,
    /// Whether the last look asked the database.
    asked: bool,
}

impl Looks {
    fn next(&mut self, pause: Duration, asked: bool) {
        *self = Self { at: Instant::now() + pause, pause, asked };
    }

    /// The first batch after a rest: looks soon, so that claims do not read its leftovers for long.
    fn at_once(&mut self) {
        if !self.asked {
            self.at = Instant::now();
        }
    }
}

/// Runs the jobs until `stop` is cancelled.
pub async fn run(upkeep: Upkeep, stop: CancellationToken) {
    let mut said = false;
    let mut dues: Vec<Due> = Job::ALL
        .into_iter()
        .map(|job| Due { job, at: Instant::now(), interval: job.interval(), after: None })
        .collect();
    let mut looks = Looks { at: Instant::now(), pause: TICK, asked: false };
    let mut lift_at = Instant::now();
    loop {
        if lift_at <= Instant::now() {
            let pause = tokio::select! {
                () = stop.cancelled() => return,
                pause = upkeep.lift(&mut said) => pause,
            };
            lift_at = Instant::now() + pause;
        }
        if looks.at <= Instant::now() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = upkeep.look(&mut looks, &mut said) => {}
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = upkeep.run_due(&mut dues, &mut said) => {}
        }
        upkeep.store.database().close_idle();
        let pause = if upkeep.store.floors().is_wanted() {
            TICK.min(looks.pause)
        } else {
            let next = dues.iter().map(|due| due.at).fold(lift_at, Instant::min);
            next.duration_since(Instant::now()).clamp(RIPENING_MIN, SLEEP_MAX)
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = upkeep.store.floors().wanted() => looks.at_once(),
        }
    }
}

impl Upkeep {
    /// Looks how far floors may move. Every replica does this for itself.
    async fn look(&self, looks: &mut Looks, said: &mut bool) {
        let seen = match floors::observe(self).await {
            Ok(seen) => seen,
            Err(error) => {
                self.failed(Job::Floors.name(), &error, said);
                return looks.next(AFTER_FAILURE, true);
            }
        };
        if seen.is_some() {
            self.succeeded(said);
        }
        let pause = match seen {
            // Most writers end within milliseconds, a few take minutes.
            Some(Seen::Ripening) if looks.pause == TICK => RIPENING_MIN,
            Some(Seen::Ripening) => (looks.pause * 2).min(RIPENING_MAX),
            Some(Seen::Ripe | Seen::Nothing) | None => TICK,
        };
        looks.next(pause, seen.is_some());
    }

    /// Makes due what nothing else would: waits for routes that this relay has, which every replica knows for itself, and what a clock has
    /// put off, elections among it. Answers how long not to look again.
    async fn lift(&self, said: &mut bool) -> Duration {
        let lifted = match no_route::lift(self).await {
            Ok(()) => repair::run(self).await,
            Err(error) => Err(error),
        };
        match lifted {
            Ok(()) => {
                self.succeeded(said);
                LIFT_EVERY
            }
            Err(error) => {
                self.failed("lift", &error, said);
                AFTER_FAILURE
            }
        }
    }

    /// Runs those of the jobs that are due, each if this replica is elected for it. One transaction elects it for all of them.
    async fn run_due(&self, dues: &mut [Due], said: &mut bool) {
        let began = Instant::now();
        let mut due: Vec<&mut Due> = dues.iter_mut().filter(|due| due.at <= began).collect();
        if due.is_empty() {
            return;
        }
        let _turn = self.store.database().turn().await;
        let election = match self.elect(&due).await {
            Ok(election) => election,
            Err(error) => {
                self.failed("election", &error, said);
                for due in due {
                    due.put_off(began, due.job.interval().max(AFTER_FAILURE));
                }
                return;
            }
        };
        self.succeeded(said);
        for due in &mut due {
            let started = Instant::now();
            let interval = match self.run_job(due.job, &election, due.after.take()).await {
                Ok(ran) => {
                    self.succeeded(said);
                    let interval = due.job.interval_after(&ran, started.elapsed());
                    due.after = ran.after();
                    interval
                }
                Err(error) => {
                    self.failed(due.job.name(), &error, said);
                    due.job.interval().max(AFTER_FAILURE)
                }
            };
            due.put_off(began, interval);
        }
    }

    /// Runs a job if this replica is elected for it.
    async fn run_job(&self, job: Job, election: &Election, after: Option<String>) -> Result<Ran, StoreError> {
        if !election.jobs.iter().any(|elected| elected == job.name()) {
            if job == Job::Stats {
                self.metrics.no_backlog();
            }
            return Ok(Ran::Elsewhere);
        }
        match job {
            Job::Floors => return floors::run(self, &election.behind).await,
            Job::Sweep => return sweep::run(self, after).await,
            Job::Stats => stats::run(self).await?,
            Job::Retention => return retention::run(self, after).await,
            Job::Backends => self.end_hanging_backends().await?,
        }
        Ok(Ran::Done)
    }

    /// The workers do not use the database while the broker is down, so whoever notices a database
    /// failure first logs it, here too.
    fn failed(&self, job: &str, error: &StoreError, said: &mut bool) {
        self.metrics.failure("upkeep");
        self.vitals.saw_database(error.is_answer(), Some(error.kind()));
        let words = error.to_string();
        match error {
            StoreError::Unreachable(_) | StoreError::ReadOnly(_) | StoreError::Schema(_) => {
                if let Some(left_out) = self.quota.news(&words) {
                    let left_out = (left_out > 0).then_some(left_out);
                    tracing::warn!(error = words, left_out, "cannot use the database; trying again");
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
            tracing::info!("the database works again");
        }
    }

    /// Elects this replica for those jobs that no other one has. Elected or not, each replica reports the holds of its own routes. It reads
    /// them here, because a transaction of its own would cost more than the rest of it.
    async fn elect(&self, due: &[&mut Due]) -> Result<Election, StoreError> {
        let names: Vec<&str> = due.iter().map(|due| due.job.name()).collect();
        let milliseconds = |due: &&mut Due| i64::try_from(due.interval.as_millis()).unwrap_or(i64::MAX);
        let intervals: Vec<i64> = due.iter().map(milliseconds).collect();
        let params: [call::Param<'_>; 3] =
            [(&names, Type::TEXT_ARRAY), (&intervals, Type::INT8_ARRAY), (&self.replica, Type::TEXT)];
        let queries = self.store.queries();
        let batch = self.store.begin_upkeep().await?;
        let client = batch.client();
        let (jobs, holds, behind) = tokio::try_join!(
            biased;
            call::rows(client, "electing a replica for upkeep", &queries.take_jobs, &params),
            call::rows(client, "reading the holds", &queries.list_holds, &[]),
            floors::look(self, &batch)
        )?;
        batch.commit().await?;
        holds::seen(self, &holds);
        Ok(Election { jobs: jobs.iter().map(|row| row.get(0)).collect(), behind })
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
            tracing::warn!(backends = ended, "ended transactions of a relay that hung for over a minute");
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
        assert_eq!(Job::Floors.interval_after(&Ran::Nothing, second), 5 * second);
    }
}
