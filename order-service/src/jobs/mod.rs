//! The slow jobs: each is done by one replica at a time, in turns of one transaction (`store/jobs.rs`). Started by `main` for the services that
//! have an address.
//!
//! - [`verify`] looks again at orders that were placed while a service was away.
//! - [`reconcile`] compares stock with Inventory.
//! - [`refresh`] asks for the details of everything that is sold.

mod reconcile;
mod refresh;
mod verify;

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::settings::Settings;
use crate::store::{Job, StoreError};

/// From one look whether a job is due to the next.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// After a turn that failed.
const PAUSE: Duration = Duration::from_secs(5);
/// For one turn; its transaction may be idle for as long.
const TURN: Duration = Duration::from_secs(20);

/// Jobs that run.
pub struct Jobs(JoinSet<()>);

impl Jobs {
    /// Returns when every job has ended, which they do after they were told to stop, with their turn or without.
    pub async fn ended(mut self) {
        while let Some(ended) = self.0.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a job ended unexpectedly");
            }
        }
    }
}

/// Starts the jobs of the services that have an address.
pub fn start(settings: &Settings, app: &App, stop: &CancellationToken) -> Jobs {
    let mut jobs = JoinSet::new();
    let (verify, reconcile) = (settings.neighbours.verify_seconds, settings.neighbours.reconcile_seconds);
    let neighbours = &app.neighbours;
    if neighbours.products.is_some() || neighbours.users.is_some() {
        jobs.spawn(run(app.clone(), Job::Verify, verify.into(), stop.clone()));
    }
    if neighbours.inventory.is_some() {
        jobs.spawn(run(app.clone(), Job::Reconcile, reconcile.into(), stop.clone()));
    }
    if neighbours.products.is_some() {
        jobs.spawn(run(app.clone(), Job::Refresh, 0.0, stop.clone()));
    }
    Jobs(jobs)
}

/// Looks every second whether the job is due, and takes a turn where it is.
async fn run(app: App, job: Job, interval_seconds: f64, stop: CancellationToken) {
    let mut is_added = false;
    loop {
        let turn = async {
            if !is_added {
                let first = if job == Job::Refresh { refresh::seconds_to_next() } else { interval_seconds };
                app.store.add_job(job, first).await?;
                is_added = true;
            }
            match job {
                Job::Verify => verify::turn(&app, interval_seconds).await,
                Job::Reconcile => reconcile::turn(&app, interval_seconds).await,
                Job::Refresh => refresh::turn(&app).await,
            }
        };
        let pause = tokio::select! {
            () = stop.cancelled() => return,
            ended = tokio::time::timeout(TURN, turn) => match ended {
                Ok(Ok(())) => LOOK_INTERVAL,
                Ok(Err(error)) => failed(job, &error),
                Err(_) => {
                    tracing::warn!(job = job.as_str(), seconds = TURN.as_secs(), "the turn of a job was too long");
                    PAUSE
                }
            },
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn failed(job: Job, error: &StoreError) -> Duration {
    tracing::warn!(job = job.as_str(), cause = error.cause(), "the turn of a job failed");
    PAUSE
}
