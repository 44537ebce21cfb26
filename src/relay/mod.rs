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
pub mod destination;
pub mod envelope;
pub mod event;
pub mod evidence;
pub mod fault;
#[cfg(test)]
mod fixtures;
pub mod halt;
pub mod labels;
pub mod late;
pub mod message;
pub mod pace;
pub mod probe;
pub mod publish;
pub mod route;
pub mod settle;
pub mod store;
pub mod suspects;
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

use crate::ops::metrics::Metrics;
use answer::{Answer, ChannelFault};
use broker::{Broker, Channel, CloseReason, Message, Reply, Token};
use event::{Event, Payload};
use evidence::{Evidence, Suspicion};
use fault::{Finding, InFlight};
use halt::Halt;
use late::Late;
use pace::Pace;
use publish::{Composed, Index, Outcome, Report};
use route::{Route, RouteTable};
use settle::{Decision, OnDeadLetter};
use store::{Batch, ClaimLimits, Settlement, Store, StoreError};
use suspects::Trial;
use verdict::{Fate, Policy, Verdict};
use work::{Leg, LegState, Plan, Work};

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
    next_token: Token,
}

impl<C> Desk<C> {
    /// For a fresh channel.
    pub fn new(channel: C) -> Self {
        Self { channel, pace: Pace::new(), late: Late::default(), next_token: 0 }
    }
}

/// How a batch ended.
#[derive(Debug)]
pub enum BatchEnd {
    /// Committed; how many events had a part in it.
    Settled(usize),
    /// The transaction was lost: these confirmed events have to be marked before anything else is published.
    Lost {
        /// Confirmed, perhaps not marked.
        confirmed: Vec<Uuid>,
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
        policy: &Policy,
    ) -> BatchEnd {
        let deadline = Instant::now() + self.batch_deadline;
        let allowed = self.evidence.take_off(work.ids().copied());
        let chains = work.chains(&allowed);
        self.metrics.batch_events(work.events.len());
        let report = {
            let Work { events, holds, plans } = &mut work;
            let mut compose = |index: Index| {
                let (plan, composed) = self.compose(&events[index], holds, &mut desk.next_token);
                plans.insert(index, plan);
                composed
            };
            publish::publish(&mut desk.channel, &mut desk.pace, chains, &mut compose, halt, deadline).await
        };
        self.collect(desk, &mut work, report, deadline).await;
        let settlement = self.judge(&mut work, policy);
        let end = match batch.settle(&settlement).await {
            Ok(settled) => {
                if !settlement.holds.is_empty() {
                    self.new_hold.notify_one();
                }
                for refused in settled.refused {
                    self.metrics.failure("settle_refused");
                    tracing::error!(error = refused, "the database refused a part of a batch; the event stays pending");
                }
                BatchEnd::Settled(allowed.len())
            }
            Err(error) => BatchEnd::Lost { confirmed: settlement.published.clone(), error },
        };
        self.land(desk, &work, &allowed, &end);
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
        let limit = self.limits.payload_bytes;
        let text = match &event.payload {
            Payload::Text(text) => text,
            Payload::TooLarge(bytes) => return Err(Fate::TooLarge { bytes: *bytes, limit }),
        };
        let routes = self.routes.routes_for(&event.event_type);
        if routes.is_empty() {
            return Err(Fate::NoRoute);
        }
        let invalid = |error: message::InvalidEvent| Fate::Invalid { error: error.to_string() };
        message::check_payload(text).map_err(invalid)?;
        let done = event.waited.as_ref().map_or(&[][..], |waited| &waited.routes_confirmed);
        let (mut legs, mut messages, now) = (Vec::new(), Vec::new(), OffsetDateTime::now_utc());
        for route in routes.iter().filter(|route| !done.iter().any(|name| **name == *route.name)) {
            let destination = route.destination(event);
            let state = if let Some(hold) = holds.covering(&route.name, &destination) {
                LegState::Held(hold.id)
            } else {
                let (labels, token) = (route.labels(event), *next_token);
                *next_token += 1;
                let body = envelope::render(route.envelope, event, text, &labels);
                messages.push(message::build(token, event, &labels, destination, body, now).map_err(invalid)?);
                LegState::Message(token)
            };
            legs.push(Leg { route: Arc::clone(route), state });
        }
        Ok((legs, messages))
    }

