//! The bearer token that says who we are: none, one that is given, or one that the platform's auth service hands out for a short time. A
//! token is never logged.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::body;
use super::http::{Exchange, Http};
use super::scope::Deadline;

/// For one question for a token.
const ATTEMPT: Duration = Duration::from_secs(2);
/// What an answer may have.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long a token counts where the answer does not say; the documents have 15 minutes.
const LIFETIME_SECONDS: u64 = 900;
/// A token is renewed when less than this part of its life is left.
const RENEW_PART: u32 = 5;

/// Where tokens come from. Clones share one token.
#[derive(Clone)]
pub struct Tokens(Arc<Source>);

enum Source {
    None,
    Given(HeaderValue),
    Asked(Asked),
}

struct Asked {
    url: Url,
    request: Vec<u8>,
    token: Mutex<Option<Held>>,
    /// One question at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Held {
    bearer: HeaderValue,
    renew_at: Instant,
    expires_at: Instant,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    service: &'a str,
    client_secret: &'a str,
    scope: &'a [String],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    token: String,
    expires_in: Option<u64>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(hidden)")
    }
}

impl Tokens {
    /// No token: something between us and the services says who we are, such as a mesh.
    pub fn none() -> Self {
        Self(Arc::new(Source::None))
    }

    /// This one, as long as the program runs.
    ///
    /// # Errors
    /// Where it cannot stand in a header.
    pub fn given(token: &str) -> Result<Self, String> {
        Ok(Self(Arc::new(Source::Given(bearer(token)?))))
    }

    /// Asks the auth service at `url` and renews what it gives before it expires.
    ///
    /// # Errors
    /// Where `url` is no address.
    pub fn asked(url: &str, service: &str, client_secret: &str, scope: &[String]) -> Result<Self, String> {
        let url: Url = url.parse().map_err(|error| format!("the address of the tokens: {error}"))?;
        let question = Question { service, client_secret, scope };
        let request = serde_json::to_vec(&question).map_err(|error| error.to_string())?;
        let asked = Asked { url, request, token: Mutex::new(None), turn: tokio::sync::Mutex::new(()) };
        Ok(Self(Arc::new(Source::Asked(asked))))
    }

    /// The value of the `Authorization` header.
    pub(super) async fn bearer(&self, http: &Http, deadline: Deadline) -> Result<Option<HeaderValue>, String> {
        match &*self.0 {
            Source::None => Ok(None),
            Source::Given(bearer) => Ok(Some(bearer.clone())),
            Source::Asked(asked) => {
                let limit = deadline.within(ATTEMPT);
                match tokio::time::timeout_at(limit.instant(), asked.bearer(http)).await {
                    Ok(bearer) => bearer.map(Some),
                    // The old one counts as long as it lives.
                    Err(_) => {
                        asked.held(|held| held.expires_at).map(Some).ok_or_else(|| "no answer in time".to_owned())
                    }
                }
            }
        }
    }

    /// A service did not take it: the next call asks for another one.
    pub(super) fn rejected(&self) {
        match &*self.0 {
            Source::None | Source::Given(_) => {}
            Source::Asked(asked) => *asked.token.lock().unwrap_or_else(PoisonError::into_inner) = None,
        }
    }
}

impl Asked {
    fn held(&self, until: fn(&Held) -> Instant) -> Option<HeaderValue> {
        let held = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        held.filter(|held| Instant::now() < until(held)).map(|held| held.bearer)
    }

    async fn bearer(&self, http: &Http) -> Result<HeaderValue, String> {
        if let Some(bearer) = self.held(|held| held.renew_at) {
            return Ok(bearer);
        }
        let _turn = self.turn.lock().await;
        if let Some(bearer) = self.held(|held| held.renew_at) {
            return Ok(bearer);
        }
        match self.ask(http).await {
            Ok(held) => {
                let bearer = held.bearer.clone();
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
                Ok(bearer)
            }
            Err(error) => {
                tracing::warn!(cause = error, "a token could not be renewed");
                self.held(|held| held.expires_at).ok_or(error)
            }
        }
    }

    async fn ask(&self, http: &Http) -> Result<Held, String> {
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(ACCEPT, json.clone()), (CONTENT_TYPE, json)]);
        let (url, body) = (self.url.clone(), Some(self.request.as_slice()));
        let exchange = Exchange { method: Method::POST, url, headers, body, body_bytes_max: BODY_BYTES_MAX };
        let asked_at = Instant::now();
        let answer = http.exchange(exchange).await.map_err(|cause| cause.to_string())?;
        if answer.status != 200 {
            return Err(format!("status {}", answer.status));
        }
        let granted: Granted = match body::read(answer.status, &answer.body)? {
            body::Said::Data(data) => body::owned(data)?,
            body::Said::Refused(refused) => return Err(refused.to_string()),
        };
        let life = Duration::from_secs(granted.expires_in.unwrap_or(LIFETIME_SECONDS).min(86_400));
        let expires_at = asked_at + life;
        Ok(Held { bearer: bearer(&granted.token)?, renew_at: expires_at - life / RENEW_PART, expires_at })
    }
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| "a token that cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}
