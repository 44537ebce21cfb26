//! A TCP proxy that a test closes, opens, or makes silent in one direction. Put before the broker or the database.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the proxy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Everything passes.
    Open,
    /// Connections end, and new ones are ended at once.
    Closed,
    /// What the server says is kept back; what clients say passes.
    ServerSilent,
}

/// A proxy. It ends with this value.
pub struct Proxy {
    pub address: SocketAddr,
    gate: watch::Sender<Gate>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// An open one before `server`.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (gate, watched) = watch::channel(Gate::Open);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, server, watched.clone()));
            }
        });
        Self { address, gate, _tasks: tasks }
    }

    pub fn set(&self, gate: Gate) {
        self.gate.send_replace(gate);
    }
}

async fn pass(client: TcpStream, server: SocketAddr, mut gate: watch::Receiver<Gate>) {
    if *gate.borrow() == Gate::Closed {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let silent = gate.clone();
    tokio::select! {
        () = copy(from_client, to_server, None) => {}
        () = copy(from_server, to_client, Some(silent)) => {}
        _ = gate.wait_for(|gate| *gate == Gate::Closed) => {}
    }
}

/// Passes bytes on until an end does not take part any more. Those that are read while the server is to be silent wait.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut gate: Option<watch::Receiver<Gate>>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if let Some(gate) = &mut gate
            && gate.wait_for(|gate| *gate != Gate::ServerSilent).await.is_err()
        {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
