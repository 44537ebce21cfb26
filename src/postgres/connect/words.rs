//! Explains the database's errors to people, with a fix for the common ones. Used wherever a
//! database error is shown.
//!
//! Never shows a row's contents: the details of data and constraint errors quote them, so they are
//! left out.

use std::error::Error;

use tokio_postgres::error::{DbError, SqlState};

use crate::net::tls::words::{Peer, explain, tls_error};
use crate::net::{cut, io_words};

/// A database error without the driver's phrases: the message of the server or the system, and the
/// fix if one is known.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    cut(words_of(error))
}

fn words_of(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<DbError>() {
            return server_words(error);
        }
        innermost = cause;
        next = cause.source();
    }
    if let Some(error) = innermost.downcast_ref::<std::io::Error>() {
        return io_words(error);
    }
    innermost.to_string()
}

/// The same for connecting to one host.
pub(crate) fn connect_words(error: &tokio_postgres::Error, host: &str) -> String {
    let peer = Peer { host, flags: "database" };
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = next {
        let tls = cause.downcast_ref::<std::io::Error>().and_then(tls_error).or_else(|| cause.downcast_ref());
        if let Some(error) = tls {
            return cut(explain(error, peer));
        }
        next = cause.source();
    }
    match chain(error).as_str() {
        "server does not support TLS" => {
            "the server does not offer TLS; turn ssl on there, or add sslmode=disable on a trusted network".to_owned()
        }
        // The words of the library that looks the process's user up.
        "null record" => "the URL names no user, and this process's uid has no name; write postgres://USER@host, or pass --database-user".to_owned(),
        // The driver's own words, where it connects by itself: to a socket.
        DRIVERS_READ_ONLY => READ_ONLY.to_owned(),
        words => words.to_owned(),
    }
}

/// Whether the server answered, and takes no writes.
pub(crate) fn is_read_only(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) || chain(error) == DRIVERS_READ_ONLY
}

/// The driver has no code for it.
const DRIVERS_READ_ONLY: &str = "database does not allow writes";
const READ_ONLY_FIX: &str = " (a standby, or default_transaction_read_only); name the primary in the URL, or several hosts, and the one that takes writes is used";
/// What is said of a server that takes no writes.
pub(super) const READ_ONLY: &str = "the server is read-only (a standby, or default_transaction_read_only); name the primary in the URL, or several hosts, and the one that takes writes is used";

fn server_words(error: &DbError) -> String {
    let mut text = error.message().to_owned();
    // The details of classes 22 (data) and 23 (constraints) quote values of the row.
    let quotes_rows = matches!(error.code().code().get(..2), Some("22" | "23"));
    if let (Some(detail), false) = (error.detail(), quotes_rows) {
        text.push_str(" (");
        text.push_str(detail.trim_end_matches('.'));
        text.push(')');
    }
    if let Some(fix) = fix(error) {
        text.push_str(fix);
    } else if let Some(hint) = error.hint() {
        text.push_str("; ");
        text.push_str(hint);
    }
    text
}

/// What in PostgreSQL refuses a statement that a policy would change: the code is that of every missing privilege, and the message is in the
/// server's language.
const ROW_SECURITY: &str = "check_enable_rls";

fn fix(error: &DbError) -> Option<&'static str> {
    let code = error.code();
    Some(if *code == SqlState::INVALID_PASSWORD {
        "; check the URL's user and password, --database-user and --database-password, and their files"
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        // One code for three causes, and the message is in the server's language.
        "; the role or the server's pg_hba.conf does not allow this user from here like this: if it wants TLS, add sslmode=verify-full; if it wants a client certificate, pass --database-cert-file and --database-key-file"
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        "; create the database, or name another one in the URL"
    } else if *code == SqlState::TOO_MANY_CONNECTIONS {
        "; raise the limit of the server, the role or the database, run fewer relays or --workers, or use a pooler"
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE && error.routine() == Some(ROW_SECURITY) {
        "; a row-level security policy would hide events from this role: ALTER TABLE … DISABLE ROW LEVEL SECURITY, or ALTER ROLE … BYPASSRLS"
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        "; grants are missing: outbox-relay migrate --grants --relay-role ROLE, or --admin-role ROLE for operators' commands (--print shows them)"
    } else if *code == SqlState::UNDEFINED_TABLE {
        "; the outbox tables are not in this database and schema: outbox-relay migrate"
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        READ_ONLY_FIX
    } else {
        return None;
    })
}