    /// Turns the report into answers: evidence first, then what a closed channel says, then each leg.
    async fn collect(&self, desk: &mut Desk<B::Channel>, work: &mut Work, mut report: Report, deadline: Instant) {
        let late = std::mem::take(&mut report.late);
        self.take_late(desk, late).await;
        let generation = desk.channel.generation();
        for (index, sent) in &report.events {
            for message in sent {
                self.note(message, work.events[*index].id, generation);
            }
        }
        let faults = self.read_close(desk, work, &report, deadline).await;
        for (index, sent) in report.events {
            let event = work.events[index].id;
            let complete = sent
                .iter()
                .all(|message| matches!(message.outcome, Outcome::Unconfirmed | Outcome::Replied(Reply::Confirmed)));
            let Some(Plan::Routes(legs)) = work.plans.get_mut(&index) else { continue };
            let complete = complete && sent.len() == legs.len();
            for message in sent {
                if message.outcome == Outcome::Unconfirmed {
                    desk.late.add(message.token, event, message.destination.clone(), message.at, complete);
                }
                if message.outcome == Outcome::Stalled {
                    desk.late.suspend(message.destination.clone());
                }
                let leg =
                    legs.iter_mut().find(|leg| matches!(leg.state, LegState::Message(token) if token == message.token));
                let Some(leg) = leg else { continue };
                leg.state = LegState::Answered(self.answer(leg, message, &faults));
            }
        }
    }

    /// Notes what one message's outcome says beyond this batch.
    fn note(&self, message: &publish::Sent, event: Uuid, generation: u64) {
        match &message.outcome {
            Outcome::Replied(Reply::Confirmed) => {
                self.evidence.accepted(&message.destination, generation);
                self.metrics.confirm_duration(message.at.elapsed());
            }
            Outcome::Replied(Reply::Returned(_)) => {
                self.evidence.returned(&message.destination, event);
                self.evidence.answered(generation);
            }
            Outcome::Replied(Reply::Nacked) => self.evidence.answered(generation),
            Outcome::Replied(Reply::Unknown) | Outcome::Unconfirmed => {}
            Outcome::Stalled | Outcome::Refused | Outcome::NotSent => {}
        }
    }

    fn answer(&self, leg: &Leg, message: publish::Sent, faults: &HashMap<Token, Answer>) -> Answer {
        let publish::Sent { token, destination, outcome, .. } = message;
        if let Some(answer) = faults.get(&token) {
            return answer.clone();
        }
        match outcome {
            Outcome::Replied(Reply::Confirmed) => Answer::Confirmed,
            Outcome::Replied(Reply::Returned(text)) => Answer::Returned {
                on_unroutable: leg.route.on_unroutable,
                streak: self.evidence.streak(&destination),
                destination,
                text,
            },
            Outcome::Replied(Reply::Nacked) | Outcome::Refused => Answer::Nacked { destination },
            Outcome::Replied(Reply::Unknown) => Answer::Closed { destination, fault: ChannelFault::Bystander },
            Outcome::Unconfirmed => Answer::Unconfirmed,
            Outcome::Stalled => Answer::Stalled { destination },
            Outcome::NotSent => Answer::NotSent,
        }
    }

    /// What the end of the channel says about the messages that were in flight on it.
    async fn read_close(
        &self,
        desk: &mut Desk<B::Channel>,
        work: &mut Work,
        report: &Report,
        deadline: Instant,
    ) -> HashMap<Token, Answer> {
        let unknown: Vec<(Index, InFlight)> = report
            .events
            .iter()
            .flat_map(|(index, sent)| sent.iter().map(move |message| (*index, message)))
            .filter(|(_, message)| message.outcome == Outcome::Replied(Reply::Unknown))
            .map(|(index, message)| {
                (
                    index,
                    InFlight {
                        token: message.token,
                        destination: message.destination.clone(),
                        body_bytes: message.body_bytes,
                    },
                )
            })
            .collect();
        if unknown.is_empty() {
            return HashMap::new();
        }
        self.metrics.possible_duplicates(unknown.len());
        let lost = CloseReason { code: None, text: "the connection was lost".into(), connection_lost: true };
        let reason = desk.channel.close_reason().cloned().unwrap_or(lost);
        tracing::warn!(
            code = reason.code,
            reason = reason.text,
            in_flight = unknown.len(),
            "the channel ended with messages in flight"
        );
        let in_flight: Vec<InFlight> = unknown.iter().map(|(_, message)| message.clone()).collect();
        match fault::read(&reason, &in_flight) {
            Finding::Named(faults) => in_flight
                .into_iter()
                .zip(faults)
                .map(|(InFlight { token, destination, .. }, fault)| (token, Answer::Closed { destination, fault }))
                .collect(),
            Finding::Suspects => self.try_suspects(work, &unknown, &mut desk.next_token, deadline).await,
            Finding::NobodysFault => self.strike(work, &unknown, &reason),
        }
    }

