//! Calls to the services beside us, so that none of them takes this one down. Nothing here needs a database or a broker.
//!
//! ```text
//!  request's Deadline ──► breaker ──► attempt ── wait ── attempt … ──► answer, read and checked
//!                            └──────────────► CallError: not found · refused · try later · outcome unknown
//! ```
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use order_domain::client::product::ProductClient;
//! use order_domain::client::{Caller, Deadline, Http, Scope, Tokens, client_config};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let http = Http::new(client_config(None, None)?)?;
//! let caller = Caller { http, tokens: Tokens::none(), observer: Arc::new(()) };
//! let products = ProductClient::new("https://products.example", &caller)?;
//! let scope = Scope::until(Deadline::after(Duration::from_secs(10)));
//! let chair = products.get(&"e8acc97f-c204-4c53-9c33-5d91a1061618".parse()?, &scope).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Promises
//!
//! - A call ends by its deadline, and no attempt begins that has less than its whole time left.
//! - One call is one sample of the breaker, with all of its attempts. An answer that says no is an answer.
//! - What may be done twice if it is sent twice is sent again only if it surely never arrived.
//! - An answer is read up to a limit, no redirect is followed, and an answer about something else than was asked for is none.
//! - Each request carries the bearer token, `X-Correlation-Id` and `traceparent`, where there are any.

mod scope;
mod error;
mod breaker;
mod observer;
mod gate;
mod retry;
mod tls;
mod http;
mod body;
mod token;
mod service;

pub mod inventory;
pub mod payment;
pub mod product;
pub mod user;

pub use self::breaker::{Breaker, BreakerPolicy, BreakerState, Change, End, Opening, Ticket, WINDOW_SECONDS};
pub use self::error::{CallError, Cause, Refused};
pub use self::http::Http;
pub use self::observer::CallObserver;
pub use self::retry::RetryPolicy;
pub use self::scope::{Deadline, Scope};
pub use self::service::{CallPolicy, Caller, Neighbour};
pub use self::tls::{Identity, client_config};
pub use self::token::Tokens;
