//! The connection to RabbitMQ and its supervisor, which connects, watches, gives up and reconnects.
//!
//! lapin's auto-recovery is off; each connection is a new generation. `app` starts the supervisor
//! as a task, and workers see its state through `Broker`. It never gives up by itself: a broker
//! that is down for days costs one connection attempt every 5 s or so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Event, ExchangeKind};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::deadline::deadline;
use crate::net::jitter::Jitter;
use crate::outbox::broker::{Broker, BrokerError, ChannelUser, CloseReason, LinkState};
use crate::outbox::limits::FRAME_BYTES_MAX;
use crate::outbox::link_report::LinkReport;
use crate::rabbitmq::channel::{LapinChannel, close_reason};
use crate::rabbitmq::connect::{BrokerAddress, CHANNELS_OF_LIBRARY, Node};
use crate::rabbitmq::login::{Login, renew};
use crate::rabbitmq::slots::{Grant, Slots};
use crate::rabbitmq::wire;

const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that is blocked for this long is replaced: it may be stuck where a new one is not.
const BLOCKED_MAX: Duration = Duration::from_secs(300);
/// How often the log repeats that the broker is down.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// After a connection that lasted for so long, the limit of channels that one before it met may have been raised.
const LIMIT_REMEMBERED_FOR: Duration = Duration::from_secs(600);
/// The reply code of a connection that ends over one channel too many, for one.
const NOT_ALLOWED: u16 = 530;

/// How to reach the broker.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// One or more nodes, tried in random order, and the login.
    pub address: BrokerAddress,
    /// The name shown in the broker's management UI.
    pub connection_name: String,
    /// What to declare after each connect.
    pub declare: Declared,
}

/// What the relay may declare.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// Exchanges, before the queues.
    pub exchanges: Vec<Exchange>,
    /// The queues of partitions, each with its binding.
    pub queues: Vec<Queue>,
}

/// A queue of a partition: durable, quorum, with a single active consumer, which keeps the order where several processes consume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// What it is bound to.
    pub exchange: String,
    /// With which key.
    pub routing_key: String,
}

/// An exchange that the relay may declare.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The caller's name for it.
    pub name: String,
    /// Its kind.
    pub kind: ExchangeKind,
}

/// RabbitMQ, as the hot path sees it.
#[derive(Clone)]
pub struct RabbitMq(Arc<Shared>);

struct Shared {
    state: watch::Sender<LinkState>,
    report: watch::Sender<LinkReport>,
    connection: Mutex<Option<(u64, Arc<Connection>)>>,
    slots: Arc<Mutex<Slots>>,
    /// As negotiated for the last connection.
    frame_bytes_max: AtomicUsize,
    /// What the present connection logged in with.
    login: Mutex<Option<Login>>,
    /// Held while a channel is being opened.
    opening: tokio::sync::Mutex<()>,
    given_up: Mutex<Option<(u64, String)>>,
    give_up: Notify,
}

