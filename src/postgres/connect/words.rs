//! What the database's errors mean, and what mends the frequent ones, in words for a person. Used wherever a database error is written.
//!
//! Never shows a row's contents: the details of the server's data and constraint errors quote them, and are left out.

use std::error::Error;

use tokio_postgres::error::{DbError, SqlState};

use crate::net::io_words;
use crate::net::tls::words::{Peer, explain, tls_error};

/// A database error without the driver's phrases: what the server or the system said, and the mend where one is known.
pub fn chain(error: &(dyn Error + 'static)) -> String {
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

/// The same for a connect to one host.
pub(crate) fn connect_words(error: &tokio_postgres::Error, host: &str) -> String {
    let peer = Peer { host, flags: "database" };
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = next {
        let tls = cause.downcast_ref::<std::io::Error>().and_then(tls_error).or_else(|| cause.downcast_ref());
        if let Some(error) = tls {
            return explain(error, peer);
        }
        next = cause.source();
    }
    match chain(error).as_str() {
        "server does not support TLS" => {
            "the server does not offer TLS; turn ssl on there, or append sslmode=disable where the network is trusted"
                .to_owned()
        }
        "database does not allow writes" => format!("the server is read-only{READ_ONLY_MEND}"),
        words => words.to_owned(),
    }
}

const READ_ONLY_MEND: &str = " (a standby, or default_transaction_read_only); name the primary in the URL, or several hosts, of which the \
                              one that takes writes is used";

fn server_words(error: &DbError) -> String {
    let mut text = error.message().to_owned();
    // Classes 22 (data) and 23 (constraints) quote values of the row in their details.
    let quotes_rows = matches!(error.code().code().get(..2), Some("22" | "23"));
    if let (Some(detail), false) = (error.detail(), quotes_rows) {
        text.push_str(" (");
        text.push_str(detail.trim_end_matches('.'));
        text.push(')');
    }
    if let Some(mend) = mend(error) {
        text.push_str(mend);
    } else if let Some(hint) = error.hint() {
        text.push_str("; ");
        text.push_str(hint);
    }
    text
}

fn mend(error: &DbError) -> Option<&'static str> {
    let code = error.code();
    Some(if *code == SqlState::INVALID_PASSWORD {
        "; look at the URL's user and password, --database-user and --database-password, and their files"
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION && error.message().contains("no encryption") {
        "; this server wants TLS: append sslmode=verify-full"
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION && error.message().contains("certificate") {
        "; give --database-cert-file and --database-key-file"
    } else if *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION {
        "; the role, or the server's pg_hba.conf, does not let this user in from here"
    } else if *code == SqlState::INVALID_CATALOG_NAME {
        "; create the database, or name another in the URL"
    } else if *code == SqlState::TOO_MANY_CONNECTIONS {
        "; raise the limit of the server, the role or the database, or run fewer relays or --workers, or put a pooler in between"
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        "; grants are missing: outbox-relay migrate --grants --relay-role ROLE, for an operator's commands --admin-role ROLE (with --print it shows \
         them)"
    } else if *code == SqlState::UNDEFINED_TABLE {
        "; the outbox tables are not in this database and schema: outbox-relay migrate"
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        READ_ONLY_MEND
    } else {
        return None;
    })
}
