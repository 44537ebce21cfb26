//! Peers that accept a connection and then say nothing: given up in time, and hung up on, so that nothing piles up over a long outage.

use std::net::SocketAddr;

use testkit::patience::SOON;
use testkit::{Relay, TestBed};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Accepts connections, and returns once the first two of them have been closed by the other side.
async fn hung_up_on(listener: &TcpListener) {
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut said = Vec::new();
        // A reset is an end too.
        stream.read_to_end(&mut said).await.ok();
    }
}

async fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

#[tokio::test]
async fn a_silent_broker_is_hung_up_on() {
    let bed = TestBed::new("silent broker").await;
    for scheme in ["amqp", "amqps"] {
        let (listener, address) = silent().await;
        let relay = Relay::start(&bed, &["--amqp-url", &format!("{scheme}://{address}?connection_timeout=1000")]).await;
        timeout(SOON, hung_up_on(&listener)).await.expect("the connections are closed");
        relay.says("took longer than 1s").await;
    }
}

#[tokio::test]
async fn a_silent_database_is_hung_up_on() {
    let bed = TestBed::new("silent database").await;
    let (listener, address) = silent().await;
    let relay = Relay::start(&bed, &["--database-url", &format!("postgres://u@{address}/d")]).await;
    timeout(SOON, hung_up_on(&listener)).await.expect("the connections are closed");
    relay.says(&format!("{address}: the login took longer than 8s")).await;
}
