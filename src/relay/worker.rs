//! The worker's loop: claims batches while there is work, owns one channel, sees to what the channel still owes.
//!
//! `crew` starts one worker that looks for work by itself and more that help while batches come back full. A panic inside is contained,
//! counted and logged; the batch's connection closes with it, which frees its lanes and leaves its rows pending.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::crash;
use crate::ops::pulse::Heart;
use crate::relay::backoff::Jitter;
use crate::relay::broker::{Broker, Channel, LinkState};
use crate::relay::halt::Halt;
use crate::relay::store::{Claim, ClaimLimits, ConfirmedCopy, Store, StoreError};
use crate::relay::wake::{Cause, Wake};
use crate::relay::work::Work;
use crate::relay::{BatchEnd, Desk, Relay, tally};

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
            owed: Vec::new(),
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
    /// Confirmed events whose batch was lost: marked before anything else is published.
    owed: Vec<ConfirmedCopy>,
    jitter: Jitter,
    last_look: Duration,
    /// Whether a hint came since the last claim.
    hinted: bool,
    /// Whether the log says that the database cannot be used.
    said: bool,
    was_blocked: bool,
    heart: Heart,
}

/// What a step of the loop found.
enum Step {
    /// Work was done; look again at once.
    Worked,
    /// Nothing due.
    Idle,
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
            Ok(Step::Worked) => {
                self.recovered();
                if let Turn::Wake(wake) = &mut self.turn {
                    wake.found_work();
                }
                tokio::task::yield_now().await;
            }
            Ok(Step::Idle) => {
                self.recovered();
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
        let Some(desk) = &self.desk else { return Ok(Step::NoLink) };
        let generation = desk.channel.generation();
        // The first worker goes on, one message at a time (`pace`): only another destination's answer tells a silent connection from a
        // silent destination.
        if self.number > 0 && (self.is_silent(generation) || !self.relay.evidence.is_proved(generation)) {
            return Ok(Step::Idle);
        }
        // A channel that was just buried, or a late confirm, may have left something to mark.
        self.pay().await?;
        if let Turn::Wake(wake) = &self.turn
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
        let Claim { batch: Some(batch), events, holds, full } = claim else { return Ok(Step::Idle) };
        crash::point(crash::Point::AfterClaim);
        if full && let Some(next) = &self.next {
            next.notify_one();
        }
        let Some(desk) = &mut self.desk else { return Ok(Step::NoLink) };
        let mut halt = Halt::new(self.relay.broker.link(), generation, self.relay.draining.clone());
        match self.relay.run_batch(desk, batch, Work::new(events, holds), &mut halt).await {
            // Nothing changed: looking again at once would be a loop without a pause.
            BatchEnd::Settled(0) => Ok(Step::Idle),
            BatchEnd::Settled(_) => Ok(Step::Worked),
            BatchEnd::Lost { confirmed, error } => {
                self.owed.extend(confirmed);
                Err(error)
            }
        }
    }

    /// The process-wide byte budget is shared by the workers.
    fn limits(&self) -> ClaimLimits {
        let limits = self.relay.limits;
        ClaimLimits { bytes: limits.bytes / self.workers, ..limits }
    }

    /// Marks what was confirmed in a batch that was lost. Until that works nothing more is published, so a database that takes no
    /// marks costs at most one batch of duplicates.
    async fn pay(&mut self) -> Result<(), StoreError> {
        if let Some(desk) = &mut self.desk {
            self.owed.append(&mut desk.unmarked);
        }
        if self.owed.is_empty() {
            return Ok(());
        }
        self.relay.store.mark_late(&self.owed).await?;
        self.relay.evidence.land(self.owed.iter().map(|copy| &copy.event));
        self.owed.clear();
        Ok(())
    }

    /// Makes sure of a channel on the present connection; a dead one is buried first.
    async fn has_channel(&mut self) -> bool {
        let state = *self.relay.broker.link().borrow();
        let usable = self.desk.as_ref().is_some_and(|desk| {
            let lost = match state {
                LinkState::Down => true,
                LinkState::Up(generation) | LinkState::Blocked(generation) => generation != desk.channel.generation(),
            };
            !lost && desk.channel.close_reason().is_none()
        });
        if !usable {
            self.bury_desk().await;
        }
        self.note_blocked(state);
        match state {
            LinkState::Down | LinkState::Blocked(_) => false,
            LinkState::Up(_) if self.desk.is_some() => true,
            LinkState::Up(_) => match self.relay.broker.open().await {
                Ok(channel) => {
                    self.desk = Some(Desk::new(channel));
                    true
                }
                Err(error) => {
                    tracing::debug!(%error, "no channel");
                    false
                }
            },
        }
    }

