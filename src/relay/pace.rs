//! How much may be in flight: on the channel, to each exchange, and in each flow.
//!
//! One per channel, of a worker or of a probe; used by the publish stage. Each new channel starts with one message and doubles, because
//! a broker under an alarm says so only after the first publish. Each flow has its own window, and an
//! exchange has a budget: RabbitMQ gives a channel 400 credits for each queue and renews them by the 200, so that a channel is blocked by a
//! queue that stands still once it owes between 200 and 400 confirms, and then its connection, unannounced, after some hundred messages
//! for anybody. Nobody knows which flows share a queue; with the budget none of them can fill it.
//!
//! What is owed for too long is stalled: nothing more goes there, and it does not count any more, so that others can go on. Of a flow
//! whose routing keys vary single keys stall, or the whole flow once several have and none that was sent later was confirmed.
//!
//! The words, from harmless to serious:
//!
//! - *stalled*: a routing key or flow has owed a confirm for over 0.6 s; nothing more goes there;
//! - *silent*: nothing at all was confirmed on the channel for over 0.6 s; one message at a time goes past what has stalled;
//! - *stuck*: it has stalled for 1.5 s while later messages are confirmed, or for 2 s without any confirm; it goes on hold;
//! - *suspended* (`late`): on hold because of a confirm that this channel still owes; that confirm lifts the hold.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::destination::Destination;
use crate::outbox::flow::Flow;
use crate::quick::QuickMap;

/// Messages in flight on one channel.
const CHANNEL_WINDOW_MAX: usize = 1_000;
/// Messages in flight to one exchange on one channel: what RabbitMQ renews a channel's credit by. More would do only on a quiet day.
const EXCHANGE_WINDOW_MAX: usize = 200;
/// Nothing more goes where a confirm has been owed for this long.
const STALLED_AFTER: Duration = Duration::from_millis(600);
/// What has owed a confirm for this long, while what was sent later is confirmed, is stuck.
const STUCK_AFTER: Duration = Duration::from_millis(1_500);
/// And so is what has owed one for this long while nothing at all is confirmed. Whether it is the queue or the connection nobody can tell
/// then; but as long as its events are pending as they are, a backlog of them fills every batch, and nothing of another flow is ever sent
/// that could tell. A hold costs nothing, and a confirm or a new connection lifts it.
const STUCK_IN_SILENCE_AFTER: Duration = Duration::from_secs(2);
/// What stalls does so by time alone, so it is looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// So many stalled routing keys are the flow's trouble, if nothing that was sent later is confirmed.
const STALLED_KEYS_MIN: usize = 3;
/// And so many in any case: each has left a message or more in a queue that may be the same.
const STALLED_KEYS_MAX: usize = 16;
/// Refusals in a row, of different messages, after which nothing more of the flow is tried in the batch.
const REFUSALS_MAX: usize = 8;
/// Flows remembered; idle ones are forgotten beyond it. There are as many as routes, or as types where a route takes any.
const FLOWS_MAX: usize = 4_096;

/// The windows of one channel.
#[derive(Debug)]
pub struct Pace {
    window: usize,
    /// In flight and not stalled.
    live: usize,
    /// In flight and stalled.
    stalled: usize,
    last_confirm: Option<Instant>,
    /// The latest send time among all confirmed messages.
    confirmed_sent: Option<Instant>,
    exchanges: QuickMap<Arc<str>, usize>,
    flows: QuickMap<Flow, FlowPace>,
    looked: Option<Instant>,
}

/// One flow on the channel.
#[derive(Debug)]
struct FlowPace {
    window: usize,
    /// In flight and not stalled.
    live: usize,
    /// The latest send time among the flow's confirmed messages.
    confirmed_sent: Option<Instant>,
    is_stalled: bool,
    is_refused: bool,
    refusals: usize,
    /// Only those with something in flight, or refused in this batch.
    keys: QuickMap<Arc<str>, KeyPace>,
}

/// One routing key of a flow.
#[derive(Debug)]
struct KeyPace {
    in_flight: usize,
    /// When it began to owe the confirm that is due next.
    owing_since: Instant,
    is_stalled: bool,
    is_refused: bool,
}

impl KeyPace {
    fn owes_for(&self, now: Instant) -> Duration {
        if self.in_flight == 0 { Duration::ZERO } else { now.duration_since(self.owing_since) }
    }
}

/// Whether a message may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Go,
    /// Not before something of the channel, the exchange or the flow is confirmed.
    Full,
    /// Not while its routing key, or its flow, owes a confirm for so long.
    Stalled,
    /// Not in this batch: the broker refused another for the same routing key, or several of the flow.
    Refused,
}

