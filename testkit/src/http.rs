//! One HTTP/1.1 request over a plain TCP connection, no client library needed. Used by the management client and to
//! scrape the relay's admin port.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::patience::ANSWER;

pub struct Response {
    pub status: u16,
    pub body: String,
}

pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// User and password for basic authentication.
    pub login: Option<(&'a str, &'a str)>,
    pub body: &'a str,
}

/// Sends a GET without login.
pub async fn get(addr: SocketAddr, path: &str) -> std::io::Result<Response> {
    send(addr, &Request { method: "GET", path, login: None, body: "" }).await
}

/// Sends the request and reads the whole answer, in time.
pub async fn send(addr: SocketAddr, request: &Request<'_>) -> std::io::Result<Response> {
    timeout(ANSWER, exchange(addr, request)).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

async fn exchange(addr: SocketAddr, request: &Request<'_>) -> std::io::Result<Response> {
    let mut stream = TcpStream::connect(addr).await?;
    let login = request.login.map_or(String::new(), |(user, password)| {
        format!("Authorization: Basic {}\r\n", base64(format!("{user}:{password}").as_bytes()))
    });
    let Request { method, path, body, .. } = request;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\n{login}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&answer).ok_or_else(|| std::io::Error::new(std::io::ErrorKind::InvalidData, "not a whole HTTP answer"))
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let raw = &answer[end + 4..];
    let header =
        |name: &str| head.lines().filter_map(|line| line.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name));
    let chunked = header("transfer-encoding").is_some_and(|(_, v)| v.trim().eq_ignore_ascii_case("chunked"));
    let whole = header("content-length")
        .and_then(|(_, v)| v.trim().parse::<usize>().ok())
        .is_none_or(|length| raw.len() >= length);
    let body = if chunked { unchunk(raw)? } else { raw.to_vec() };
    whole.then(|| Response { status, body: String::from_utf8_lossy(&body).into_owned() })
}

fn unchunk(mut raw: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = raw.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(&raw[..line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(raw.get(line + 2..line + 2 + size)?);
        raw = raw.get(line + 4 + size..)?;
    }
}

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = u32::from_be_bytes([0, chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)]);
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { digit as char } else { '=' });
        }
    }
    text
}

/// A path segment with everything but unreserved characters percent-encoded (`/` is `%2F`, as vhost names need).
pub fn segment(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => (b as char).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