impl RabbitMq {
    /// Not connected yet; the supervisor connects.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            state: watch::Sender::new(LinkState::Down),
            report: watch::Sender::default(),
            connection: Mutex::new(None),
            slots: Arc::default(),
            frame_bytes_max: AtomicUsize::new(FRAME_BYTES_MAX),
            login: Mutex::new(None),
            opening: tokio::sync::Mutex::default(),
            given_up: Mutex::new(None),
            give_up: Notify::new(),
        }))
    }

    /// Since when, to which node, and the last error.
    pub fn report(&self) -> watch::Receiver<LinkReport> {
        self.0.report.subscribe()
    }

    /// Keeps a connection up until `stop` is cancelled, then closes it.
    pub async fn supervise(self, settings: BrokerSettings, stop: CancellationToken) {
        let (mut jitter, mut generation, mut outage) = (Jitter::for_services(), 0, Outage::default());
        loop {
            let connected = tokio::select! {
                () = stop.cancelled() => return,
                connected = connect(&settings) => connected,
            };
            match connected {
                Ok(Connected { connection, place, account, login }) => {
                    generation += 1;
                    outage.ended(generation, &format!("{place} {account}"));
                    *lock(&self.0.login) = Some(login.clone());
                    self.0.frame_bytes_max.store(frame_bytes_max(&connection), Ordering::Relaxed);
                    self.0.report.send_modify(|report| report.connected(place));
                    let up_since = Instant::now();
                    lock(&self.0.slots).connected(generation, channels_of(&connection));
                    let connection = Arc::new(connection);
                    let renewal = renew(login, Arc::clone(&connection), generation);
                    let renewal = AbortOnDropHandle::new(tokio::spawn(renewal));
                    let why = self.watch_over(connection, generation, &stop).await;
                    drop(renewal);
                    self.0.state.send_replace(LinkState::Down);
                    self.0.report.send_modify(|report| report.ended(&why));
                    if stop.is_cancelled() {
                        return;
                    }
                    tracing::warn!(generation, error = why, "the connection to the broker ended");
                    if up_since.elapsed() > LIMIT_REMEMBERED_FOR {
                        lock(&self.0.slots).lasted();
                    }
                    if up_since.elapsed() > REMIND_EVERY {
                        jitter.reset();
                    }
                }
                Err(error) => {
                    self.0.report.send_modify(|report| report.failed(&error));
                    outage.failed(&error);
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(jitter.next_pause()) => {}
            }
        }
    }

    /// Watches one connection until it ends, is given up, or the relay stops. Returns why.
    async fn watch_over(&self, connection: Arc<Connection>, generation: u64, stop: &CancellationToken) -> String {
        // Subscribe before publishing anything, so that no notice of an alarm is missed.
        let mut events = Box::pin(connection.events_listener());
        *lock(&self.0.connection) = Some((generation, Arc::clone(&connection)));
        self.0.state.send_replace(LinkState::Up(generation));
        let mut blocked_until = None;
        let why = loop {
            let blocked_too_long = async {
                match blocked_until {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(generation, reason, "the broker has blocked the connection; nothing is published until it unblocks");
                        blocked_until.get_or_insert(Instant::now() + BLOCKED_MAX);
                        self.0.state.send_replace(LinkState::Blocked(generation));
                    }
                    Some(Event::ConnectionUnblocked) => {
                        tracing::info!(generation, "the broker has unblocked the connection");
                        blocked_until = None;
                        self.0.state.send_replace(LinkState::Up(generation));
                    }
                    Some(Event::Error(error)) if connection.status().connected() => {
                        tracing::debug!(generation, %error, "a channel ended");
                    }
                    Some(Event::Error(error)) => {
                        if close_reason(&error).code == Some(NOT_ALLOWED) {
                            lock(&self.0.slots).refused();
                        }
                        break error.to_string();
                    }
                    Some(_) => {}
                    None => break "the connection's events ended".to_owned(),
                },
                () = self.0.give_up.notified() => {
                    match lock(&self.0.given_up).take() {
                        Some((given_up, why)) if given_up == generation => break why,
                        Some(_) | None => {}
                    }
                }
                () = blocked_too_long => break format!("blocked for {BLOCKED_MAX:?}"),
                () = stop.cancelled() => break "the relay stops".to_owned(),
            }
        };
        *lock(&self.0.connection) = None;
        self.part(connection, blocked_until.is_some(), stop).await;
        why
    }

    /// Closes cleanly if that can work. A blocked connection would hang on close, so
    /// it is only dropped.
    async fn part(&self, connection: Arc<Connection>, blocked: bool, stop: &CancellationToken) {
        if blocked || !stop.is_cancelled() {
            return;
        }
        let Ok(text) = wire::short("the relay stops") else { return };
        match deadline(CLOSE_TIMEOUT, "closing the broker connection", connection.close(200, text)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the broker connection did not close cleanly"),
            Err(error) => tracing::debug!(%error, "the broker connection did not close cleanly"),
        }
    }
}

