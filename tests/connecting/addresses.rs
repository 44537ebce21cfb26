//! A name with several addresses whose first drops packets: both services are reached at the next one within a second. The names are
//! in a hosts file that only the process sees, in a mount namespace of its own.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use testkit::certificates::Files;
use testkit::command::Command;
use testkit::urls::{addr_of, with_addr};
use testkit::{Proxy, TestBed};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// Loopback's second address; the name's first.
const DEAD: &str = "127.0.0.9";
const NAME: &str = "several.test";
/// The next address's turn comes after 250 ms; the rest is the command itself.
const SOON_ENOUGH: Duration = Duration::from_secs(3);

/// Listens and accepts nothing: its queue is full, so the kernel drops what comes.
async fn dropping(port: u16) -> (TcpListener, Vec<TcpStream>) {
    let address = SocketAddr::new(DEAD.parse().expect("an address"), port);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(address).expect("the port is free at the other address");
    let listener = socket.listen(1).expect("it listens");
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(stream);
    }
    (listener, queued)
}

#[tokio::test]
async fn both_services_are_reached_beside_an_address_that_drops_packets() {
    let bed = TestBed::new("dead address").await;
    bed.migrate().await;
    let files = Files::new();
    let hosts = files.write("hosts", &format!("127.0.0.1 localhost\n{DEAD} {NAME}\n127.0.0.1 {NAME}\n"));
    let database = Proxy::start(addr_of(&bed.database_url())).await;
    let broker = Proxy::start(addr_of(&bed.amqp_url())).await;
    let _dead = (dropping(database.addr().port()).await, dropping(broker.addr().port()).await);
    let named = |url: &str, addr: SocketAddr| with_addr(url, addr).replace(&addr.ip().to_string(), NAME);
    let database_url = named(&bed.database_url(), database.addr());
    let database_url = format!("{database_url}{}sslmode=disable", if database_url.contains('?') { "&" } else { "?" });
    let amqp_url = named(&bed.amqp_url(), broker.addr());
    let args = ["check", "--json", "--database-url", &database_url, "--amqp-url", &amqp_url];
    let script = format!(
        r#"exec unshare --map-root-user --mount sh -c 'mount --bind {hosts} /etc/hosts && exec "$0" "$@"' "$0" "$@""#
    );
    let ended = Command::new(&args).in_shell(&script).run().await;
    let document: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let findings = document["findings"].as_array().expect("findings");
    for area in ["database", "broker"] {
        let reachable = findings.iter().find(|found| found["area"] == area && found["check"] == "reachable");
        assert_eq!(reachable.map(|found| &found["verdict"]), Some(&Value::from("ok")), "{area}: {ended:?}");
    }
    assert!(ended.took < SOON_ENOUGH, "{:?}", ended.took);
}
