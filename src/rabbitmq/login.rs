//! What a connection logged in with: whether that is still so, and the next password before the old one ends.
//!
//! Used by the supervisor for the present connection. Brokers up to RabbitMQ 4.2 answer an expired OAuth token as they answer a missing
//! permission, and keep the connection; only a new connection, or a new secret on it, helps.

use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use secrecy::{ExposeSecret, SecretString};

use crate::deadline::deadline;
use crate::net::cut;
use crate::outbox::broker::CloseReason;
use crate::rabbitmq::connect::{BrokerAddress, Node};
use crate::rabbitmq::wire;

/// How often the files are read while the connection lasts.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const UPDATE_TIMEOUT: Duration = Duration::from_secs(5);
const ACCESS_REFUSED: u16 = 403;

/// The user and password of one connection.
#[derive(Clone)]
pub(super) struct Login {
    address: BrokerAddress,
    place: String,
    user: String,
    password: SecretString,
}

impl Login {
    /// That of a node which is about to be connected to.
    pub(super) fn of(address: &BrokerAddress, node: &Node) -> Self {
        let (user, password) = node.credentials();
        Self { address: address.clone(), place: node.place(), user: user.to_owned(), password: password.into() }
    }

    /// Whether a closed channel is about the login rather than about a permission: the broker says that it has expired, or the files hold
    /// another one by now.
    pub(super) fn explains(&self, reason: &CloseReason) -> bool {
        reason.code == Some(ACCESS_REFUSED) && (says_expired(&reason.text) || self.has_changed())
    }

    fn has_changed(&self) -> bool {
        self.now().is_some_and(|(user, password)| user != self.user || !self.is_password(&password))
    }

    fn is_password(&self, password: &SecretString) -> bool {
        self.password.expose_secret() == password.expose_secret()
    }

    /// What the files hold now for the same node; `None` if they cannot be used, or name it no more.
    fn now(&self) -> Option<(String, SecretString)> {
        let nodes = self.address.nodes().ok()?;
        let node = nodes.iter().find(|node| node.place() == self.place)?;
        let (user, password) = node.credentials();
        Some((user.to_owned(), password.into()))
    }

    /// A password that the files hold by now, once.
    fn next_password(&mut self) -> Option<SecretString> {
        let (user, password) = self.now()?;
        if user != self.user || self.is_password(&password) {
            return None;
        }
        self.password = password.clone();
        Some(password)
    }
}

/// Gives the broker each new password of the files while the connection lasts. Ends only by being dropped, or where none can come.
pub(super) async fn renew(mut login: Login, connection: Arc<Connection>, generation: u64) {
    while login.address.reads_files() {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(password) = login.next_password() else { continue };
        let Ok(reason) = wire::short("the password was rotated") else { return };
        let update = connection.update_secret(password.expose_secret().into(), reason);
        let error = match deadline(UPDATE_TIMEOUT, "the broker's answer", update).await {
            Ok(Ok(())) => {
                tracing::info!(generation, "the broker has taken the new password for this connection");
                continue;
            }
            Ok(Err(error)) => cut(error.to_string()),
            Err(error) => error.to_string(),
        };
        tracing::warn!(generation, error, "the broker has not taken the new password; the next connection uses it");
    }
}

/// Names are quoted in RabbitMQ's texts, and one of them may be "expired".
fn says_expired(text: &str) -> bool {
    text.split('\'').step_by(2).any(|part| part.to_lowercase().contains("expired"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_token_is_told_from_a_missing_permission() {
        assert!(says_expired(
            "ACCESS_REFUSED - Provided JWT token has expired at timestamp 1690000000 (validated at 1690000005)"
        ));
        assert!(!says_expired("ACCESS_REFUSED - access to exchange 'expired' in vhost '/' refused for user 'u'"));
        assert!(says_expired(
            "ACCESS_REFUSED - access to exchange 'e' in vhost '/' refused for user 'u': token expired"
        ));
    }
}
