//! HTTP/1.1 over one connection that is kept: as much of it as a client of the order service needs.
//!
//! Used by `clients`. Promises that every wait has a deadline. Refuses answers without a length, which the service gives
//! none of.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::failure::{Failure, within};

const ANSWER: Duration = Duration::from_secs(30);

pub struct Client {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

impl Client {
    pub async fn connect(host: SocketAddr) -> Result<Self, Failure> {
        let stream = within(ANSWER, "connecting to the order service", TcpStream::connect(host)).await?;
        Ok(Self { stream: BufReader::new(stream), host })
    }

    /// Sends JSON and answers with the status and the body's `data`; anything but 2xx is a failure.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<(u16, Value), Failure> {
        let (status, text) =
            within(ANSWER, &format!("{method} {path}"), self.exchange(method, path, key, body)).await?;
        let mut answer: Value = serde_json::from_str(&text)
            .map_err(|why| Failure::new(format!("{method} {path} answers no JSON: {why}")))?;
        if (200..300).contains(&status) && answer["success"] == true {
            return Ok((status, answer["data"].take()));
        }
        let code = answer["error"]["code"].as_str().unwrap_or("no code");
        Err(Failure::new(format!("{method} {path} is refused: {status} {code}")))
    }

    async fn exchange(
        &mut self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> std::io::Result<(u16, String)> {
        let body = body.to_string();
        let key = key.map_or(String::new(), |key| format!("Idempotency-Key: {key}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{key}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.read().await
    }

    async fn read(&mut self) -> std::io::Result<(u16, String)> {
        let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
        let (mut status, mut length) = (None, None);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(invalid("the service closed the connection"));
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().ok()
                }
                Some(_) => {}
                None => status = line.split(' ').nth(1).and_then(|status| status.parse().ok()),
            }
        }
        let mut body = vec![0; length.ok_or_else(|| invalid("an answer without a length"))?];
        self.stream.read_exact(&mut body).await?;
        let text = String::from_utf8(body).map_err(|_| invalid("a body that is no UTF-8"))?;
        Ok((status.ok_or_else(|| invalid("an answer without a status"))?, text))
    }
}
