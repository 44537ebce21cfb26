//! The simulated broker behind the relay's seam `Broker`. The channel pairs returns with confirms as lapin does, and asks the relay's own
//! `link::judge` what they mean.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use outbox_relay::net::jitter::Jitter;
use outbox_relay::outbox::broker::{
    Broker, BrokerError, Channel, ChannelUser, CloseReason, LinkState, Message, Reply, Token,
};
use outbox_relay::rabbitmq::confirms::{Identity, Judge, Judged, Resolution, Resolved, Returned};
use tokio::sync::{Notify, watch};

use crate::defects::Defect;
use crate::gate::Switch;
use crate::rabbit::{Chan, ChanId, Conn, ConnId, Frame, Sent, Tag, identity};
use crate::wire;
use crate::world::{Ms, NEVER, Process, Sim};

/// As in `link::broker`.
const BLOCKED_MAX: Ms = 300_000;

/// One process's connection, and what it says about it.
#[derive(Clone)]
pub struct SimBroker {
    sim: Arc<Sim>,
    process: Process,
    switch: Arc<Switch>,
    link: Arc<Link>,
}

struct Link {
    /// A sender for each who asks: the order in which they hear of a change is then that of asking, and no dice of tokio's.
    state: Mutex<(LinkState, Vec<watch::Sender<LinkState>>)>,
    conn: Mutex<Option<(u64, ConnId)>>,
    given_up: Mutex<Option<u64>>,
    give_up: Notify,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while it is held")
}

impl SimBroker {
    pub fn new(sim: &Arc<Sim>, process: Process, switch: &Arc<Switch>) -> Self {
        let link = Link {
            state: Mutex::new((LinkState::Down, Vec::new())),
            conn: Mutex::new(None),
            given_up: Mutex::new(None),
            give_up: Notify::new(),
        };
        Self { sim: Arc::clone(sim), process, switch: Arc::clone(switch), link: Arc::new(link) }
    }

    fn tell(&self, state: LinkState) {
        let mut link = held(&self.link.state);
        link.0 = state;
        link.1.retain(|listener| !listener.is_closed());
        for listener in &link.1 {
            listener.send_replace(state);
        }
        drop(link);
        self.sim.say(|| format!("p{} link {state:?}", self.process));
    }

    /// Keeps a connection up, as `link::broker` does.
    pub async fn supervise(self) {
        let (mut jitter, mut generation) = (Jitter::for_services(), 0);
        loop {
            let took = self.sim.roll(1..20);
            self.sim.pause(took).await;
            if !self.sim.lock().rabbit.is_down {
                generation += 1;
                jitter.reset();
                self.watch_over(generation).await;
                self.tell(LinkState::Down);
            }
            tokio::time::sleep(jitter.next_pause()).await;
        }
    }

    async fn watch_over(&self, generation: u64) {
        let changed = Arc::new(Notify::new());
        let id = {
            let mut world = self.sim.lock();
            world.rabbit.last_id += 1;
            let id = world.rabbit.last_id;
            let conn = Conn { process: self.process, alive: true, blocked: false, changed: Arc::clone(&changed) };
            world.rabbit.conns.insert(id, conn);
            id
        };
        *held(&self.link.conn) = Some((generation, id));
        self.tell(LinkState::Up(generation));
        let mut blocked_since: Option<Ms> = None;
        loop {
            let pause = blocked_since.map_or(NEVER / 2, |since| (since + BLOCKED_MAX).saturating_sub(self.sim.now()));
            tokio::select! {
                biased;
                () = changed.notified() => {}
                () = self.link.give_up.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(pause)), if blocked_since.is_some() => {
                    wire::cut(&self.sim, id, "blocked for too long", true);
                }
            }
            if held(&self.link.given_up).take() == Some(generation) {
                wire::cut(&self.sim, id, "the relay gave it up", true);
            }
            let (alive, blocked) = {
                let world = self.sim.lock();
                let conn = &world.rabbit.conns[&id];
                (conn.alive, conn.blocked)
            };
            if !alive {
                *held(&self.link.conn) = None;
                return;
            }
            if blocked != blocked_since.is_some() {
                blocked_since = blocked.then(|| self.sim.now());
                self.tell(if blocked { LinkState::Blocked(generation) } else { LinkState::Up(generation) });
            }
        }
    }

    /// At the end of the process: in good order, or as the kernel does it.
    pub fn part(&self, in_order: bool) {
        if let Some((_, conn)) = held(&self.link.conn).take() {
            wire::cut(&self.sim, conn, "the process ends", !in_order);
        }
    }
}

