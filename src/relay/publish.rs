//! The publish stage: sends a batch's events and collects the broker's answers.
//!
//! Called once per batch, with the channel of its worker or probe. At most one event per key is unconfirmed (on
//! all its routes together), but many keys are in flight. A key's next event leaves only after
//! every message of the event before it was confirmed in this batch. Ends when everything is
//! answered, at the deadline, when only destinations that do not answer are left, or when the link breaks.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::crash;
use crate::outbox::broker::{Channel, Message, Reply, Token};
use crate::outbox::destination::Destination;
use crate::outbox::flow::Flow;
use crate::quick::QuickMap;
use crate::relay::halt::Halt;
use crate::relay::pace::{Pace, Permit, Stuck};
use crate::relay::work::Index;

/// Messages polled in one go before the socket is awaited: a default batch. Each wait costs two changes of thread: a burst of 64 cost
/// 16.8 µs of CPU per event, 512 costs 15.6. The windows bound what a blocked connection holds.
const BURST: usize = 512;
/// Without any answer for this long, what is left belongs to destinations that do not confirm now.
const QUIET: Duration = Duration::from_millis(300);

/// A destination stalls by time alone, so parked heads are looked at again this often.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What the worker makes of an event when its turn comes.
#[derive(Debug)]
pub enum Composed {
    /// To be sent, all together.
    Messages {
        /// One per route that is open.
        messages: Vec<Message>,
        /// Whether that is all of them; otherwise the event's key ends for this batch.
        whole: bool,
    },
    /// It has no route, cannot become a message, or all its open routes are on hold; its key ends for this batch.
    NothingToSend,
}

/// What the worker knows and this stage does not.
pub struct Ends<'a> {
    /// Makes an event's messages when its turn comes.
    pub compose: &'a mut (dyn FnMut(Index) -> Composed + Send),
    /// A message of an earlier batch, if its window still waits for its answer.
    pub owed: &'a (dyn Fn(Token) -> Option<Owed> + Sync),
}

/// What the windows need to know of a message of an earlier batch.
#[derive(Debug, Clone)]
pub struct Owed {
    /// Its flow.
    pub flow: Flow,
    /// Where it went.
    pub destination: Destination,
    /// When it was sent.
    pub sent: Instant,
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The broker's answer.
    Replied(Reply),
    /// Sent, but not answered yet.
    Unconfirmed,
    /// Not sent: its routing key, or its whole flow, is stuck (`pace`).
    Stalled {
        /// Whether it is the flow.
        everywhere: bool,
    },
    /// Not sent: the broker refused another message for the same routing key, or several of the flow.
    Refused,
    /// Not sent, for a reason that has nothing to do with it.
    NotSent,
}

impl Outcome {
    /// Whether the message went out, whatever came of it.
    pub fn was_sent(&self) -> bool {
        match self {
            Self::Replied(_) | Self::Unconfirmed => true,
            Self::Stalled { .. } | Self::Refused | Self::NotSent => false,
        }
    }
}

/// One message and its outcome.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Its id on the channel.
    pub token: Token,
    /// Where to.
    pub destination: Destination,
    /// The flow that it is part of.
    pub flow: Flow,
    /// Bytes of its body.
    pub body_bytes: usize,
    /// When it was handed over.
    pub at: Instant,
    /// When it was answered.
    pub answered: Option<Instant>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a batch's publishing came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Per event that had its turn: its messages, in the order of its routes.
    pub events: Vec<(Index, Vec<Sent>)>,
    /// Answers to messages of earlier batches.
    pub late: Vec<(Token, Reply)>,
}

/// Publishes `chains`, the events of each key in order, until `deadline`.
pub async fn publish<C: Channel>(
    channel: &mut C,
    pace: &mut Pace,
    chains: Vec<VecDeque<Index>>,
    ends: &mut Ends<'_>,
    halt: &mut Halt,
    deadline: Instant,
) -> Report {
    pace.start_batch();
    let ready = (0..chains.len()).collect();
    let mut run = Run {
        channel,
        pace,
        chains: chains.into_iter().map(|events| Chain { events, staged: None, open: None }).collect(),
        ready,
        parked: Vec::new(),
        open: 0,
        owner: QuickMap::default(),
        report: Report::default(),
        last_sent: Instant::now(),
        last_answer: None,
    };
    run.drive(ends, halt, deadline).await;
    run.finish(ends, halt)
}