    /// Confirm deadlines do not run while the broker blocks the connection.
    fn note_blocked(&mut self, state: LinkState) {
        let is_blocked = matches!(state, LinkState::Blocked(_));
        if self.was_blocked
            && !is_blocked
            && let Some(desk) = &mut self.desk
        {
            desk.late.restart_clocks(Instant::now());
        }
        self.was_blocked = is_blocked;
    }

    /// What a dead channel owed will never be answered: those events are due at once.
    async fn bury_desk(&mut self) {
        let Some(mut desk) = self.desk.take() else { return };
        self.owed.append(&mut desk.unmarked);
        let unanswered = desk.late.abandon();
        if unanswered.is_empty() {
            return;
        }
        // Each is counted as it has its turn again.
        if let Err(error) = self.relay.store.recheck(&unanswered).await {
            tracing::debug!(%error, "unanswered events wait for their timeout");
        }
        self.relay.evidence.land(&unanswered);
    }

    /// Takes late answers that are there, and acts on what is overdue.
    async fn look_after_late(&mut self) {
        let Some(desk) = &mut self.desk else { return };
        if desk.late.is_empty() {
            return;
        }
        if let Some(answers) = desk.channel.progress().now_or_never() {
            self.relay.take_late(desk, answers).await;
        }
        let timeout = self.relay.policy.confirm_timeout;
        let overdue = desk.late.overdue(timeout, Instant::now());
        let generation = desk.channel.generation();
        let (mut stuck, mut probe_after) = (Vec::new(), timeout);
        for message in overdue {
            if !self.relay.evidence.has_answered_since(generation, message.at) {
                // The connection, or this destination: the probe on a new connection tells, and what waits for a silent destination
                // does not come first again.
                probe_after = Duration::ZERO;
                self.relay.broker.end_generation(generation, "no confirm at all within the timeout");
            }
            desk.late.suspend(message.destination.clone());
            stuck.push((message.event, message.destination));
        }
        if stuck.is_empty() {
            return;
        }
        let events: Vec<Uuid> = stuck.iter().map(|(event, _)| *event).collect();
        match self.relay.store.hold_unconfirmed(&stuck, probe_after).await {
            // From now on they may be claimed again, by a probe first. A late confirm of this copy still marks them.
            Ok(()) => {
                self.relay.metrics.possible_duplicates(events.len());
                self.relay.evidence.land(&events);
            }
            Err(error) => {
                desk.late.unreport(&events);
                let words = error.to_string();
                if let Some(left_out) = self.relay.quota.news(&words) {
                    let left_out = tally::some(left_out);
                    tracing::warn!(
                        error = words,
                        left_out,
                        "destinations that do not confirm could not be put on hold"
                    );
                }
            }
        }
    }

