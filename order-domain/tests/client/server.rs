//! A neighbour on loopback: HTTP/1.1 by hand, so that it can misbehave in ways that no HTTP library allows.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// `GET /path`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What the neighbour does.
#[derive(Debug, Clone)]
pub enum Reply {
    Json(u16, String),
    /// A status, further header lines, and a body.
    With(u16, &'static str, String),
    /// So many bytes of JSON text, with a length or, where there is none, in chunks.
    Huge {
        bytes: usize,
        has_length: bool,
    },
    /// The head, then one byte of the body a second.
    Drip(String),
    /// Nothing, ever.
    Hang,
    /// The connection ends.
    Close,
    /// A part of what was announced, and the end.
    Cut(String),
}

impl Reply {
    pub fn ok(body: impl ToString) -> Self {
        Self::Json(200, body.to_string())
    }
}

/// Requests so far, and connections.
#[derive(Default)]
struct Seen {
    requests: Vec<Received>,
    connections: usize,
}

/// A neighbour that listens.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Answers the n-th request, counted from 0, by `reply`.
    pub async fn start(reply: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (kept, reply) = (Arc::clone(&seen), Arc::new(reply));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.lock().expect("no holder panics").connections += 1;
                let (kept, reply) = (Arc::clone(&kept), Arc::clone(&reply));
                tokio::spawn(async move {
                    // A client that goes away early is what many tests are about.
                    drop(converse(stream, &kept, &*reply).await);
                });
            }
        });
        Self { address, seen, task }
    }

    /// Answers every request alike.
    pub async fn always(reply: Reply) -> Self {
        Self::start(move |_, _| reply.clone()).await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Received> {
        self.seen.lock().expect("no holder panics").requests.clone()
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().expect("no holder panics").connections
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An address at which nobody listens.
pub async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    format!("http://{}", listener.local_addr().expect("it is bound"))
}

async fn converse(
    mut stream: TcpStream,
    seen: &Mutex<Seen>,
    reply: &(dyn Fn(usize, &Received) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    while let Some(received) = request(&mut stream).await? {
        let reply = {
            let mut seen = seen.lock().expect("no holder panics");
            seen.requests.push(received.clone());
            reply(seen.requests.len() - 1, &received)
        };
        if !answer(&mut stream, reply).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether the connection may be used again.
async fn answer(stream: &mut TcpStream, reply: Reply) -> std::io::Result<bool> {
    match reply {
        Reply::Json(status, body) => send(stream, status, "", &body).await.map(|()| true),
        Reply::With(status, headers, body) => send(stream, status, headers, &body).await.map(|()| true),
        Reply::Huge { bytes, has_length } => {
            let head = if has_length {
                format!("Content-Length: {bytes}\r\n")
            } else {
                "Transfer-Encoding: chunked\r\n".to_owned()
            };
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes()).await?;
            let part = "\"".to_owned() + &"a".repeat(64 << 10);
            for _ in 0..bytes / part.len() {
                if !has_length {
                    stream.write_all(format!("{:x}\r\n", part.len()).as_bytes()).await?;
                }
                stream.write_all(part.as_bytes()).await?;
                if !has_length {
                    stream.write_all(b"\r\n").await?;
                }
            }
            Ok(false)
        }
        Reply::Drip(body) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await?;
            for byte in body.bytes() {
                stream.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await; // the fault: a byte a second
            }
            Ok(false)
        }
        Reply::Hang => std::future::pending().await,
        Reply::Close => Ok(false),
        Reply::Cut(body) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len() + 10);
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
            Ok(false)
        }
    }
}

async fn send(stream: &mut TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).await
}

/// The next request of the connection, or none where it has ended.
async fn request(stream: &mut TcpStream) -> std::io::Result<Option<Received>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let mut received = Received { method, path, headers, body: String::new() };
    let length = received.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    received.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(received))
}