impl RabbitMq {
    /// Opens one channel after the other: when the broker ends the connection over one too many, it is known how many there were.
    async fn open_in_turn(
        &self,
        generation: u64,
        connection: &Connection,
        user: ChannelUser,
    ) -> Result<LapinChannel, BrokerError> {
        let _turn = self.0.opening.lock().await;
        let is_helper = user == ChannelUser::Helper;
        let grant = lock(&self.0.slots).ask(is_helper);
        if let Grant::Refused { limit, is_news } = grant {
            if is_news {
                say_limit(generation, limit);
            }
            return Err(BrokerError::NoneLeft { limit });
        }
        let mut slot = Slot { link: self.clone(), generation, is_helper, is_open: false, is_lost: false };
        let opening = async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>(channel)
        };
        match opening.await {
            Ok(channel) => {
                slot.opened();
                Ok(LapinChannel::in_slot(channel, generation, slot))
            }
            Err(error) => {
                // It stays among those that were being opened, for whoever asks why the connection ended.
                slot.is_lost = close_reason(&error).connection_lost;
                Err(BrokerError::Open(error.to_string()))
            }
        }
    }
}

impl Default for RabbitMq {
    fn default() -> Self {
        Self::new()
    }
}

impl Broker for RabbitMq {
    type Channel = LapinChannel;

    async fn open(&self, user: ChannelUser) -> Result<LapinChannel, BrokerError> {
        let (generation, connection) = lock(&self.0.connection).clone().ok_or(BrokerError::Down)?;
        let opening = self.open_in_turn(generation, &connection, user);
        match deadline(OPEN_TIMEOUT, "opening a channel", opening).await {
            Ok(opened) => opened,
            Err(error) => {
                // Opening hangs if the I/O thread is dead or blocked. Only a new connection helps if it is dead.
                if *self.0.state.borrow() == LinkState::Up(generation) {
                    self.end_generation(generation, "cannot open a channel in time");
                }
                Err(BrokerError::Open(error.to_string()))
            }
        }
    }

    fn link(&self) -> watch::Receiver<LinkState> {
        self.0.state.subscribe()
    }

    fn frame_bytes_max(&self) -> usize {
        self.0.frame_bytes_max.load(Ordering::Relaxed)
    }

    fn end_generation(&self, generation: u64, why: &str) {
        *lock(&self.0.given_up) = Some((generation, why.to_owned()));
        self.0.give_up.notify_one();
    }
}

/// A channel's place among those of its connection, given back when it is dropped.
pub(super) struct Slot {
    link: RabbitMq,
    generation: u64,
    is_helper: bool,
    is_open: bool,
    /// Whether the connection ended while it was being opened.
    is_lost: bool,
}

impl Slot {
    fn opened(&mut self) {
        self.is_open = true;
        lock(&self.link.0.slots).opened(self.generation);
    }

    /// Ends the connection if a closed channel is about its login. Returns whether it is.
    pub(super) fn ends_over_login(&self, reason: &CloseReason) -> bool {
        let is_about_login = lock(&self.link.0.login).as_ref().is_some_and(|login| login.explains(reason));
        if is_about_login {
            self.link.end_generation(self.generation, &format!("the login has expired or changed: {}", reason.text));
        }
        is_about_login
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = lock(&self.link.0.slots);
        if self.is_lost {
            return;
        }
        if self.is_open {
            slots.closed(self.generation, self.is_helper);
        } else {
            slots.failed(self.generation, self.is_helper);
        }
    }
}

/// The most bytes of a frame on this connection; 0 is any number, as negotiated.
pub(super) fn frame_bytes_max(connection: &Connection) -> usize {
    match connection.configuration().frame_max() {
        0 => FRAME_BYTES_MAX,
        negotiated => usize::try_from(negotiated).unwrap_or(FRAME_BYTES_MAX),
    }
}

/// How many channels the connection gives; 0 is any number.
fn channels_of(connection: &Connection) -> u16 {
    match connection.configuration().channel_max() {
        0 => 0,
        // One at least, or it would read as no limit: without any channel the first worker says why.
        negotiated => negotiated.saturating_sub(CHANNELS_OF_LIBRARY).max(1),
    }
}

fn say_limit(generation: u64, channels: usize) {
    let without = if channels < 2 {
        "nothing on hold is probed, and only one worker publishes"
    } else {
        "the other workers go without"
    };
    tracing::warn!(
        generation,
        channels,
        "the broker allows this connection few channels: {without}; raise channel_max or the user's max-channels, or lower --workers"
    );
}

/// Logs once that the broker is down, repeats it now and then, and logs when it is back.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    reminded: Option<Instant>,
    attempts: u64,
}