    /// A connection that is lost again and again with the same single message in flight casts suspicion on it.
    fn strike(&self, work: &Work, unknown: &[(Index, InFlight)], reason: &CloseReason) -> HashMap<Token, Answer> {
        let [(index, message)] = unknown else { return HashMap::new() };
        if self.evidence.in_flight_elsewhere(work.ids()) {
            return HashMap::new();
        }
        let destination = message.destination.clone();
        let answer = match self.evidence.struck(work.events[*index].id, &destination) {
            Suspicion::None => return HashMap::new(),
            // Out of the way for a while, uncharged, so that others can show whether the broker takes anything.
            Suspicion::Unproved => Answer::Unconfirmed,
            Suspicion::Proved => {
                Answer::Closed { destination, fault: ChannelFault::Culprit { text: reason.text.clone() } }
            }
        };
        HashMap::from([(message.token, answer)])
    }

    async fn try_suspects(
        &self,
        work: &mut Work,
        unknown: &[(Index, InFlight)],
        next_token: &mut Token,
        deadline: Instant,
    ) -> HashMap<Token, Answer> {
        let (mut messages, mut owners) = (Vec::new(), HashMap::new());
        for (index, suspect) in unknown {
            let Ok((legs, rebuilt)) = self.legs(&work.events[*index], &work.holds, next_token) else { continue };
            let Some(Plan::Routes(planned)) = work.plans.get(index) else { continue };
            let place =
                planned.iter().position(|leg| matches!(leg.state, LegState::Message(token) if token == suspect.token));
            let token = place.and_then(|place| match legs.get(place)?.state {
                LegState::Message(token) => Some(token),
                LegState::Held(_) | LegState::Answered(_) => None,
            });
            if let Some(message) = rebuilt.into_iter().find(|message| Some(message.token) == token) {
                owners.insert(message.token, (suspect.token, suspect.destination.clone()));
                messages.push(message);
            }
        }
        let trials = suspects::try_alone(&self.broker, &self.evidence, messages, deadline).await;
        let mut answers = HashMap::new();
        for (token, trial) in trials {
            let Some((token, destination)) = owners.remove(&token) else { continue };
            let answer = match trial {
                Trial::Answered(Reply::Confirmed) => Answer::Confirmed,
                Trial::Closed(fault) => Answer::Closed { destination, fault },
                // It gets its verdict in the next batch, on a channel of many.
                Trial::Answered(Reply::Returned(_) | Reply::Nacked | Reply::Unknown) | Trial::Untried => {
                    Answer::Closed { destination, fault: ChannelFault::Bystander }
                }
            };
            answers.insert(token, answer);
        }
        answers
    }

    /// Verdict and settle: the changes that the batch commits.
    fn judge(&self, work: &mut Work, policy: &Policy) -> Settlement {
        let mut decisions = Vec::with_capacity(work.plans.len());
        let mut plans: Vec<(Index, Plan)> = work.plans.drain().collect();
        plans.sort_by_key(|(index, _)| *index);
        for (index, plan) in plans {
            decisions.push(self.decide(&work.events[index], plan, policy));
        }
        settle::plan(decisions, self.on_dead_letter)
    }

