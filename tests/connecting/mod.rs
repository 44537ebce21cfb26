//! Connecting to real TLS listeners, with rotated files, and to a database that cannot be written or has no connection left.

mod servers;

mod broker_tls;
mod database_modes;
mod database_tls;
mod limits;
mod pooler;
mod refused_urls;
mod rotation;
mod silence;

use std::time::Duration;

use testkit::{Relay, eventually};

/// Enough for anything on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(40);

/// Waits for words in the relay's log.
pub async fn says(relay: &Relay, what: &str) {
    let said = tokio::time::timeout(SOON, eventually(SOON * 2, what, async || relay.log().contains(what))).await;
    assert!(said.is_ok(), "the log does not say: {what}\n{}", relay.log());
}
