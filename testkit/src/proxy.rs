//! A TCP proxy that breaks the network on command: latency, slow lines, one-way and two-way silence, resets, clean
//! closes, cuts in the middle of a frame, refused connections. Fault tests put it before PostgreSQL and RabbitMQ.

use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::patience::ANSWER;

/// Which directions stay silent although the connection stays open (a half-open connection).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stall {
    #[default]
    None,
    /// From the client to the service.
    Up,
    /// From the service to the client.
    Down,
    Both,
}

/// What is wrong with the network now; the default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Added to every byte, in each direction.
    pub latency: Duration,
    /// A random addition of at most this.
    pub jitter: Duration,
    pub stall: Stall,
    /// New connections are refused (`ECONNREFUSED`); those that are there stay.
    pub refuse: bool,
    /// After so many more bytes towards the service, all connections together, the one that carried the last is reset.
    pub cut_after: Option<u64>,
    /// For each direction of each connection.
    pub bytes_per_second: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    /// RST, as when a host vanishes and its address answers again.
    Reset,
    /// FIN, as when the peer stops in order.
    Close,
}

struct Shared {
    upstream: SocketAddr,
    faults: watch::Sender<Faults>,
    /// Bytes left of `cut_after`.
    budget: Mutex<Option<u64>>,
    live: Mutex<HashMap<u64, oneshot::Sender<Ending>>>,
    accepted: AtomicU64,
}

pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Proxy {
    #[expect(clippy::unused_async, reason = "it spawns, so it may be called within a runtime only")]
    pub async fn start(upstream: SocketAddr) -> Self {
        // Bound and never listening: it keeps the port ours while the listener is away, and makes the kernel refuse.
        let keeper = bound("127.0.0.1:0".parse().expect("an address"));
        let addr = keeper.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            upstream,
            faults: watch::Sender::new(Faults::default()),
            budget: Mutex::new(None),
            live: Mutex::default(),
            accepted: AtomicU64::new(0),
        });
        let listener = listen(addr);
        let listening = tokio::spawn(accept(addr, listener, keeper, Arc::clone(&shared)));
        Self { addr, shared, listening }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Switches to these faults, for connections that are there too.
    pub fn set(&self, faults: Faults) {
        *self.shared.budget.lock().expect("no pump panicked") = faults.cut_after;
        self.shared.faults.send_replace(faults);
    }

    /// The network is fine again; what a stall held back flows on.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// Ends all connections with RST on both sides; returns how many.
    pub fn reset_all(&self) -> usize {
        self.end_all(Ending::Reset)
    }

    /// Ends all connections with FIN on both sides; returns how many.
    pub fn close_all(&self) -> usize {
        self.end_all(Ending::Close)
    }

    fn end_all(&self, ending: Ending) -> usize {
        let live = std::mem::take(&mut *self.shared.live.lock().expect("no pump panicked"));
        live.into_values().filter_map(|end| end.send(ending).ok()).count()
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.shared.live.lock().expect("no pump panicked").len()
    }

    /// Connections accepted since the start.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.reset_all();
    }
}

fn bound(addr: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("SO_REUSEADDR");
    socket.bind(addr).unwrap_or_else(|e| panic!("the proxy cannot bind {addr}: {e}"));
    socket
}

fn listen(addr: SocketAddr) -> TcpListener {
    bound(addr).listen(1024).expect("the proxy listens")
}

async fn accept(addr: SocketAddr, listener: TcpListener, _keeper: TcpSocket, shared: Arc<Shared>) {
    let mut listener = Some(listener);
    let mut faults = shared.faults.subscribe();
    loop {
        if faults.borrow_and_update().refuse {
            listener = None;
        } else if listener.is_none() {
            listener = Some(listen(addr));
        }
        let next = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = faults.changed() => if changed.is_err() { return },
            accepted = next => if let Ok((client, _)) = accepted {
                let id = shared.accepted.fetch_add(1, Ordering::Relaxed);
                let (end, ended) = oneshot::channel();
                shared.live.lock().expect("no pump panicked").insert(id, end);
                tokio::spawn(connection(id, client, ended, Arc::clone(&shared)));
            },
        }
    }
}