    fn decide<'a>(&self, event: &'a Event, plan: Plan, policy: &Policy) -> Decision<'a> {
        let mut routes_confirmed =
            event.waited.as_ref().map_or_else(Vec::new, |waited| waited.routes_confirmed.clone());
        let (mut routes_failed, mut answers) = (Vec::new(), Vec::new());
        let fate = match plan {
            Plan::Judged(fate) => fate,
            Plan::Routes(legs) => {
                for Leg { route, state } in legs {
                    let answer = match state {
                        LegState::Answered(answer) => answer,
                        LegState::Held(hold) => Answer::Held { hold },
                        LegState::Message(_) => Answer::NotSent,
                    };
                    let list = if verdict::is_confirmed(&answer) { &mut routes_confirmed } else { &mut routes_failed };
                    list.push(route.name.to_string());
                    self.count_answer(event, &route, &answer);
                    answers.push(answer);
                }
                verdict::fate(answers)
            }
        };
        let verdict = verdict::verdict(fate, event.attempts(), policy);
        self.count_verdict(event, &verdict);
        Decision { event, verdict, routes_confirmed, routes_failed }
    }

    fn count_answer(&self, event: &Event, route: &Route, answer: &Answer) {
        match answer {
            Answer::Confirmed => {
                self.metrics.attempt(&route.name);
                self.metrics.published(self.routes.label_for(&event.event_type), &route.name);
                if event.replay_id.is_none() {
                    self.metrics.delivery_lag((OffsetDateTime::now_utc() - event.created_at).as_seconds_f64());
                }
            }
            Answer::Returned { .. } => {
                self.metrics.attempt(&route.name);
                self.metrics.failure("returned");
                if verdict::is_confirmed(answer) {
                    self.metrics.unrouted(&route.name);
                }
            }
            Answer::Nacked { .. } => self.metrics.failure("nacked"),
            Answer::Closed { .. } => {
                self.metrics.attempt(&route.name);
                self.metrics.failure("channel_closed");
            }
            Answer::Unconfirmed => {
                self.metrics.attempt(&route.name);
                self.metrics.failure("unconfirmed");
            }
            Answer::Stalled { .. } => self.metrics.failure("stalled"),
            Answer::Held { .. } | Answer::NotSent => {}
        }
    }

    fn count_verdict(&self, event: &Event, verdict: &Verdict) {
        match verdict {
            Verdict::Retry { attempts, error, .. } => {
                self.metrics.retry();
                tracing::debug!(event_id = %event.id, key = event.key(), event_type = event.event_type, attempts, error, "retry");
            }
            Verdict::DeadLetter { reason, attempts, error } => {
                self.metrics.dead_lettered(reason.as_str());
                let reason = reason.as_str();
                tracing::warn!(event_id = %event.id, key = event.key(), event_type = event.event_type, correlation_id = event.correlation_id, reason, attempts, error, "dead letter");
            }
            Verdict::NoRoute { .. } => {
                self.metrics.no_route();
                self.metrics.failure("no_route");
            }
            Verdict::Published
            | Verdict::Hold { .. }
            | Verdict::WaitForHold { .. }
            | Verdict::AwaitConfirm { .. }
            | Verdict::Leave => {}
        }
    }

    /// Forgets the events that are settled; what the channel still owes, or has to be marked, stays noted.
    fn land(&self, desk: &Desk<B::Channel>, work: &Work, allowed: &std::collections::HashSet<Uuid>, end: &BatchEnd) {
        let owed: &[Uuid] = match end {
            BatchEnd::Settled(_) => &[],
            BatchEnd::Lost { confirmed, .. } => confirmed,
        };
        let landed = work.ids().filter(|id| allowed.contains(*id) && !desk.late.owes(id) && !owed.contains(*id));
        self.evidence.land(landed);
        self.metrics.in_flight(self.evidence.in_flight());
    }

    /// Settles answers to messages of earlier batches.
    pub async fn take_late(&self, desk: &mut Desk<B::Channel>, answers: Vec<(Token, Reply)>) {
        if answers.is_empty() {
            return;
        }
        let generation = desk.channel.generation();
        for (token, reply) in &answers {
            if let Some(destination) = desk.late.destination(*token) {
                if *reply == Reply::Confirmed {
                    self.evidence.accepted(destination, generation);
                }
                desk.pace.answered(destination, *reply == Reply::Confirmed, Instant::now());
            }
        }
        let settles = desk.late.answered(answers);
        if let Err(error) = self.settle_late(&settles).await {
            // The waits end by themselves; the worst that follows is a duplicate.
            self.metrics.failure("late_settle");
            tracing::warn!(%error, confirmed = settles.confirmed.len(), "late confirms could not be settled");
        }
        self.evidence.land(settles.confirmed.iter().chain(&settles.recheck));
        self.metrics.in_flight(self.evidence.in_flight());
    }

    async fn settle_late(&self, settles: &late::Settles) -> Result<(), StoreError> {
        if !settles.confirmed.is_empty() {
            self.store.mark_late(&settles.confirmed).await?;
        }
        if !settles.recheck.is_empty() {
            self.store.recheck(&settles.recheck).await?;
        }
        if !settles.alive.is_empty() {
            self.store.lift_unconfirmed(&settles.alive).await?;
        }
        Ok(())
    }
}