impl Outage {
    fn failed(&mut self, error: &str) {
        self.attempts += 1;
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        if self.reminded.is_none_or(|at| now.duration_since(at) >= REMIND_EVERY) {
            self.reminded = Some(now);
            let away_seconds = now.duration_since(since).as_secs();
            tracing::warn!(error, attempts = self.attempts, away_seconds, "cannot connect to the broker; trying again");
        }
    }

    fn ended(&mut self, generation: u64, place: &str) {
        tracing::info!(generation, failed_attempts = self.attempts, "connected to the broker {place}");
        *self = Self::default();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection, and how the log and `/status` describe it.
struct Connected {
    connection: Connection,
    place: String,
    account: String,
    login: Login,
}

/// Tries each node once, in random order.
async fn connect(settings: &BrokerSettings) -> Result<Connected, String> {
    let mut nodes = settings.address.nodes()?;
    fastrand::shuffle(&mut nodes);
    let mut errors = Vec::new();
    for node in nodes {
        let (place, account) = (node.place(), node.login());
        let login = Login::of(&settings.address, &node);
        match connect_to(node, settings).await {
            Ok(connection) => return Ok(Connected { connection, place, account, login }),
            Err(error) => errors.push(format!("{place}: {error}")),
        }
    }
    Err(errors.join("; "))
}

pub(crate) async fn connect_to(node: Node, settings: &BrokerSettings) -> Result<Connection, String> {
    let properties = ConnectionProperties::default().with_connection_name(settings.connection_name.as_str().into());
    let connection = node.connect(properties).await?;
    for exchange in &settings.declare.exchanges {
        declare(&connection, exchange).await;
    }
    for queue in &settings.declare.queues {
        declare_and_bind(&connection, queue).await;
    }
    Ok(connection)
}

/// Declares a durable exchange on its own channel. An exchange with other arguments closes the
/// channel, which is worth a log line but no reason to disconnect.
async fn declare(connection: &Connection, exchange: &Exchange) {
    let declaring = async {
        let channel = connection.create_channel().await.map_err(|error| error.to_string())?;
        let name = wire::short(&exchange.name).map_err(|error| error.to_string())?;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(name, exchange.kind.clone(), options, FieldTable::default())
            .await
            .map_err(|error| error.to_string())
    };
    let declared = deadline(OPEN_TIMEOUT, "declaring", declaring).await;
    if let Err(error) = declared.map_err(|error| error.to_string()).and_then(|declared| declared) {
        let exchange = &exchange.name;
        tracing::warn!(exchange, error, "cannot declare the exchange; continuing as if it existed");
    }
}

/// The same for a queue of a partition, and its binding.
async fn declare_and_bind(connection: &Connection, queue: &Queue) {
    let declaring = async {
        let channel = connection.create_channel().await.map_err(|error| error.to_string())?;
        declare_queue(&channel, &queue.name).await?.map_err(|error| error.to_string())?;
        if queue.exchange.is_empty() {
            return Ok(()); // the default exchange has every queue bound by its name
        }
        let short = |text: &str| wire::short(text).map_err(|error| error.to_string());
        let (name, exchange, key) = (short(&queue.name)?, short(&queue.exchange)?, short(&queue.routing_key)?);
        let bound = channel.queue_bind(name, exchange, key, QueueBindOptions::default(), FieldTable::default()).await;
        bound.map_err(|error| error.to_string())
    };
    let declared = deadline(OPEN_TIMEOUT, "declaring", declaring).await;
    if let Err(error) = declared.map_err(|error| error.to_string()).and_then(|declared| declared) {
        let queue = &queue.name;
        tracing::warn!(queue, error, "the queue could not be declared and bound; going on as if it were there");
    }
}

/// Declares a queue of a partition on `channel`; the outer error is a name that AMQP cannot carry.
pub(crate) async fn declare_queue(channel: &Channel, name: &str) -> Result<lapin::Result<()>, String> {
    let short = |text: &str| wire::short(text).map_err(|error| error.to_string());
    let mut arguments = FieldTable::default();
    arguments.insert(short("x-queue-type")?, AMQPValue::LongString("quorum".into()));
    arguments.insert(short("x-single-active-consumer")?, AMQPValue::Boolean(true));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    Ok(channel.queue_declare(short(name)?, options, arguments).await.map(|_| ()))
}
