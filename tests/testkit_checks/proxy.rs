//! The fault proxy, between a client and an echo server.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use testkit::patience::SOON;
use testkit::{Faults, Proxy, Stall, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long a silence is watched before it counts as one.
const SILENCE: Duration = Duration::from_millis(100);

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    addr
}

async fn connected() -> (Proxy, TcpStream) {
    let proxy = Proxy::start(echo().await).await;
    let mut client = TcpStream::connect(proxy.addr()).await.expect("the proxy accepts");
    assert_eq!(say(&mut client, b"hello").await, b"hello");
    (proxy, client)
}

async fn say(client: &mut TcpStream, words: &[u8]) -> Vec<u8> {
    client.write_all(words).await.expect("the words are sent");
    hear(client, words.len()).await
}

async fn hear(client: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut heard = vec![0; count];
    timeout(SOON, client.read_exact(&mut heard)).await.expect("an answer in time").expect("a whole answer");
    heard
}

async fn is_silent(client: &mut TcpStream) -> bool {
    timeout(SILENCE, client.read(&mut [0; 1])).await.is_err()
}

/// The outcome of the next read: how many bytes, or the kind of error.
async fn next_read(client: &mut TcpStream) -> Result<usize, ErrorKind> {
    timeout(SOON, client.read(&mut [0; 1024])).await.expect("an end in time").map_err(|e| e.kind())
}

#[tokio::test]
async fn bytes_and_ends_pass_unchanged() {
    let (proxy, mut client) = connected().await;
    let sent: Vec<u8> = (0..500_000_u32).map(|n| n as u8).collect();
    let (mut from, mut to) = client.split();
    let mut heard = vec![0; sent.len()];
    let both = async { tokio::join!(to.write_all(&sent), from.read_exact(&mut heard)) };
    timeout(SOON, both).await.expect("half a megabyte in time").1.expect("a whole echo");
    assert_eq!(heard, sent);
    assert_eq!((proxy.connections(), proxy.accepted()), (1, 1));
    client.shutdown().await.expect("a clean end");
    assert_eq!(next_read(&mut client).await, Ok(0), "the end comes back from the echo");
    eventually(SOON, "the connection is forgotten", async || proxy.connections() == 0).await;
}

#[tokio::test]
async fn latency_delays_both_ways_and_keeps_the_rate() {
    let (proxy, mut client) = connected().await;
    proxy.set(Faults { latency: Duration::from_millis(60), ..Faults::default() });
    let started = Instant::now();
    assert_eq!(say(&mut client, b"slow").await, b"slow");
    assert!(started.elapsed() >= Duration::from_millis(120), "{:?}", started.elapsed());
    let started = Instant::now();
    for _ in 0..20 {
        client.write_all(&[7; 1000]).await.expect("sent");
    }
    hear(&mut client, 20_000).await;
    assert!(started.elapsed() < Duration::from_millis(1000), "the delays overlap: {:?}", started.elapsed());
}

#[tokio::test]
async fn a_rate_limits_bytes_per_second() {
    let (proxy, mut client) = connected().await;
    proxy.set(Faults { bytes_per_second: Some(20_000), ..Faults::default() });
    let started = Instant::now();
    say(&mut client, &[7; 6000]).await;
    assert!(started.elapsed() >= Duration::from_millis(290), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_stall_keeps_the_connection_open_and_loses_nothing() {
    for stall in [Stall::Up, Stall::Down, Stall::Both] {
        let (proxy, mut client) = connected().await;
        proxy.set(Faults { stall, ..Faults::default() });
        client.write_all(b"anyone?").await.expect("the kernel takes it");
        assert!(is_silent(&mut client).await, "{stall:?}");
        assert_eq!(proxy.connections(), 1, "{stall:?}: half-open, not closed");
        proxy.heal();
        assert_eq!(hear(&mut client, 7).await, b"anyone?", "{stall:?}");
    }
}

#[tokio::test]
async fn a_stall_hides_the_peers_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let proxy = Proxy::start(listener.local_addr().expect("an address")).await;
    let mut client = TcpStream::connect(proxy.addr()).await.expect("the proxy accepts");
    let (service, _) = timeout(SOON, listener.accept()).await.expect("in time").expect("the proxy connects");
    proxy.set(Faults { stall: Stall::Both, ..Faults::default() });
    drop(service);
    assert!(is_silent(&mut client).await, "the client must not hear the end");
    proxy.heal();
    assert_eq!(next_read(&mut client).await, Ok(0));
}

#[tokio::test]
async fn refused_connections_leave_old_ones_alone_and_heal() {
    let (proxy, mut client) = connected().await;
    proxy.set(Faults { refuse: true, ..Faults::default() });
    let refused =
        async || TcpStream::connect(proxy.addr()).await.is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
    eventually(SOON, "the port refuses", refused).await;
    assert_eq!(say(&mut client, b"still here").await, b"still here");
    proxy.heal();
    let mut again = eventually(SOON, "the port is back", async || TcpStream::connect(proxy.addr()).await.ok()).await;
    assert_eq!(say(&mut again, b"back").await, b"back");
}

#[tokio::test]
async fn resets_and_closes_look_like_what_they_are() {
    let (proxy, mut client) = connected().await;
    assert_eq!(proxy.reset_all(), 1);
    assert_eq!(next_read(&mut client).await, Err(ErrorKind::ConnectionReset));
    let mut client = TcpStream::connect(proxy.addr()).await.expect("new connections are fine");
    say(&mut client, b"x").await;
    assert_eq!(proxy.close_all(), 1);
    assert_eq!(next_read(&mut client).await, Ok(0));
    eventually(SOON, "no connection is left", async || proxy.connections() == 0).await;
}

#[tokio::test]
async fn a_cut_lets_exactly_n_bytes_through_and_happens_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let proxy = Proxy::start(listener.local_addr().expect("an address")).await;
    let mut client = TcpStream::connect(proxy.addr()).await.expect("the proxy accepts");
    let (mut service, _) = timeout(SOON, listener.accept()).await.expect("in time").expect("the proxy connects");
    proxy.set(Faults { cut_after: Some(1234), ..Faults::default() });
    client.write_all(&[7; 5000]).await.expect("the kernel takes it");
    let mut got = Vec::new();
    let end = timeout(SOON, service.read_to_end(&mut got)).await.expect("an end in time");
    assert_eq!((end.map_err(|e| e.kind()), got.len()), (Err(ErrorKind::ConnectionReset), 1234));
    assert_eq!(next_read(&mut client).await, Err(ErrorKind::ConnectionReset));

    let mut client = TcpStream::connect(proxy.addr()).await.expect("the proxy accepts");
    let (mut service, _) = timeout(SOON, listener.accept()).await.expect("in time").expect("the proxy connects");
    client.write_all(&[7; 5000]).await.expect("sent");
    let mut whole = vec![0; 5000];
    timeout(SOON, service.read_exact(&mut whole)).await.expect("in time").expect("the cut is over");
}

#[tokio::test]
async fn a_dead_service_resets_the_client() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a listener").local_addr().expect("an address");
    let proxy = Proxy::start(gone).await;
    let mut client = TcpStream::connect(proxy.addr()).await.expect("the proxy accepts");
    assert_eq!(next_read(&mut client).await, Err(ErrorKind::ConnectionReset));
}
