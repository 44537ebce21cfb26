//! A database and a broker in memory, behind the relay's two seams, for faults that no real service can be asked for: a worker that
//! panics in the middle of a batch.

use std::collections::{HashSet, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use outbox_relay::outbox::broker::{
    Broker, BrokerError, Channel, ChannelUser, CloseReason, LinkState, Message, Reply, Token,
};
use outbox_relay::outbox::event::{Event, HoldId};
use outbox_relay::outbox::flow::Flow;
use outbox_relay::outbox::hold::{HoldScope, Holds};
use outbox_relay::outbox::store::{
    Batch, Claim, ClaimLimits, ConfirmedCopy, LateRoute, ProbeClaim, Settled, Settlement, Store, StoreError,
};
use testkit::fixtures;
use tokio::sync::watch;
use uuid::Uuid;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no fake panicked while it was locked")
}

pub fn event(key: &str, seq: i64, lane: i16) -> Event {
    Event { lane, ..fixtures::event(key, seq) }
}

#[derive(Default)]
struct Table {
    pending: Vec<Event>,
    marked: Vec<Uuid>,
    locked: HashSet<i16>,
    lost_batches: usize,
}

/// The outbox: claims lock lanes, a batch that is dropped gives them back and changes nothing.
#[derive(Clone, Default)]
pub struct FakeStore(Arc<Mutex<Table>>);

impl FakeStore {
    pub fn with(events: Vec<Event>) -> Self {
        Self(Arc::new(Mutex::new(Table { pending: events, ..Table::default() })))
    }

    pub fn pending(&self) -> usize {
        lock(&self.0).pending.len()
    }

    /// In the order of marking; an event that was marked twice is in it twice.
    pub fn marked(&self) -> Vec<Uuid> {
        lock(&self.0).marked.clone()
    }

    /// Batches that ended without being settled.
    pub fn lost_batches(&self) -> usize {
        lock(&self.0).lost_batches
    }

    fn mark(&self, ids: &[Uuid]) {
        let mut table = lock(&self.0);
        table.pending.retain(|event| !ids.contains(&event.id));
        table.marked.extend(ids);
    }
}

impl Store for FakeStore {
    type Batch = FakeBatch;

    async fn claim(&self, limits: &ClaimLimits, _hinted: bool) -> Result<Claim<FakeBatch>, StoreError> {
        let mut table = lock(&self.0);
        let free = table.pending.iter().filter(|event| !table.locked.contains(&event.lane));
        let lanes: Vec<i16> = free.clone().map(|event| event.lane).collect::<HashSet<_>>().into_iter().collect();
        let lanes: Vec<i16> = lanes.into_iter().take(limits.lanes).collect();
        let due: Vec<Event> = free.filter(|event| lanes.contains(&event.lane)).cloned().collect();
        let events: Vec<Event> = due.iter().take(limits.events).cloned().collect();
        let full = events.len() < table.pending.len();
        if events.is_empty() {
            return Ok(Claim::nothing(false));
        }
        table.locked.extend(&lanes);
        let batch = Some(FakeBatch { store: self.clone(), lanes, settled: false });
        Ok(Claim { batch, events, holds: Holds::default(), full, is_at_rest: false, unreadable: 0 })
    }

    async fn claim_probe(&self, _limits: &ClaimLimits) -> Result<Option<ProbeClaim<FakeBatch>>, StoreError> {
        Ok(None)
    }

    async fn mark_late(&self, confirmed: &[ConfirmedCopy]) -> Result<(), StoreError> {
        self.mark(&confirmed.iter().map(|copy| copy.event).collect::<Vec<_>>());
        Ok(())
    }

    async fn note_routes(&self, _routes: &[LateRoute]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn recheck(&self, _events: &[Uuid]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn hold_unconfirmed(&self, _stuck: &[(Uuid, HoldScope)], _after: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lift_unconfirmed(&self, _scopes: &[HoldScope]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn probe_unconfirmed(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn lift_waits(&self, _hold: HoldId) -> Result<(), StoreError> {
        Ok(())
    }
}

pub struct FakeBatch {
    store: FakeStore,
    lanes: Vec<i16>,
    settled: bool,
}

impl Batch for FakeBatch {
    async fn confirmed_flows(&self, _flows: &[Flow]) -> Result<Vec<Flow>, StoreError> {
        Ok(Vec::new())
    }

    async fn settle(mut self, settlement: &Settlement) -> Result<Settled, StoreError> {
        assert!(settlement.waits.is_empty() && settlement.dead_letters.is_empty(), "{settlement:?}");
        self.store.mark(&settlement.published);
        self.settled = true;
        Ok(Settled::default())
    }
}

impl Drop for FakeBatch {
    fn drop(&mut self) {
        let mut table = lock(&self.store.0);
        table.locked.retain(|lane| !self.lanes.contains(lane));
        table.lost_batches += usize::from(!self.settled);
    }
}

/// Confirms everything; the send numbered `panics_at` panics instead, once.
#[derive(Clone)]
pub struct FakeBroker {
    state: watch::Sender<LinkState>,
    sent: Arc<Mutex<Vec<Uuid>>>,
    panics_at: usize,
    channels: Arc<Mutex<usize>>,
}

impl FakeBroker {
    pub fn panicking_at(send: usize) -> Self {
        let state = watch::Sender::new(LinkState::Up(1));
        Self { state, sent: Arc::default(), panics_at: send, channels: Arc::default() }
    }

    /// Everything that was sent, in order.
    pub fn sent(&self) -> Vec<Uuid> {
        lock(&self.sent).clone()
    }

    /// Channels that were opened.
    pub fn channels(&self) -> usize {
        *lock(&self.channels)
    }
}

impl Broker for FakeBroker {
    type Channel = FakeChannel;

    async fn open(&self, _user: ChannelUser) -> Result<FakeChannel, BrokerError> {
        *lock(&self.channels) += 1;
        Ok(FakeChannel { broker: self.clone(), unanswered: VecDeque::new() })
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    fn end_generation(&self, generation: u64, why: &str) {
        panic!("nothing is wrong with generation {generation}: {why}");
    }
}

pub struct FakeChannel {
    broker: FakeBroker,
    unanswered: VecDeque<Token>,
}

impl Channel for FakeChannel {
    fn generation(&self) -> u64 {
        1
    }

    fn send(&mut self, message: Message) {
        let count = {
            let mut sent = lock(&self.broker.sent);
            sent.push(message.event_id);
            sent.len()
        };
        assert!(count != self.broker.panics_at, "a bug in the middle of a batch");
        self.unanswered.push_back(message.token);
    }

    fn is_flushed(&self) -> bool {
        true
    }

    async fn progress(&mut self) -> Vec<(Token, Reply)> {
        if self.unanswered.is_empty() {
            return pending().await;
        }
        self.unanswered.drain(..).map(|token| (token, Reply::Confirmed)).collect()
    }

    fn outstanding(&self) -> usize {
        self.unanswered.len()
    }

    fn close_reason(&self) -> Option<&CloseReason> {
        None
    }
}
