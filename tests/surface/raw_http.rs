//! HTTP as bad clients speak it: byte by byte, endless, without an end. Used by the tests of the admin port.

use std::net::SocketAddr;

use testkit::patience::SOON;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub async fn connect(addr: SocketAddr) -> TcpStream {
    timeout(SOON, TcpStream::connect(addr)).await.expect("connects in time").expect("connects")
}

/// Sends this text as it is and returns all that comes back until the relay closes; what it refuses to read is no failure.
pub async fn send(addr: SocketAddr, text: &str) -> String {
    let mut stream = connect(addr).await;
    stream.write_all(text.as_bytes()).await.ok();
    rest(&mut stream).await
}

/// All that comes until the other side closes, in order or not.
pub async fn rest(stream: &mut TcpStream) -> String {
    let (mut answer, mut bytes) = (Vec::new(), [0; 4_096]);
    let reading = async {
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            answer.extend_from_slice(&bytes[..count]);
        }
    };
    timeout(SOON, reading).await.expect("the relay ends every conversation");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer; 0 where none came.
pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// A request without a body.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: relay\r\n{headers}\r\n")
}