/// What is stuck where a message was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// Its routing key.
    Key,
    /// Its whole flow.
    Flow,
}

/// A message's place, as the windows see it.
pub type Way<'a> = (&'a Flow, &'a Destination);

impl Pace {
    /// For a new channel.
    pub fn new() -> Self {
        Self {
            window: 1,
            live: 0,
            stalled: 0,
            last_confirm: None,
            confirmed_sent: None,
            exchanges: QuickMap::default(),
            flows: QuickMap::default(),
            looked: None,
        }
    }

    /// Forgets what held for the last batch only, and idle flows when there are many.
    pub fn start_batch(&mut self) {
        if self.flows.len() > FLOWS_MAX {
            self.flows.retain(|_, flow| !flow.keys.is_empty());
        }
        for flow in self.flows.values_mut() {
            (flow.is_refused, flow.refusals) = (false, 0);
            flow.keys.retain(|_, key| {
                key.is_refused = false;
                key.in_flight > 0
            });
        }
    }

    /// Looks for what has stalled since the last look.
    pub fn look(&mut self, now: Instant) {
        if self.looked.is_some_and(|at| now.duration_since(at) < LOOK_EVERY) {
            return;
        }
        self.looked = Some(now);
        let mut struck: Vec<Arc<str>> = Vec::new();
        for (name, flow) in &mut self.flows {
            for key in flow.keys.values_mut().filter(|key| !key.is_stalled) {
                if key.owes_for(now) > STALLED_AFTER {
                    key.is_stalled = true;
                    flow.live -= key.in_flight;
                    self.live -= key.in_flight;
                    self.stalled += key.in_flight;
                    if let Some(live) = self.exchanges.get_mut(&name.exchange) {
                        *live -= key.in_flight;
                    }
                    struck.push(Arc::clone(&name.exchange));
                }
            }
            flow.is_stalled = flow.has_stalled();
        }
        // Another flow of the exchange may lead to the same queue: it feels its way anew.
        let is_struck = |name: &Flow| struck.contains(&name.exchange);
        for (_, flow) in self.flows.iter_mut().filter(|(name, flow)| flow.live == 0 && is_struck(name)) {
            flow.window = 1;
        }
    }

    /// Whether a message of `flow` for `destination` may go.
    pub fn permit(&self, (flow, destination): Way<'_>, now: Instant) -> Permit {
        let known = self.flows.get(flow);
        let key = known.and_then(|flow| flow.keys.get(&destination.routing_key));
        let is_in_flow = |test: fn(&FlowPace) -> bool| known.is_some_and(test);
        if is_in_flow(|flow| flow.is_refused) || key.is_some_and(|key| key.is_refused) {
            Permit::Refused
        } else if is_in_flow(|flow| flow.is_stalled) || key.is_some_and(|key| key.is_stalled) {
            Permit::Stalled
        } else if is_in_flow(|flow| flow.live >= flow.window) || self.is_full(&flow.exchange, now) {
            Permit::Full
        } else {
            Permit::Go
        }
    }

    /// Whether the channel's window or the exchange's budget is used up. While nothing at all is confirmed, only another flow can tell a
    /// silent connection from a silent queue: then one message at a time goes past those that owe.
    fn is_full(&self, exchange: &Arc<str>, now: Instant) -> bool {
        let is_silent = self.last_confirm.is_none_or(|at| now.duration_since(at) > STALLED_AFTER);
        if is_silent && self.stalled > 0 {
            return self.live > 0;
        }
        self.live >= self.window || self.exchanges.get(exchange).is_some_and(|live| *live >= EXCHANGE_WINDOW_MAX)
    }

    /// A message went out.
    pub fn sent(&mut self, (flow, destination): Way<'_>, now: Instant) {
        self.live += 1;
        match self.exchanges.get_mut(&flow.exchange) {
            Some(live) => *live += 1,
            None => drop(self.exchanges.insert(Arc::clone(&flow.exchange), 1)),
        }
        if !self.flows.contains_key(flow) {
            self.flows.insert(flow.clone(), FlowPace::new());
        }
        let Some(flow) = self.flows.get_mut(flow) else { return };
        flow.live += 1;
        match flow.keys.get_mut(&destination.routing_key) {
            Some(key) => {
                if key.in_flight == 0 {
                    key.owing_since = now;
                }
                key.in_flight += 1;
            }
            None => {
                let key = KeyPace { in_flight: 1, owing_since: now, is_stalled: false, is_refused: false };
                flow.keys.insert(Arc::clone(&destination.routing_key), key);
            }
        }
    }

