//! The hot path: one batch of rows from PostgreSQL to RabbitMQ. The only file that knows the order of the stages:
//!
//! ```text
//! wake ──► claim ──► route ──► envelope ──► message ──► publish ──► verdict ──► settle
//! ```
//!
//! `worker` calls `run_batch` again and again. A stage never imports another stage; what passes between them are the nouns
//! (`event`, `destination`, `broker`, `store`, `answer`, `labels`, `work`).

pub mod answer;
pub mod backoff;
pub mod broker;
mod closing;
pub mod destination;
pub mod draft;
pub mod envelope;
pub mod event;
pub mod evidence;
pub mod fault;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod halt;
pub mod labels;
pub mod late;
pub mod message;
pub mod pace;
pub mod probe;
pub mod publish;
pub mod quota;
pub mod route;
pub mod routing;
pub mod settle;
pub mod store;
pub mod suspects;
mod tally;
pub mod verdict;
pub mod wake;
pub mod work;
pub mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::crash;
use crate::ops::metrics::Metrics;
use crate::ops::spans::{SentMessage, Spans};
use crate::ops::vitals::Vitals;
use crate::quick::QuickSet;
use answer::{Answer, ChannelFault, Fate};
use broker::{Broker, Channel, Message, Reply, Token};
use destination::{Destination, OnUnroutable};
use event::Event;
use evidence::Evidence;
use halt::Halt;
use late::{Late, Owed};
use pace::Pace;
use publish::{Composed, Ends, Outcome, Report};
use quota::Quota;
use route::RouteTable;
use routing::Route;
use settle::{Decision, OnDeadLetter};
use store::{Batch, ClaimLimits, ConfirmedCopy, Settlement, Store, StoreError};
use verdict::Policy;
use work::{Index, Leg, LegState, Plan, Work};

/// What the workers and the probe share.
pub struct Relay<S, B> {
    /// The database.
    pub store: S,
    /// The broker.
    pub broker: B,
    /// The routes.
    pub routes: RouteTable,
    /// When an event is retried, held or given up.
    pub policy: Policy,
    /// What becomes of a key after a dead letter.
    pub on_dead_letter: OnDeadLetter,
    /// How much one claim takes.
    pub limits: ClaimLimits,
    /// How long a batch may stay open.
    pub batch_deadline: Duration,
    /// Facts beyond one batch.
    pub evidence: Evidence,
    /// Given when a destination goes on hold, so that its probe comes soon.
    pub new_hold: Notify,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Spans of the messages.
    pub spans: Spans,
    /// What the admin port says of this process.
    pub vitals: Vitals,
    /// Keeps lines about single events from flooding the log.
    pub quota: Quota,
    /// How long a stop may take.
    pub drain_timeout: Duration,
    /// Cancelled when the relay stops: nothing more is sent, confirms are awaited.
    pub draining: CancellationToken,
}

/// A worker's channel and what belongs to it.
pub struct Desk<C> {
    /// The channel.
    pub channel: C,
    /// Its windows.
    pub pace: Pace,
    /// What it owes from earlier batches.
    pub late: Late,
    /// Confirmed events that could not be marked yet.
    pub unmarked: Vec<ConfirmedCopy>,
    next_token: Token,
}

impl<C> Desk<C> {
    /// For a fresh channel.
    pub fn new(channel: C) -> Self {
        Self { channel, pace: Pace::new(), late: Late::default(), unmarked: Vec::new(), next_token: 0 }
    }
}

/// How a batch ended.
#[derive(Debug)]
pub enum BatchEnd {
    /// Committed; how many events it changed anything for.
    Settled(usize),
    /// The transaction was lost: these confirmed events have to be marked before anything else is published.
    Lost {
        /// Confirmed, perhaps not marked.
        confirmed: Vec<ConfirmedCopy>,
        /// Why.
        error: StoreError,
    },
}

