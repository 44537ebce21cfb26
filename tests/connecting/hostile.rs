//! Servers that are hostile, or not servers of this kind: what they say before the login is bounded, and never fills memory, the stack or the log.

use std::net::SocketAddr;

use testkit::{Relay, TestBed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A line of the log beside its text: time, level, target and other fields.
const LINE_BYTES_MAX: usize = 1_024 + 512;

/// Answers the first bytes of each connection with `answer`, and then waits for the other side to hang up.
async fn answering(answer: Vec<u8>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut first = [0; 8];
            // A client that has hung up is answered as well.
            if stream.read_exact(&mut first).await.is_ok() && stream.write_all(&answer).await.is_ok() {
                stream.read_to_end(&mut Vec::new()).await.ok();
            }
        }
    });
    (address, serving)
}

/// `connection.start` whose server properties are nested so deep.
fn start(levels: usize) -> Vec<u8> {
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).expect("small").to_be_bytes();
    let mut table = size(&[]).to_vec();
    for _ in 1..levels {
        let field = [b"\x01aF", &table[..]].concat();
        table = [&size(&field)[..], &field].concat();
    }
    let contents = [&[0, 10, 0, 10, 0, 9][..], &table, &size(b"PLAIN"), b"PLAIN", &size(b"en_US"), b"en_US"].concat();
    [&[1, 0, 0][..], &size(&contents), &contents, &[0xce]].concat()
}

#[tokio::test]
async fn a_broker_that_nests_its_properties_a_thousandfold_is_refused_before_the_library_reads_them() {
    let bed = TestBed::new("nested start").await;
    let (address, _serving) = answering(start(1_500)).await;
    let mut relay = Relay::start(&bed, &["--amqp-url", &format!("amqp://{address}")]).await;
    relay.says("sent a table with more than 32 levels").await;
    relay.stop_well().await;
}

#[tokio::test]
async fn a_broker_that_announces_two_gigabytes_is_refused_before_the_login() {
    let bed = TestBed::new("large start").await;
    let (address, _serving) = answering(vec![1, 0, 0, 0x7f, 0xff, 0xff, 0xff]).await;
    let mut relay = Relay::start(&bed, &["--amqp-url", &format!("amqp://{address}")]).await;
    relay.says("announced a frame of 2147483647 bytes").await;
    relay.stop_well().await;
}

#[tokio::test]
async fn a_database_that_announces_two_gigabytes_is_refused_before_the_login() {
    let bed = TestBed::new("large error").await;
    let (address, _serving) = answering(vec![b'E', 0x7f, 0xff, 0xff, 0xff]).await;
    let url = format!("postgres://u@{address}/d?sslmode=disable");
    let mut relay = Relay::start(&bed, &["--database-url", &url]).await;
    relay.says("announced 2147483648 bytes before the login").await;
    relay.stop_well().await;
}

#[tokio::test]
async fn a_servers_long_text_is_cut_in_the_log() {
    let bed = TestBed::new("long error").await;
    let text = "x".repeat(500_000);
    let fields = format!("SFATAL\0C28000\0M{text}\0D{text}\0\0");
    let size = u32::try_from(fields.len() + 4).expect("small").to_be_bytes();
    let (address, _serving) = answering([b"E", &size[..], fields.as_bytes()].concat()).await;
    let url = format!("postgres://u@{address}/d?sslmode=disable");
    let mut relay = Relay::start(&bed, &["--database-url", &url]).await;
    relay.says("xxx… (").await;
    relay.stop_well().await;
    let longest = relay.log().lines().map(str::len).max().unwrap_or_default();
    assert!(longest < LINE_BYTES_MAX, "a line of {longest} bytes");
}
