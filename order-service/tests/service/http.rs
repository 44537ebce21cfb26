//! One HTTP/1.1 request on a connection of its own, written by hand: a test may send what no client library would.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const DEADLINE: Duration = Duration::from_secs(60);

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub text: String,
}

impl Answer {
    /// The header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// What succeeded, with the status that says so.
    #[track_caller]
    pub fn data(&self, status: u16) -> Value {
        let mut body = self.json();
        assert_eq!((self.status, &body["success"]), (status, &Value::Bool(true)), "{self:?}");
        body["data"].take()
    }

    /// Why not, as `404 ORDER_NOT_FOUND`; the body has to be of the service's shape.
    #[track_caller]
    pub fn problem(&self) -> String {
        let body = self.json();
        let error = &body["error"];
        assert_eq!(body["success"], Value::Bool(false), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        assert!(error["details"].is_object(), "{self:?}");
        format!("{} {}", self.status, error["code"].as_str().unwrap_or("without a code"))
    }
}

/// What to send.
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Option<&'a [u8]>,
}

/// Sends and reads to the end. Fails where the connection ends without an answer.
pub async fn send(address: SocketAddr, request: &Request<'_>) -> std::io::Result<Answer> {
    let sent = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&head(request)).await?;
        stream.write_all(request.body.unwrap_or_default()).await?;
        read(&mut stream).await
    };
    tokio::time::timeout(DEADLINE, sent).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

fn head(request: &Request<'_>) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n", request.method, request.path);
    for (name, value) in request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = request.body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// What the server says until it closes the connection.
pub async fn read(stream: &mut TcpStream) -> std::io::Result<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let text = String::from_utf8(bytes).map_err(std::io::Error::other)?;
    let parts = text.split_once("\r\n\r\n");
    let (head, text) = parts.ok_or_else(|| std::io::Error::other("the connection ended without an answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("no status"))?;
    Ok(Answer { status, head: head.to_owned(), text: text.to_owned() })
}