impl<S: Store, B: Broker> Relay<S, B> {
    /// Takes a claimed batch through all stages.
    pub async fn run_batch<T: Batch>(
        &self,
        desk: &mut Desk<B::Channel>,
        batch: T,
        mut work: Work,
        halt: &mut Halt,
    ) -> BatchEnd {
        let started = Instant::now();
        let deadline = started + self.batch_deadline;
        let allowed = self.evidence.take_off(work.ids().copied());
        let chains = work.chains(&allowed);
        self.metrics.batch_events(work.events.len());
        let report = {
            let Work { events, holds, plans } = &mut work;
            let Desk { channel, pace, late, next_token, .. } = desk;
            let mut compose = |index: Index| {
                let (plan, composed) = self.compose(&events[index], holds, next_token);
                plans.insert(index, plan);
                composed
            };
            let owed = |token| late.destination(token).cloned();
            publish::publish(channel, pace, chains, &mut Ends { compose: &mut compose, owed: &owed }, halt, deadline)
                .await
        };
        let published = started.elapsed();
        self.collect(desk, &mut work, report, deadline).await;
        let settlement = self.judge(&mut work);
        if !settlement.published.is_empty() {
            crash::point(crash::Point::BeforeSettle);
        }
        let end = match batch.settle(&settlement).await {
            Ok(settled) => {
                self.vitals.settled_batch();
                if !settlement.holds.is_empty() {
                    self.new_hold.notify_one();
                }
                self.count_settled(&work, &settlement, &settled);
                // A part that the database refuses comes back at once; without a pause that would be a hot loop.
                BatchEnd::Settled(if settled.refused.is_empty() { settlement.changes() } else { 0 })
            }
            Err(error) => {
                self.count_lost(&settlement);
                BatchEnd::Lost { confirmed: work.copies(&settlement.published), error }
            }
        };
        self.land(desk, &work, &allowed, &end);
        tracing::debug!(events = allowed.len(), ?published, settled = ?started.elapsed(), "batch");
        end
    }

    /// Route, envelope and message: what an event becomes when its turn comes.
    fn compose(&self, event: &Event, holds: &destination::Holds, next_token: &mut Token) -> (Plan, Composed) {
        match self.legs(event, holds, next_token) {
            Err(fate) => (Plan::Judged(fate), Composed::Judged),
            Ok((legs, messages)) => {
                let whole = messages.len() == legs.len();
                let composed = if messages.is_empty() && !whole {
                    Composed::Judged
                } else {
                    Composed::Messages { messages, whole }
                };
                (Plan::Routes(legs), composed)
            }
        }
    }

    fn legs(
        &self,
        event: &Event,
        holds: &destination::Holds,
        next_token: &mut Token,
    ) -> Result<(Vec<Leg>, Vec<Message>), Fate> {
        let (draft, ways) = draft::draft(&self.routes, event, self.limits.payload_bytes)?;
        let (mut legs, mut messages, now) = (Vec::new(), Vec::new(), OffsetDateTime::now_utc());
        for (route, destination) in ways {
            if event.has_confirmed(&route.name) {
                continue;
            }
            let state = if let Some(hold) = holds.covering(&route.name, &destination) {
                LegState::Held(hold.id)
            } else {
                let token = *next_token;
                *next_token += 1;
                messages.push(draft.message(&route, destination, token, now)?);
                LegState::Message(token)
            };
            legs.push(Leg { route, state });
        }
        Ok((legs, messages))
    }

    /// Turns the report into answers: evidence first, then what a closed channel says, then each leg.
    async fn collect(&self, desk: &mut Desk<B::Channel>, work: &mut Work, mut report: Report, deadline: Instant) {
        let late = std::mem::take(&mut report.late);
        let generation = desk.channel.generation();
        self.note(work, &report, generation);
        let faults = self.read_close(desk, work, &report, deadline).await;
        for (index, sent) in report.events {
            let event = &work.events[index];
            let Some(Plan::Routes(legs)) = work.plans.get_mut(&index) else { continue };
            let complete = sent.len() == legs.len() && sent.iter().all(|message| may_be_done(message, legs));
            for message in sent {
                let Some(leg) = legs.iter_mut().find(|leg| leg.is_of(message.token)) else { continue };
                if message.outcome.was_sent() {
                    self.metrics.attempt(&leg.route.name);
                }
                match message.outcome {
                    Outcome::Unconfirmed => desk.late.add(Owed {
                        token: message.token,
                        event: event.id,
                        event_type: self.routes.label_for(&event.event_type).to_owned(),
                        route: Arc::clone(&leg.route.name),
                        destination: message.destination.clone(),
                        may_be_unrouted: leg.route.on_unroutable == OnUnroutable::Ignore,
                        replay_id: event.replay_id,
                        created_at: event.replay_id.is_none().then_some(event.created_at),
                        sent_at: message.at,
                        at: message.at,
                        complete,
                    }),
                    Outcome::Stalled => desk.late.suspend(message.destination.clone()),
                    Outcome::Replied(_) | Outcome::Refused | Outcome::NotSent => {}
                }
                let answer = self.answer(leg, &message, &work.holds, &faults);
                if message.outcome.was_sent() {
                    self.spans.sent(&SentMessage {
                        event,
                        route: &leg.route.name,
                        destination: &message.destination,
                        body_bytes: message.body_bytes,
                        sent_at: message.at,
                        answered_at: message.answered,
                        answer: &answer,
                    });
                }
                leg.state = LegState::Answered(answer);
            }
        }
        // After the suspensions above, which a late confirm disproves; its windows were opened as it came.
        self.settle_late(desk, late).await;
    }

