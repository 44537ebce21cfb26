//! One pool of connections for all services, and one exchange on it: a request, and an answer that is bounded in bytes. No redirect is
//! followed, no proxy and no compression is used. Deadlines are set by [`Service`](super::service::Service).

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, Url, redirect};

use super::error::Cause;

/// For a connection, so that "cannot be reached" is known before an attempt is over.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(400);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections that are kept for one service while nobody uses them.
const IDLE_MAX: usize = 16;

/// Connections to all services. Clones share them.
#[derive(Debug, Clone)]
pub struct Http(Client);

/// What is sent.
pub(super) struct Exchange<'a> {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<&'a [u8]>,
    pub body_bytes_max: usize,
}

/// What came back.
pub(super) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

impl Http {
    /// Connections that trust as `tls` says; [`tls::client_config`](super::tls::client_config) makes one.
    ///
    /// # Errors
    /// What the HTTP client says of the configuration.
    pub fn new(tls: rustls::ClientConfig) -> Result<Self, String> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .user_agent(concat!("order-domain/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Self).map_err(|error| format!("the HTTP client cannot be made: {error}"))
    }

    /// Sends and reads. Unbounded in time: the caller ends it.
    pub(super) async fn exchange(&self, exchange: Exchange<'_>) -> Result<Answer, Cause> {
        let Exchange { method, url, headers, body, body_bytes_max } = exchange;
        let mut request = self.0.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body.to_vec());
        }
        let mut response = request.send().await.map_err(|error| cause(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let too_large = Cause::TooLarge { bytes_max: body_bytes_max };
        if response.content_length().is_some_and(|length| length > body_bytes_max as u64) {
            return Err(too_large);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| cause(&error))? {
            if body.len() + chunk.len() > body_bytes_max {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, retry_after, body })
    }
}

fn cause(error: &reqwest::Error) -> Cause {
    if error.is_connect() { Cause::NotConnected } else { Cause::ConnectionLost }
}

/// In seconds; a date is passed over.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