impl Broker for SimBroker {
    type Channel = SimChannel;

    async fn open(&self, _user: ChannelUser) -> Result<SimChannel, BrokerError> {
        let (generation, conn) = held(&self.link.conn).ok_or(BrokerError::Down)?;
        let took = self.sim.roll(1..5);
        self.sim.pause(took).await;
        let mut waited = took;
        // Opening hangs while the broker reads nothing.
        while {
            let world = self.sim.lock();
            world.rabbit.alarm || world.rabbit.is_silent
        } {
            self.sim.pause(100).await;
            waited += 100;
            if waited > 5_000 {
                if held(&self.link.state).0 == LinkState::Up(generation) {
                    self.end_generation(generation, "cannot open a channel in time");
                }
                return Err(BrokerError::Open("opening a channel took longer than 5s".into()));
            }
        }
        let (chan, io) = {
            let mut world = self.sim.lock();
            if !world.rabbit.conns.get(&conn).is_some_and(|conn| conn.alive) {
                return Err(BrokerError::Open("the connection is gone".into()));
            }
            world.rabbit.last_id += 1;
            let (chan, io) = (world.rabbit.last_id, Arc::new(Notify::new()));
            let state = Chan {
                process: self.process,
                conn,
                wire: VecDeque::new(),
                unconfirmed: Default::default(),
                dues: Vec::new(),
                copies: BTreeMap::new(),
                closed_by_broker: false,
                dropped: false,
                inbox: VecDeque::new(),
                reader: None,
                io: Arc::clone(&io),
            };
            world.rabbit.chans.insert(chan, state);
            (chan, io)
        };
        tokio::spawn(wire::carry(Arc::clone(&self.sim), chan, Arc::clone(&self.switch)));
        Ok(SimChannel::new(Arc::clone(&self.sim), self.process, chan, generation, io))
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        let mut link = held(&self.link.state);
        let (teller, listener) = watch::channel(link.0);
        link.1.retain(|listener| !listener.is_closed());
        link.1.push(teller);
        listener
    }

    fn end_generation(&self, generation: u64, why: &str) {
        self.sim.say(|| format!("p{} gives generation {generation} up: {why}", self.process));
        *held(&self.link.given_up) = Some(generation);
        self.link.give_up.notify_one();
    }
}

/// A channel in confirm mode, as lapin's would be behind `link::channel`.
pub struct SimChannel {
    sim: Arc<Sim>,
    process: Process,
    chan: ChanId,
    generation: u64,
    io: Arc<Notify>,
    next_tag: Tag,
    pending: BTreeMap<Tag, (u64, Token, Identity)>,
    tags: BTreeMap<Token, Tag>,
    returned: VecDeque<Box<Returned>>,
    judge: Judge<Token>,
    stillborn: Vec<(Token, Reply)>,
    closed: Option<CloseReason>,
    flushing: bool,
}

impl SimChannel {
    fn new(sim: Arc<Sim>, process: Process, chan: ChanId, generation: u64, io: Arc<Notify>) -> Self {
        Self {
            sim,
            process,
            chan,
            generation,
            io,
            next_tag: 1,
            pending: BTreeMap::new(),
            tags: BTreeMap::new(),
            returned: VecDeque::new(),
            judge: Judge::new(),
            stillborn: Vec::new(),
            closed: None,
            flushing: false,
        }
    }

    /// lapin: whichever confirm resolves next takes the oldest return along, and one frame for many resolves them in any order.
    fn resolve(&mut self, tag: Tag, acked: bool, drained: &mut Vec<Resolved<Token>>) {
        let Some((number, message, identity)) = self.pending.remove(&tag) else { return };
        let returned = self.returned.pop_front();
        let resolution = if acked { Resolution::Acked(returned) } else { Resolution::Nacked(returned) };
        drained.push(Resolved { number, message, identity, resolution });
    }

    fn read(&mut self, frame: Frame, drained: &mut Vec<Resolved<Token>>) {
        match frame {
            Frame::Return(returned) => self.returned.push_back(returned),
            Frame::Confirm { tag, multiple: false, acked } => self.resolve(tag, acked, drained),
            Frame::Confirm { tag, multiple: true, acked } => {
                let mut tags: Vec<Tag> = self.pending.range(..=tag).map(|(tag, _)| *tag).collect();
                self.sim.lock().dice.shuffle(&mut tags);
                tags.into_iter().for_each(|tag| self.resolve(tag, acked, drained));
            }
            Frame::Close(reason) => {
                for (_, (number, message, identity)) in std::mem::take(&mut self.pending) {
                    drained.push(Resolved { number, message, identity, resolution: Resolution::Erred });
                }
                self.closed.get_or_insert(reason);
            }
        }
    }