    /// Whether the connection owes confirms and has given none for a while: nothing more is risked on it.
    fn is_silent(&self, generation: u64) -> bool {
        let Some(desk) = &self.desk else { return true };
        let since = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now);
        desk.late.oldest().is_some_and(|oldest| oldest < since)
            && !self.relay.evidence.has_answered_since(generation, since)
            && self.relay.evidence.in_flight() > 0
    }

    /// Waits for a reason to look again; meanwhile takes late answers as they come.
    async fn rest(&mut self) {
        let relay = Arc::clone(&self.relay);
        let mut link = relay.broker.link();
        link.mark_unchanged();
        let timeout = relay.policy.confirm_timeout;
        let overdue_at = self.desk.as_ref().and_then(|desk| desk.late.next_overdue(timeout));
        let owes = self.desk.as_ref().is_some_and(|desk| !desk.late.is_empty());
        let answers = async {
            match &mut self.desk {
                Some(desk) if owes => desk.channel.progress().await,
                Some(_) | None => std::future::pending().await,
            }
        };
        let overdue = async {
            match overdue_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let called = async {
            match &mut self.turn {
                Turn::Wake(wake) => {
                    let cause = wake.next(self.last_look).await;
                    relay.metrics.wakeup(cause.as_str());
                    cause != Cause::Poll
                }
                Turn::Called(call) => {
                    call.notified().await;
                    true
                }
            }
        };
        self.heart.rests();
        let (answers, hinted) = tokio::select! {
            biased;
            answers = answers => (answers, false),
            () = overdue => (Vec::new(), false),
            hinted = called => (Vec::new(), hinted),
            _ = link.changed() => (Vec::new(), false),
            () = relay.draining.cancelled() => (Vec::new(), false),
        };
        self.hinted = hinted;
        self.heart.works();
        if let Some(desk) = &mut self.desk {
            relay.take_late(desk, answers).await;
        }
    }

    /// Waits until the link changes; a link that is up without a usable channel is tried again after a pause.
    async fn wait_for_link(&mut self) {
        let mut link = self.relay.broker.link();
        link.mark_unchanged();
        let is_up = matches!(*link.borrow(), LinkState::Up(_));
        let pause = if is_up { self.jitter.next_pause() } else { Duration::from_secs(1) };
        let draining = self.relay.draining.clone();
        let late = async {
            match &mut self.desk {
                Some(desk) if !desk.late.is_empty() => desk.channel.progress().await,
                Some(_) | None => std::future::pending().await,
            }
        };
        self.heart.rests();
        let answers = tokio::select! {
            biased;
            _ = link.changed() => Vec::new(),
            answers = late => answers,
            () = tokio::time::sleep(pause) => Vec::new(),
            () = draining.cancelled() => Vec::new(),
        };
        self.heart.works();
        let relay = Arc::clone(&self.relay);
        if let Some(desk) = &mut self.desk {
            relay.take_late(desk, answers).await;
        }
    }

    /// Says what is wrong with the database once and then now and then, and sleeps.
    async fn failed(&mut self, error: &StoreError) {
        let relay = Arc::clone(&self.relay);
        relay.metrics.failure(match error {
            StoreError::Unreachable(_) | StoreError::Failed { .. } => "database",
            StoreError::Schema(_) => "schema",
            StoreError::MarksRefused { .. } => "marks_refused",
        });
        relay.vitals.saw_database(error.is_answer(), Some(error.kind()));
        let words = error.to_string();
        if let Some(left_out) = relay.quota.news(&words) {
            let (unmarked, left_out) = (self.owed.len(), tally::some(left_out));
            tracing::warn!(error = words, unmarked, left_out, "the database cannot be used; trying again");
            self.said = true;
        }
        let pause = self.jitter.next_pause();
        self.heart.rests();
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = relay.draining.cancelled() => {}
        }
    }

    fn recovered(&mut self) {
        if std::mem::take(&mut self.said) {
            self.relay.quota.forget();
            tracing::info!("the database can be used again");
        }
        self.jitter.reset();
    }

    /// The panic's message has been printed by the panic hook; the desk may be half changed, so it goes.
    async fn panicked(&mut self) {
        self.relay.metrics.worker_panic();
        tracing::error!(worker = self.number, "a worker panicked; its batch stays pending and it starts again");
        self.relay.evidence.forget_in_flight();
        self.desk = None;
        tokio::time::sleep(self.jitter.next_pause()).await;
    }

    /// At the end: awaits what the channel owes, for as long as the drain timeout leaves time to settle it, and marks what is owed.
    /// What has been owed for longer than the confirm timeout is not waited for: nobody knows whether it ever comes.
    async fn hand_over(&mut self) {
        // Bounded by the drain timeout, which `app` watches.
        self.heart.rests();
        crash::point(crash::Point::WhileDraining);
        let relay = Arc::clone(&self.relay);
        let until = Instant::now() + relay.drain_timeout.mul_f64(0.8);
        let timeout = relay.policy.confirm_timeout;
        if let Some(desk) = &mut self.desk {
            while desk.late.next_overdue(timeout).is_some() && matches!(*relay.broker.link().borrow(), LinkState::Up(_))
            {
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(until) => break,
                    answers = desk.channel.progress() => relay.take_late(desk, answers).await,
                }
            }
            if !desk.late.is_empty() {
                tracing::warn!(
                    unconfirmed = desk.late.len(),
                    "stopping without their confirms; they may be sent again"
                );
            }
        }
        while let Err(error) = self.pay().await {
            let words = error.to_string();
            if let Some(left_out) = self.relay.quota.news(&words) {
                let (unmarked, left_out) = (self.owed.len(), tally::some(left_out));
                tracing::warn!(error = words, unmarked, left_out, "confirmed events could not be marked yet");
            }
            tokio::time::sleep(self.jitter.next_pause()).await;
        }
    }
}