struct Run<'a, C> {
    channel: &'a mut C,
    pace: &'a mut Pace,
    chains: Vec<Chain>,
    /// Chains whose head may be sent.
    ready: VecDeque<usize>,
    /// Chains whose head has to wait for a window.
    parked: Vec<usize>,
    /// Chains with an event in flight.
    open: usize,
    owner: QuickMap<Token, usize>,
    report: Report,
    last_sent: Instant,
    last_answer: Option<Instant>,
}

/// One key's events.
#[derive(Debug)]
struct Chain {
    events: VecDeque<Index>,
    /// Messages of the head, where it was composed and not sent yet.
    staged: Option<Staged>,
    /// The head, where it is in flight.
    open: Option<Open>,
}

#[derive(Debug)]
struct Staged {
    messages: Vec<Message>,
    whole: bool,
}

#[derive(Debug)]
struct Open {
    index: Index,
    sent: Vec<Sent>,
    whole: bool,
}

impl<C: Channel> Run<'_, C> {
    async fn drive(&mut self, ends: &mut Ends<'_>, halt: &mut Halt, deadline: Instant) {
        while halt.may_continue() && Instant::now() < deadline {
            if halt.may_send() && self.channel.close_reason().is_none() {
                self.fill(ends.compose);
            }
            if self.is_over(halt) {
                return;
            }
            let quiet = self.quiet_at().map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                biased;
                answers = self.channel.progress() => {
                    if answers.is_empty() {
                        crash::point(crash::Point::AfterPublish);
                    }
                    self.take(answers, ends);
                }
                () = tokio::time::sleep_until(quiet) => return,
                () = tokio::time::sleep(LOOK_AGAIN), if !self.parked.is_empty() => {}
                () = halt.changed() => {}
            }
        }
    }

    /// When to give up on what is unanswered: 300 ms after the last answer, but only if nothing was sent after it. A slow broker goes
    /// on answering.
    fn quiet_at(&self) -> Option<Instant> {
        if self.open == 0 {
            // Only answers to earlier batches could open a window now.
            return Some(self.last_answer.map_or(self.last_sent, |at| at.max(self.last_sent)) + QUIET);
        }
        self.last_answer.filter(|at| *at >= self.last_sent).map(|at| at + QUIET)
    }

    fn is_over(&self, halt: &Halt) -> bool {
        let may_send = halt.may_send() && self.channel.close_reason().is_none();
        let may_open = !self.ready.is_empty() || (!self.parked.is_empty() && self.channel.outstanding() > 0);
        self.open == 0 && !(may_send && may_open)
    }

    /// Sends heads until the burst, the windows or the heads are used up.
    fn fill(&mut self, compose: &mut (dyn FnMut(Index) -> Composed + Send)) {
        if !self.channel.is_flushed() {
            return;
        }
        self.ready.extend(self.parked.drain(..));
        let (mut burst, now) = (0, Instant::now());
        self.pace.look(now);
        while burst < BURST {
            let Some(chain) = self.ready.pop_front() else { return };
            let Some(&index) = self.chains[chain].events.front() else { continue };
            let staged = match self.chains[chain].staged.take() {
                Some(staged) => staged,
                None => match compose(index) {
                    Composed::Messages { messages, whole } => Staged { messages, whole },
                    Composed::NothingToSend => continue,
                },
            };
            match self.permit(&staged.messages, now) {
                Permit::Go => burst += self.send(chain, index, staged, now),
                // It goes on hold, so that its batch need not wait for it any longer.
                Permit::Stalled if self.has_stuck(&staged.messages, now) => self.give_up(index, staged.messages, now),
                Permit::Full | Permit::Stalled => {
                    self.chains[chain].staged = Some(staged);
                    self.parked.push(chain);
                }
                Permit::Refused => self.give_up(index, staged.messages, now),
            }
        }
    }

    /// The strictest permit among the destinations of one event.
    fn permit(&self, messages: &[Message], now: Instant) -> Permit {
        let mut strictest = Permit::Go;
        for message in messages {
            match self.pace.permit((&message.flow, &message.destination), now) {
                Permit::Go => {}
                Permit::Full if strictest == Permit::Go => strictest = Permit::Full,
                Permit::Full => {}
                Permit::Stalled => strictest = Permit::Stalled,
                Permit::Refused => return Permit::Refused,
            }
        }
        strictest
    }

    /// Whether something where one of these was to go is stuck.
    fn has_stuck(&self, messages: &[Message], now: Instant) -> bool {
        messages.iter().any(|message| self.pace.stuck((&message.flow, &message.destination), now).is_some())
    }

    fn send(&mut self, chain: usize, index: Index, staged: Staged, now: Instant) -> usize {
        let Staged { messages, whole } = staged;
        let count = messages.len();
        if count == 0 {
            self.report.events.push((index, Vec::new()));
            return 0;
        }
        let mut sent = Vec::with_capacity(count);
        for message in messages {
            self.pace.sent((&message.flow, &message.destination), now);
            self.owner.insert(message.token, chain);
            sent.push(Sent {
                token: message.token,
                destination: message.destination.clone(),
                flow: message.flow.clone(),
                body_bytes: message.body.len(),
                at: now,
                answered: None,
                outcome: Outcome::Unconfirmed,
            });
            self.channel.send(message);
            crash::point(crash::Point::BetweenPublishes);
        }
        self.last_sent = now;
        self.chains[chain].open = Some(Open { index, sent, whole });
        self.open += 1;
        count
    }

    /// Reports an event that is not sent in this batch: its destination refused another, is stuck, or simply had no room.
    fn give_up(&mut self, index: Index, messages: Vec<Message>, now: Instant) {
        let sent = messages.into_iter().map(|message| {
            let way = (&message.flow, &message.destination);
            let outcome = match self.pace.permit(way, now) {
                Permit::Refused => Outcome::Refused,
                Permit::Stalled | Permit::Full | Permit::Go => match self.pace.stuck(way, now) {
                    Some(Stuck::Key) => Outcome::Stalled { everywhere: false },
                    Some(Stuck::Flow) => Outcome::Stalled { everywhere: true },
                    None => Outcome::NotSent,
                },
            };
            let body_bytes = message.body.len();
            Sent {
                token: message.token,
                destination: message.destination,
                flow: message.flow,
                body_bytes,
                at: now,
                answered: None,
                outcome,
            }
        });
        let sent = sent.collect();
        self.report.events.push((index, sent));
    }

    fn take(&mut self, answers: Vec<(Token, Reply)>, ends: &Ends<'_>) {
        let now = Instant::now();
        if !answers.is_empty() {
            self.last_answer = Some(now);
        }
        for (token, reply) in answers {
            let Some(chain) = self.owner.remove(&token) else {
                if let Some(Owed { flow, destination, sent }) = (ends.owed)(token) {
                    self.pace.answered((&flow, &destination), reply == Reply::Confirmed, sent, now);
                }
                self.report.late.push((token, reply));
                continue;
            };
            self.answer(chain, token, reply, now);
        }
    }

    fn answer(&mut self, chain: usize, token: Token, reply: Reply, now: Instant) {
        let Some(Open { sent, .. }) = &mut self.chains[chain].open else { return };
        if let Some(message) = sent.iter_mut().find(|message| message.token == token) {
            let way = (&message.flow, &message.destination);
            self.pace.answered(way, reply == Reply::Confirmed, message.at, now);
            if reply == Reply::Confirmed {
                crash::point(crash::Point::AfterConfirm);
            }
            if reply == Reply::Nacked {
                self.pace.refuse(way, now);
            }
            message.answered = Some(now);
            message.outcome = Outcome::Replied(reply);
        }
        if sent.iter().any(|message| message.outcome == Outcome::Unconfirmed) {
            return;
        }
        let Some(Open { index, sent, whole }) = self.chains[chain].open.take() else { return };
        self.open -= 1;
        let confirmed = whole && sent.iter().all(|message| message.outcome == Outcome::Replied(Reply::Confirmed));
        self.report.events.push((index, sent));
        self.chains[chain].events.pop_front();
        if confirmed && !self.chains[chain].events.is_empty() {
            self.ready.push_back(chain);
        }
    }

    /// Collects what is still open, after one last look at what has arrived.
    fn finish(mut self, ends: &Ends<'_>, halt: &Halt) -> Report {
        use futures_util::FutureExt;
        while let Some(answers) = self.channel.progress().now_or_never() {
            if answers.is_empty() {
                break;
            }
            self.take(answers, ends);
        }
        let now = Instant::now();
        for chain in std::mem::take(&mut self.parked) {
            let Chain { events, staged, .. } = &mut self.chains[chain];
            if let (Some(&index), Some(staged)) = (events.front(), staged.take()) {
                self.give_up(index, staged.messages, now);
            }
        }
        let lost = halt.link_is_lost();
        let mut open: Vec<Open> = self.chains.iter_mut().filter_map(|chain| chain.open.take()).collect();
        // In the order of `seq`, in which the suspects of a closed channel are tried.
        open.sort_unstable_by_key(|open| open.index);
        for Open { index, mut sent, .. } in open {
            for message in &mut sent {
                if lost && message.outcome == Outcome::Unconfirmed {
                    message.outcome = Outcome::Replied(Reply::Unknown);
                }
            }
            self.report.events.push((index, sent));
        }
        self.report
    }
}