    /// The broker answered a message that was sent at `sent`; `accepted` says that it took it. Windows double per round trip: plus one per
    /// confirm.
    pub fn answered(&mut self, (name, destination): Way<'_>, accepted: bool, sent: Instant, now: Instant) {
        if accepted {
            self.last_confirm = Some(now);
            self.confirmed_sent = self.confirmed_sent.max(Some(sent));
            self.window = (self.window + 1).min(CHANNEL_WINDOW_MAX);
        }
        let Some(flow) = self.flows.get_mut(name) else { return };
        if accepted {
            flow.window = (flow.window + 1).min(EXCHANGE_WINDOW_MAX);
            flow.refusals = 0;
            flow.confirmed_sent = flow.confirmed_sent.max(Some(sent));
        }
        let Some(key) = flow.keys.get_mut(&destination.routing_key) else { return };
        let Some(exchange) = self.exchanges.get_mut(&name.exchange) else { return };
        if key.is_stalled {
            key.is_stalled = false;
            flow.live += key.in_flight;
            self.live += key.in_flight;
            self.stalled -= key.in_flight;
            *exchange += key.in_flight;
        }
        if key.in_flight > 0 {
            key.in_flight -= 1;
            flow.live -= 1;
            self.live -= 1;
            *exchange -= 1;
        }
        key.owing_since = now;
        if key.in_flight == 0 && !key.is_refused {
            flow.keys.remove(&destination.routing_key);
        }
        if flow.is_stalled {
            flow.is_stalled = flow.has_stalled();
        }
    }

    /// The broker refused a message: nothing more for its routing key in this batch, nothing more of the flow after several, and a slow start
    /// after it.
    pub fn refuse(&mut self, (flow, destination): Way<'_>, now: Instant) {
        let Some(flow) = self.flows.get_mut(flow) else { return };
        flow.window = 1;
        flow.refusals += 1;
        flow.is_refused |= flow.refusals >= REFUSALS_MAX;
        let key = KeyPace { in_flight: 0, owing_since: now, is_stalled: false, is_refused: false };
        flow.keys.entry(Arc::clone(&destination.routing_key)).or_insert(key).is_refused = true;
    }

    /// Nobody waits for this answer any more: it may have been lost on its way, and what it came from may be well.
    pub fn give_up(&mut self, (name, destination): Way<'_>) {
        let Some(flow) = self.flows.get_mut(name) else { return };
        flow.window = 1;
        let Some(key) = flow.keys.get_mut(&destination.routing_key).filter(|key| key.in_flight > 0) else { return };
        key.in_flight -= 1;
        if key.is_stalled {
            self.stalled -= 1;
        } else {
            flow.live -= 1;
            self.live -= 1;
            if let Some(live) = self.exchanges.get_mut(&name.exchange) {
                *live -= 1;
            }
        }
        if key.in_flight == 0 {
            flow.keys.remove(&destination.routing_key);
        }
        flow.is_stalled = flow.has_stalled();
    }

    /// What is stuck in a message's way, its routing key or its flow. Stuck: owes for 1.5 s and a later message was confirmed, or owes for
    /// 2 s and nothing was confirmed meanwhile. A broker that is slow with everything confirms in order.
    pub fn stuck(&self, (flow, destination): Way<'_>, now: Instant) -> Option<Stuck> {
        let flow = self.flows.get(flow)?;
        let is_stuck = |key: &KeyPace| {
            let is_passed_over = self.confirmed_sent.is_some_and(|sent| sent > key.owing_since);
            let is_silence = self.last_confirm.is_none_or(|at| at <= key.owing_since);
            (is_passed_over && key.owes_for(now) > STUCK_AFTER)
                || (is_silence && key.owes_for(now) > STUCK_IN_SILENCE_AFTER)
        };
        if flow.is_stalled {
            return flow.keys.values().any(is_stuck).then_some(Stuck::Flow);
        }
        let key = flow.keys.get(&destination.routing_key)?;
        (key.is_stalled && is_stuck(key)).then_some(Stuck::Key)
    }
}

impl FlowPace {
    fn new() -> Self {
        Self {
            window: 1,
            live: 0,
            confirmed_sent: None,
            is_stalled: false,
            is_refused: false,
            refusals: 0,
            keys: QuickMap::default(),
        }
    }

    /// Whether so many routing keys have stalled that the trouble is the flow's.
    fn has_stalled(&self) -> bool {
        let stalled = || self.keys.values().filter(|key| key.is_stalled);
        let count = stalled().count();
        let Some(first) = stalled().map(|key| key.owing_since).min() else { return false };
        let is_confirmed_since = self.confirmed_sent.is_some_and(|sent| sent > first);
        count > STALLED_KEYS_MAX || (count >= STALLED_KEYS_MIN && !is_confirmed_since)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
