//! The worker's loop: claims batches while there is work, owns one channel, and settles the
//! confirms that the channel still owes.
//!
//! `crew` starts one worker that looks for work by itself, and more workers that help while batches
//! are full. A panic is contained, counted and logged. It closes the batch's connection, which
//! frees its lanes and leaves its rows pending.

mod channel;
mod debts;
mod wait;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::crash;
use crate::net::jitter::Jitter;
use crate::ops::pulse::Heart;
use crate::outbox::broker::{Broker, Channel};
use crate::outbox::store::{Claim, ClaimLimits, ConfirmedCopy, Store, StoreError};
use crate::relay::batch::BatchEnd;
use crate::relay::halt::Halt;
use crate::relay::wake::Wake;
use crate::relay::work::Work;
use crate::relay::{Desk, Relay};

/// Runs until the relay drains. The first worker wakes by itself; each calls the next when there is more than it can carry.
pub async fn crew<S: Store, B: Broker>(relay: Arc<Relay<S, B>>, workers: usize, wake: Wake) {
    let mut tasks = tokio::task::JoinSet::new();
    for worker in crew_members(&relay, workers, wake) {
        tasks.spawn(worker);
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// The workers of a crew, each to be run as a task: for whoever wants to hold the tasks of a process, as the simulation does to freeze
/// and to kill them.
pub fn crew_members<S: Store, B: Broker>(
    relay: &Arc<Relay<S, B>>,
    workers: usize,
    wake: Wake,
) -> Vec<impl Future<Output = ()> + Send + 'static + use<S, B>> {
    let calls: Vec<Arc<Notify>> = (0..workers).map(|_| Arc::default()).collect();
    let mut wake = Some(wake);
    let member = |number: usize| {
        let turn = match wake.take() {
            Some(wake) => Turn::Wake(wake),
            None => Turn::Called(Arc::clone(&calls[number])),
        };
        let worker = Worker {
            relay: Arc::clone(relay),
            number,
            workers,
            turn,
            next: calls.get(number + 1).cloned(),
            desk: None,
            to_mark: Vec::new(),
            jitter: Jitter::for_work(),
            last_look: Duration::ZERO,
            hinted: false,
            said: false,
            was_blocked: false,
            heart: relay.vitals.heart(format!("worker {number}")),
        };
        worker.run()
    };
    (0..workers).map(member).collect()
}

enum Turn {
    Wake(Wake),
    Called(Arc<Notify>),
}

struct Worker<S: Store, B: Broker> {
    relay: Arc<Relay<S, B>>,
    number: usize,
    workers: usize,
    turn: Turn,
    next: Option<Arc<Notify>>,
    desk: Option<Desk<B::Channel>>,
    /// Confirmed events that are not marked yet, because their batch was lost or a late mark failed: marked before anything else is
    /// published.
    to_mark: Vec<ConfirmedCopy>,
    jitter: Jitter,
    last_look: Duration,
    /// Whether a hint came since the last claim.
    hinted: bool,
    /// Whether the log says that the database cannot be used.
    said: bool,
    was_blocked: bool,
    heart: Heart,
}

/// A channel that has given up this many confirms is replaced. Each uses up broker credit (`pace`), and with none left the whole connection
/// stalls.
const GIVEN_UP_MAX: usize = 100;

/// What a step of the loop found.
enum Step {
    /// Look again at once. `fresh`: claimed events that neither waited before nor are replayed.
    Worked { fresh: usize },
    /// Nothing due, or nothing changed. `is_at_rest`: nothing is pending and no key waits, so only a new commit makes work.
    Idle { is_at_rest: bool },
    /// The broker cannot be used now.
    NoLink,
}

impl<S: Store, B: Broker> Worker<S, B> {
    async fn run(mut self) {
        while !self.relay.draining.is_cancelled() {
            if AssertUnwindSafe(self.turn()).catch_unwind().await.is_err() {
                self.panicked().await;
            }
        }
        self.hand_over().await;
    }

    /// One step, and the pause that belongs to how it ended.
    async fn turn(&mut self) {
        self.heart.works();
        match self.step().await {
            Ok(Step::Worked { fresh }) => {
                self.recovered();
                if let Turn::Wake(wake) = &mut self.turn {
                    wake.found_work(fresh);
                }
                tokio::task::yield_now().await;
            }
            Ok(Step::Idle { is_at_rest }) => {
                self.recovered();
                if let Turn::Wake(wake) = &mut self.turn {
                    wake.found_nothing(is_at_rest);
                }
                self.rest().await;
            }
            Ok(Step::NoLink) => self.wait_for_link().await,
            Err(error) => self.failed(&error).await,
        }
    }

    /// One look for work, and the batch that follows.
    async fn step(&mut self) -> Result<Step, StoreError> {
        self.pay().await?;
        if !self.has_channel().await {
            return Ok(Step::NoLink);
        }
        self.look_after_late().await;
        if self.desk.as_ref().is_some_and(|desk| desk.late.given_up() >= GIVEN_UP_MAX) {
            self.bury_desk().await;
            return Ok(Step::Worked { fresh: 0 });
        }
        let Some(desk) = &self.desk else { return Ok(Step::NoLink) };
        let generation = desk.channel.generation();
        // The first worker goes on, one message at a time (`pace`): only another destination's answer tells a silent connection from a
        // silent destination.
        if self.number > 0 && (self.is_silent(generation) || !self.relay.evidence.is_proved(generation)) {
            return Ok(Step::Idle { is_at_rest: false });
        }
        // A channel that was just buried, or a late confirm, may have left something to mark.
        self.pay().await?;
        if let Turn::Wake(wake) = &mut self.turn
            && let Some(cause) = wake.pending()
        {
            self.relay.metrics.wakeup(cause.as_str());
            self.hinted = true;
        }
        let looked = Instant::now();
        let claim = self.relay.store.claim(&self.limits(), std::mem::take(&mut self.hinted)).await?;
        self.relay.vitals.saw_database(true, None);
        self.last_look = looked.elapsed();
        tracing::debug!(worker = self.number, events = claim.events.len(), full = claim.full, took = ?self.last_look, "claim");
        let Claim { batch, events, holds, full, is_at_rest, unreadable } = claim;
        for _ in 0..unreadable {
            self.relay.metrics.failure("unreadable");
        }
        let Some(batch) = batch else {
            return Ok(if unreadable > 0 { Step::Worked { fresh: 0 } } else { Step::Idle { is_at_rest } });
        };
        let fresh = events.iter().filter(|event| event.waited.is_none() && event.replay_id.is_none()).count();
        crash::point(crash::Point::AfterClaim);
        if full && let Some(next) = &self.next {
            next.notify_one();
        }
        let Some(desk) = &mut self.desk else { return Ok(Step::NoLink) };
        let mut halt = Halt::new(self.relay.broker.link(), generation, self.relay.draining.clone());
        match self.relay.run_batch(desk, batch, Work::new(events, holds, looked), &mut halt).await {
            // Nothing changed: looking again at once would be a loop without a pause.
            BatchEnd::Settled(0) => Ok(Step::Idle { is_at_rest: false }),
            BatchEnd::Settled(_) => Ok(Step::Worked { fresh }),
            BatchEnd::Lost { confirmed, error } => {
                self.to_mark.extend(confirmed);
                Err(error)
            }
        }
    }

    /// The process-wide byte budget is shared by the workers.
    fn limits(&self) -> ClaimLimits {
        let limits = self.relay.limits;
        ClaimLimits { bytes: limits.bytes / self.workers, ..limits }
    }

    /// The panic's message has been printed by the panic hook; the desk may be half changed, so it goes.
    async fn panicked(&mut self) {
        self.relay.metrics.worker_panic();
        tracing::error!(worker = self.number, "a worker panicked; its batch stays pending and it starts again");
        self.relay.evidence.forget_in_flight();
        self.desk = None;
        tokio::time::sleep(self.jitter.next_pause()).await;
    }
}
