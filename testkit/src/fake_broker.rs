//! An AMQP 0-9-1 broker that does what the protocol allows and clients do not expect: returns queued before one multiple
//! ack, acks out of order or for unknown tags, silence, closes in the middle. Used by the tests of lapin's traps and of
//! the broker link. A publish whose routing key starts with "nope" is unroutable.

mod frames;
mod session;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use session::Session;

/// What the broker does with publishes. `after` counts those since the behaviour began, over all connections; once such
/// a fault has happened the broker is [`Behaviour::Ack`], so that a client can be seen to recover. Before it, and in the
/// acking behaviours, publishes left over are acked when the client has been quiet for a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// A good broker: one multiple ack for what came in together.
    Ack,
    /// Per `every` publishes: all their returns, then one multiple ack.
    ReturnThenMultipleAck {
        every: usize,
    },
    /// Per `window` publishes: each acked singly, shuffled, a return just before its own ack.
    AckOutOfOrderSingly {
        window: usize,
    },
    /// Acks a tag nobody used, which kills lapin's I/O thread; that connection hears nothing more.
    AckUnknownTag {
        after: u64,
    },
    /// Each acked singly at once, but the `nth` never, while the connection goes on.
    LoseAck {
        nth: u64,
    },
    /// Never confirms; the connection is healthy otherwise, heartbeats included.
    Silent,
    CloseChannel {
        after: u64,
        code: u16,
        text: &'static str,
    },
    CloseConnection {
        after: u64,
        code: u16,
        text: &'static str,
    },
    /// As RabbitMQ with OAuth tokens: the first `connections` may publish no more, and stay open; later ones may.
    TokenExpired {
        connections: u64,
    },
    /// Closes the TCP connection without a word.
    DropConnection {
        after: u64,
    },
}

struct State {
    behaviour: Behaviour,
    counted: u64,
    published: HashMap<String, u64>,
    total: u64,
    connections: u64,
}

struct Shared {
    state: Mutex<State>,
    quiet: Duration,
    stopped: AtomicBool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no session panicked")
    }

    /// Counts one publish; returns the behaviour and how many publishes it has seen.
    fn count(&self, message_id: String) -> (Behaviour, u64) {
        let mut state = self.state();
        state.total += 1;
        state.counted += 1;
        *state.published.entry(message_id).or_default() += 1;
        (state.behaviour.clone(), state.counted)
    }
}

pub struct FakeBroker {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

impl FakeBroker {
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_with_quiet(behaviour, Duration::from_millis(20))
    }

    /// Like `start`, with another time of quiet before left-over publishes are acked.
    pub fn start_with_quiet(behaviour: Behaviour, quiet: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the fake broker listens");
        let addr = listener.local_addr().expect("a listener has an address");
        let state = State { behaviour, counted: 0, published: HashMap::new(), total: 0, connections: 0 };
        let shared = Arc::new(Shared { state: Mutex::new(state), quiet, stopped: AtomicBool::new(false) });
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &for_thread));
        Self { addr, shared }
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.addr)
    }

    /// Switches the behaviour and starts its count afresh.
    pub fn behave(&self, behaviour: Behaviour) {
        let mut state = self.shared.state();
        state.behaviour = behaviour;
        state.counted = 0;
    }

    /// How often this message id was published.
    pub fn publishes_of(&self, message_id: &str) -> u64 {
        self.shared.state().published.get(message_id).copied().unwrap_or(0)
    }

    pub fn published(&self) -> HashMap<String, u64> {
        self.shared.state().published.clone()
    }

    pub fn total(&self) -> u64 {
        self.shared.state().total
    }

    /// Connections accepted since the start.
    pub fn connections(&self) -> u64 {
        self.shared.state().connections
    }
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then sees that it is over.
        TcpStream::connect(self.addr).ok();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(stream) = stream {
            let number = {
                let mut state = shared.state();
                state.connections += 1;
                state.connections
            };
            let shared = Arc::clone(shared);
            thread::spawn(move || Session::new(stream, number, shared).serve());
        }
    }
}