    /// Notes what the outcomes say beyond this batch. That a destination accepts is noted once, and again after it has returned something.
    fn note(&self, work: &Work, report: &Report, generation: u64) {
        let mut accepted: QuickSet<&Destination> = QuickSet::default();
        for (index, message) in
            report.events.iter().flat_map(|(index, sent)| sent.iter().map(move |sent| (index, sent)))
        {
            match &message.outcome {
                Outcome::Replied(Reply::Confirmed) => {
                    if accepted.insert(&message.destination) {
                        self.evidence.accepted(&message.destination, generation);
                    }
                    let answered = message.answered.unwrap_or_else(Instant::now);
                    self.metrics.confirm_duration(answered.duration_since(message.at));
                }
                Outcome::Replied(Reply::Returned(_)) => {
                    accepted.remove(&message.destination);
                    self.evidence.returned(&message.destination, work.events[*index].id);
                    self.evidence.answered(generation);
                }
                Outcome::Replied(Reply::Nacked) => self.evidence.answered(generation),
                Outcome::Replied(Reply::Unknown) | Outcome::Unconfirmed => {}
                Outcome::Stalled | Outcome::Refused | Outcome::NotSent => {}
            }
        }
    }

    fn answer(
        &self,
        leg: &Leg,
        message: &publish::Sent,
        holds: &destination::Holds,
        faults: &HashMap<Token, Answer>,
    ) -> Answer {
        let publish::Sent { token, destination, outcome, .. } = message;
        if let Some(answer) = faults.get(token) {
            return answer.clone();
        }
        match outcome {
            Outcome::Replied(Reply::Confirmed) => Answer::Confirmed,
            Outcome::Replied(Reply::Returned(text)) => Answer::Returned {
                on_unroutable: leg.route.on_unroutable,
                streak: self.evidence.streak(destination),
                is_probe: holds.is_probed(&leg.route.name, destination),
                destination: destination.clone(),
                text: text.clone(),
            },
            Outcome::Replied(Reply::Nacked) | Outcome::Refused => Answer::Nacked { destination: destination.clone() },
            Outcome::Replied(Reply::Unknown) => {
                Answer::Closed { destination: destination.clone(), fault: ChannelFault::Bystander }
            }
            Outcome::Unconfirmed => Answer::Unconfirmed,
            Outcome::Stalled => Answer::Stalled { destination: destination.clone() },
            Outcome::NotSent => Answer::NotSent,
        }
    }

    /// Verdict and settle: the changes that the batch commits.
    fn judge(&self, work: &mut Work) -> Settlement {
        let mut decisions = Vec::with_capacity(work.plans.len());
        let mut plans: Vec<(Index, Plan)> = work.plans.drain().collect();
        plans.sort_by_key(|(index, _)| *index);
        for (index, plan) in plans {
            decisions.push(self.decide(&work.events[index], plan));
        }
        settle::plan(decisions, self.on_dead_letter)
    }