async fn connection(id: u64, mut client: TcpStream, ended: oneshot::Receiver<Ending>, shared: Arc<Shared>) {
    let service = timeout(ANSWER, TcpStream::connect(shared.upstream)).await;
    let Ok(Ok(mut service)) = service else {
        client.set_zero_linger().ok();
        shared.live.lock().expect("no pump panicked").remove(&id);
        return;
    };
    client.set_nodelay(true).ok();
    service.set_nodelay(true).ok();
    let (from_client, to_client) = client.split();
    let (from_service, to_service) = service.split();
    let ending = tokio::select! {
        ended = ended => ended.unwrap_or(Ending::Reset),
        pumped = async { tokio::try_join!(
            pump(from_client, to_service, Direction::Up, &shared),
            pump(from_service, to_client, Direction::Down, &shared),
        ) } => if pumped.is_ok() { Ending::Close } else { Ending::Reset },
    };
    if matches!(ending, Ending::Reset) {
        client.set_zero_linger().ok();
        service.set_zero_linger().ok();
    }
    shared.live.lock().expect("no pump panicked").remove(&id);
}

/// Forwards one direction until its end of stream or an error. Reading and writing run side by side, so that latency
/// delays bytes without limiting the rate.
async fn pump(from: ReadHalf<'_>, to: WriteHalf<'_>, direction: Direction, shared: &Shared) -> io::Result<()> {
    let (queue, queued) = mpsc::channel(64);
    tokio::try_join!(read(from, queue, direction, shared), write(to, queued, direction, shared)).map(|_| ())
}

type Chunk = (Instant, Vec<u8>);

async fn read(
    mut from: ReadHalf<'_>,
    queue: mpsc::Sender<Chunk>,
    direction: Direction,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        flowing(direction, shared).await;
        let got = from.read(&mut buffer).await;
        // A silent line hides the end of the peer too.
        flowing(direction, shared).await;
        match got? {
            0 => return Ok(()),
            n => {
                let Faults { latency, jitter, .. } = *shared.faults.borrow();
                let due = Instant::now() + latency + jitter.mul_f64(fastrand::f64());
                if queue.send((due, buffer[..n].to_vec())).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

async fn write(
    mut to: WriteHalf<'_>,
    mut queued: mpsc::Receiver<Chunk>,
    direction: Direction,
    shared: &Shared,
) -> io::Result<()> {
    while let Some((due, chunk)) = queued.recv().await {
        sleep_until(due).await;
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            flowing(direction, shared).await;
            let rate = shared.faults.borrow().bytes_per_second;
            // A slow line gets a fiftieth of a second's bytes at a time.
            let slice = rate.map_or(rest.len(), |rate| rest.len().min((rate / 50).max(1) as usize));
            let (allowed, cut) = if direction == Direction::Up { spend(shared, slice) } else { (slice, false) };
            to.write_all(&rest[..allowed]).await?;
            if cut {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            if let Some(rate) = rate {
                sleep(Duration::from_secs_f64(allowed as f64 / rate.max(1) as f64)).await;
            }
            rest = &rest[allowed..];
        }
    }
    to.shutdown().await
}

/// Takes bytes from the cut's budget: how many may pass, and whether the line is cut after them.
fn spend(shared: &Shared, wanted: usize) -> (usize, bool) {
    let mut budget = shared.budget.lock().expect("no pump panicked");
    match *budget {
        Some(left) if left <= wanted as u64 => {
            *budget = None;
            (left as usize, true)
        }
        Some(left) => {
            *budget = Some(left - wanted as u64);
            (wanted, false)
        }
        None => (wanted, false),
    }
}

/// Waits while this direction is stalled.
async fn flowing(direction: Direction, shared: &Shared) {
    let stalled = |faults: &Faults| match faults.stall {
        Stall::None => false,
        Stall::Both => true,
        Stall::Up => direction == Direction::Up,
        Stall::Down => direction == Direction::Down,
    };
    shared.faults.subscribe().wait_for(|faults| !stalled(faults)).await.ok();
}