    fn judged(&mut self, drained: Vec<Resolved<Token>>) -> Vec<(Token, Reply)> {
        if self.sim.has(Defect::NaivePairing) {
            let naive = |resolved: Resolved<Token>| {
                let word = match resolved.resolution {
                    Resolution::Acked(None) => Reply::Confirmed,
                    Resolution::Acked(Some(returned)) => Reply::Returned(returned.text),
                    Resolution::Nacked(_) => Reply::Nacked,
                    Resolution::Erred => Reply::Unknown,
                };
                (resolved.message, word)
            };
            return drained.into_iter().map(naive).collect();
        }
        let words = self.judge.judge(drained, self.pending.len());
        let reply = |word| match word {
            Judged::Good => Reply::Confirmed,
            Judged::Returned(text) => Reply::Returned(text),
            Judged::Nacked => Reply::Nacked,
            Judged::Unknown => Reply::Unknown,
        };
        words.into_iter().map(|(token, word)| (token, reply(word))).collect()
    }

    /// Notes which copies the relay knows of from now on.
    fn hear(&self, replies: &[(Token, Reply)]) {
        let now = self.sim.now();
        let mut world = self.sim.lock();
        let rabbit = &mut world.rabbit;
        let Some(state) = rabbit.chans.get(&self.chan) else { return };
        for (token, _) in replies.iter().filter(|(_, reply)| *reply == Reply::Confirmed) {
            if let Some(copy) = self.tags.get(token).and_then(|tag| state.copies.get(tag)) {
                rabbit.copies[*copy].heard_at = now;
            }
        }
    }

    fn poll_progress(&mut self, cx: &Context<'_>) -> Poll<Vec<(Token, Reply)>> {
        let frames: Vec<Frame> = {
            let mut world = self.sim.lock();
            match world.rabbit.chans.get_mut(&self.chan) {
                Some(state) => {
                    state.reader = Some(cx.waker().clone());
                    std::mem::take(&mut state.inbox).into()
                }
                None => Vec::new(),
            }
        };
        let mut drained = Vec::new();
        for frame in frames {
            self.read(frame, &mut drained);
        }
        let mut replies = std::mem::take(&mut self.stillborn);
        if !drained.is_empty() {
            replies.extend(self.judged(drained));
            self.hear(&replies);
        }
        let was_flushing = self.flushing;
        if replies.is_empty() && !(was_flushing && self.is_flushed()) {
            return Poll::Pending;
        }
        self.flushing = !self.is_flushed();
        Poll::Ready(replies)
    }
}

impl Channel for SimChannel {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn send(&mut self, message: Message) {
        if self.closed.is_some() {
            self.stillborn.push((message.token, Reply::Unknown));
            return;
        }
        let tag = self.next_tag;
        self.next_tag += 1;
        let number = self.judge.number();
        self.tags.insert(message.token, tag);
        self.pending.insert(tag, (number, message.token, identity(&message)));
        self.flushing = true;
        self.sim.say(|| {
            let number = crate::events::number_of(message.event_id);
            format!("p{} sends e{number} for {}", self.process, message.destination)
        });
        let at = self.sim.now();
        let mut world = self.sim.lock();
        if let Some(state) = world.rabbit.chans.get_mut(&self.chan) {
            state.wire.push_back(Sent { tag, message, at });
        }
        drop(world);
        self.io.notify_one();
    }

    fn is_flushed(&self) -> bool {
        let world = self.sim.lock();
        world.rabbit.chans.get(&self.chan).is_none_or(|state| state.wire.is_empty())
    }

    async fn progress(&mut self) -> Vec<(Token, Reply)> {
        poll_fn(|cx| self.poll_progress(cx)).await
    }

    fn outstanding(&self) -> usize {
        self.pending.len() + self.judge.deferred() + self.stillborn.len()
    }

    fn close_reason(&self) -> Option<&CloseReason> {
        self.closed.as_ref()
    }
}

impl Drop for SimChannel {
    fn drop(&mut self) {
        let mut world = self.sim.lock();
        if let Some(state) = world.rabbit.chans.get_mut(&self.chan) {
            state.dropped = true;
            let conn = state.conn;
            if !world.rabbit.conns.get(&conn).is_some_and(|conn| conn.alive) {
                world.rabbit.chans.remove(&self.chan);
            }
        }
        drop(world);
        self.io.notify_one();
    }
}
