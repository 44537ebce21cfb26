//! The inbox: each message has its effect once, however often it comes. The mark of a message and its effect are one
//! transaction, so a try that fails leaves neither.
//!
//! ```no_run
//! use order_domain::inbound::{Fault, Message, Outcome};
//! use order_domain::inbox;
//!
//! # async fn effect(_: &tokio_postgres::Transaction<'_>, _: &Message) -> Result<Outcome, Fault> { Ok(Outcome::Applied) }
//! async fn handle(client: &mut tokio_postgres::Client, message: &Message) -> Result<Outcome, Fault> {
//!     let transaction = client.transaction().await.map_err(|e| inbox::fault(&e))?;
//!     let consumer = message.source().queue();
//!     if !inbox::once(&transaction, consumer, &message.id).await.map_err(|e| inbox::fault(&e))? {
//!         return Ok(Outcome::Duplicate); // the transaction ends without a COMMIT: there is nothing to keep
//!     }
//!     let outcome = effect(&transaction, message).await?;
//!     if let Outcome::Dead(_) = outcome {
//!         return Ok(outcome); // the same: a replay must not meet the mark of a message that had no effect
//!     }
//!     // No answer to a COMMIT is a fault of the infrastructure. The message comes again, and finds its mark or does not.
//!     transaction.commit().await.map_err(|e| inbox::fault(&e))?;
//!     Ok(outcome)
//! }
//! ```
//!
//! - Two transactions with one message at once: the second waits for the first, then it is a duplicate, or the first where
//!   that one was rolled back. `lock_timeout` bounds the wait.
//! - No HTTP call while the transaction is open: it holds locks, and others wait for them.
//! - Marks are kept for [`RETENTION_DEFAULT`], and for at least [`RETENTION_MIN`]: relays keep what they have published for 7
//!   days, and may send it again until then.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient, Transaction};

use crate::inbound::Fault;

/// The table, for a migration: the text of `sql/optional/inbox.sql`. Can be run any number of times.
pub const TABLE: &str = include_str!("../../sql/optional/inbox.sql");

/// How long a mark is kept.
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(14 * 86_400);
/// Longer than any relay may send a message again: the 7 days that it keeps what it has published, and one more.
pub const RETENTION_MIN: Duration = Duration::from_secs(8 * 86_400);
/// How many marks one transaction of the clean-up deletes by default.
pub const CHUNK_DEFAULT: u32 = 1000;

const MARK: &str = include_str!("../sql/inbox/mark.sql");
const FORGET: &str = include_str!("../sql/inbox/forget.sql");
const CLEAN: &str = include_str!("../sql/inbox/clean.sql");

/// Marks `message_id` as handled by `consumer` within `transaction`. True where it was not handled before: go on with the
/// effect and COMMIT. False: do nothing and acknowledge the message.
///
/// `consumer` names what handles the message, in 1 to 255 bytes: two consumers in one database have two names, or one of them
/// would handle nothing. `message_id` has 1 to 1024 bytes.
pub async fn once(transaction: &Transaction<'_>, consumer: &str, message_id: &str) -> Result<bool, Error> {
    let marked = transaction.execute_typed(MARK, &[(&consumer, Type::TEXT), (&message_id, Type::TEXT)]).await?;
    Ok(marked == 1)
}

/// Takes the mark of a message away, so that a replay is handled. True where there was one.
pub async fn forget(transaction: &Transaction<'_>, consumer: &str, message_id: &str) -> Result<bool, Error> {
    let forgotten = transaction.execute_typed(FORGET, &[(&consumer, Type::TEXT), (&message_id, Type::TEXT)]).await?;
    Ok(forgotten == 1)
}

/// For how long marks are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention(Duration);

/// A retention that would let a message be handled twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("marks are to be kept for {hours} hours, and a message may come again for 192, which is 8 days")]
pub struct TooShort {
    hours: u64,
}

impl Retention {
    /// At least [`RETENTION_MIN`].
    pub fn new(kept: Duration) -> Result<Self, TooShort> {
        if kept < RETENTION_MIN { Err(TooShort { hours: kept.as_secs() / 3600 }) } else { Ok(Self(kept)) }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self(RETENTION_DEFAULT)
    }
}

/// Deletes up to `chunk` marks that are older than `retention`, in one statement, and says how many. Call it until it deletes
/// fewer than `chunk`, each call in its own transaction.
pub async fn clean(client: &impl GenericClient, retention: Retention, chunk: u32) -> Result<u64, Error> {
    let age_seconds = retention.0.as_secs_f64();
    client.execute_typed(CLEAN, &[(&age_seconds, Type::FLOAT8), (&i64::from(chunk), Type::INT8)]).await
}

/// Whose fault an error of the database is, by its code. Only what the values of a message can cause is the message's: data
/// that a column cannot take, a broken constraint, an exception of a function, a limit. Everything else meets every message:
/// a lost connection, a lock timeout, a serialization failure, a missing table or right, a full disk.
pub fn fault(error: &Error) -> Fault {
    let Some(state) = error.code() else {
        return Fault::infrastructure("the database did not answer");
    };
    let text = format!("the database says {}: {}", state.code(), name(state));
    match state.code().get(..2) {
        Some("21" | "22" | "23" | "44" | "54" | "P0") => Fault::message(text),
        Some(_) | None => Fault::infrastructure(text),
    }
}

/// A word for the codes that are met most; messages of the database may quote values, which are personal.
fn name(state: &SqlState) -> &'static str {
    match state.code() {
        "23505" => "unique violation",
        "23503" => "foreign key violation",
        "23514" => "check violation",
        "40001" => "serialization failure",
        "40P01" => "deadlock",
        "42P01" => "undefined table",
        "42501" => "insufficient privilege",
        "53300" => "too many connections",
        "55P03" => "lock timeout",
        "57014" => "statement timeout",
        "57P01" => "terminated by an administrator",
        "57P03" => "cannot connect now",
        _ => "see the server's log",
    }
}