    fn decide<'a>(&self, event: &'a Event, plan: Plan) -> Decision<'a> {
        let (mut routes_confirmed, mut routes_failed, mut holds) = (Vec::new(), Vec::new(), Vec::new());
        let fate = match plan {
            Plan::Judged(fate) => fate,
            Plan::Routes(legs) => {
                let answers: Vec<(Arc<Route>, Answer)> = legs.into_iter().map(answer_of).collect();
                for (route, answer) in &answers {
                    self.count_answer(event, route, answer);
                }
                // The names are for an event that is not done with, which is seldom.
                if !answers.iter().all(|(_, answer)| verdict::is_confirmed(answer)) {
                    for (route, answer) in &answers {
                        let list =
                            if verdict::is_confirmed(answer) { &mut routes_confirmed } else { &mut routes_failed };
                        list.push(route.name.to_string());
                        holds.extend(verdict::hold_for(answer, &self.policy));
                    }
                }
                verdict::fate(answers.into_iter().map(|(_, answer)| answer))
            }
        };
        if let Some(waited) = &event.waited {
            routes_confirmed.splice(0..0, waited.routes_confirmed.iter().cloned());
        }
        let verdict = verdict::verdict(fate, event.attempts(), &self.policy);
        self.count_again(event, &verdict);
        Decision { event, verdict, holds, routes_confirmed, routes_failed }
    }

    /// Forgets the events that are settled; what the channel still owes, or has to be marked, stays noted.
    fn land(&self, desk: &Desk<B::Channel>, work: &Work, allowed: &QuickSet<Uuid>, end: &BatchEnd) {
        let owed: QuickSet<Uuid> = match end {
            BatchEnd::Settled(_) => QuickSet::default(),
            BatchEnd::Lost { confirmed, .. } => confirmed.iter().map(|copy| copy.event).collect(),
        };
        let landed = work.ids().filter(|id| allowed.contains(*id) && !desk.late.keeps(id) && !owed.contains(*id));
        self.evidence.land(landed);
        self.metrics.in_flight(self.evidence.in_flight());
    }

    /// Settles answers to messages of earlier batches, and opens their destinations' windows.
    pub async fn take_late(&self, desk: &mut Desk<B::Channel>, answers: Vec<(Token, Reply)>) {
        for (token, reply) in &answers {
            if let Some(destination) = desk.late.destination(*token) {
                desk.pace.answered(destination, *reply == Reply::Confirmed, Instant::now());
            }
        }
        self.settle_late(desk, answers).await;
    }

    async fn settle_late(&self, desk: &mut Desk<B::Channel>, answers: Vec<(Token, Reply)>) {
        if answers.is_empty() {
            return;
        }
        let generation = desk.channel.generation();
        for (token, reply) in &answers {
            if let Some(destination) = desk.late.destination(*token)
                && *reply == Reply::Confirmed
            {
                self.evidence.accepted(destination, generation);
            }
        }
        let settles = desk.late.answered(answers);
        for message in &settles.messages {
            self.count_late(message);
        }
        if !settles.confirmed.is_empty() {
            match self.store.mark_late(&settles.confirmed).await {
                Ok(()) => self.evidence.land(settles.confirmed.iter().map(|copy| &copy.event)),
                Err(error) => {
                    self.metrics.failure("late_settle");
                    let words = error.to_string();
                    if let Some(left_out) = self.quota.news(&words) {
                        let (events, left_out) = (settles.confirmed.len(), tally::some(left_out));
                        tracing::warn!(error = words, events, left_out, "late confirms could not be marked yet");
                    }
                    desk.unmarked.extend(settles.confirmed);
                }
            }
        }
        // The routes first: what makes their events due comes after.
        let noted = if settles.routes.is_empty() { Ok(()) } else { self.store.note_routes(&settles.routes).await };
        self.evidence.land(&settles.recheck);
        let went_on = match noted {
            Ok(()) => self.go_on_after(&settles.recheck, &settles.alive).await,
            Err(error) => Err(error),
        };
        if let Err(error) = went_on {
            // Waits and holds end by themselves; this would only have been sooner, and a route that was to be noted gets a second copy.
            self.metrics.failure("late_settle");
            tracing::debug!(%error, "late answers could not be settled");
        }
        self.metrics.in_flight(self.evidence.in_flight());
    }

    async fn go_on_after(&self, recheck: &[Uuid], alive: &[Destination]) -> Result<(), StoreError> {
        if !recheck.is_empty() {
            self.store.recheck(recheck).await?;
        }
        if !alive.is_empty() {
            self.store.lift_unconfirmed(alive).await?;
        }
        Ok(())
    }
}

/// A leg's route, and what the broker said or what stood in the way.
fn answer_of(Leg { route, state }: Leg) -> (Arc<Route>, Answer) {
    let answer = match state {
        LegState::Answered(answer) => answer,
        LegState::Held(hold) => Answer::Held { hold },
        LegState::Message(_) => Answer::NotSent,
    };
    (route, answer)
}

/// Whether nothing but a late confirm of it can be missing.
fn may_be_done(message: &publish::Sent, legs: &[Leg]) -> bool {
    let may_be_unrouted = || {
        let leg = legs.iter().find(|leg| leg.is_of(message.token));
        leg.is_some_and(|leg| leg.route.on_unroutable == OnUnroutable::Ignore)
    };
    match &message.outcome {
        Outcome::Unconfirmed | Outcome::Replied(Reply::Confirmed) => true,
        Outcome::Replied(Reply::Returned(_)) => may_be_unrouted(),
        Outcome::Replied(Reply::Nacked | Reply::Unknown) => false,
        Outcome::Stalled | Outcome::Refused | Outcome::NotSent => false,
    }
}
