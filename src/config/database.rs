//! How to reach the database: PostgreSQL URLs, and the user, password and certificates given
//! separately.

use std::path::PathBuf;

use crate::cli::services::DatabaseArgs;
use crate::config::problems::Problems;
use crate::net::tls::TlsFiles;
use crate::postgres::connect::DatabaseSettings;

pub(super) fn database(problems: &mut Problems, args: &DatabaseArgs, name: &str) -> Option<DatabaseSettings> {
    let url = Url { flag: "database-url", text: args.database_url.as_ref(), file: args.database_url_file.as_ref() };
    settings(problems, args, &url, name)
}

/// A URL, given by one of its two flags.
pub(super) struct Url<'a> {
    pub(super) flag: &'static str,
    pub(super) text: Option<&'a String>,
    pub(super) file: Option<&'a PathBuf>,
}

/// The same for another URL with the same login, such as the one for LISTEN.
pub(super) fn settings(
    problems: &mut Problems,
    args: &DatabaseArgs,
    url: &Url<'_>,
    name: &str,
) -> Option<DatabaseSettings> {
    let user = problems.secret("database-user", args.database_user.as_ref(), args.database_user_file.as_ref());
    let password =
        problems.secret("database-password", args.database_password.as_ref(), args.database_password_file.as_ref());
    if url.text.is_none() && url.file.is_none() {
        let twin = url.flag.replace('-', "_").to_uppercase();
        problems.add(url.flag, format_args!("missing (or OUTBOX_{twin})"));
        return None;
    }
    let address = problems.secret(url.flag, url.text, url.file)?;
    let files = TlsFiles {
        ca: args.database_ca_file.clone(),
        cert: args.database_cert_file.clone(),
        key: args.database_key_file.clone(),
    };
    let settings = DatabaseSettings::new(address, user, password, files, name);
    match settings.check_url() {
        Ok(()) => {
            if let Err(error) = settings.check() {
                problems.add_tls(url.flag, "database", &settings.files, &error);
            }
            Some(settings)
        }
        Err(error) => {
            problems.add(url.flag, error);
            None
        }
    }
}

pub(super) fn check_schema(problems: &mut Problems, schema: &str) {
    let first = schema.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let rest = schema.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    // PostgreSQL cuts names at 63 bytes; the notification channel adds `_events`.
    if !first || !rest || schema.len() > 50 {
        problems
            .add("schema", format_args!("must match [a-z_][a-z0-9_]* and have at most 50 characters, got '{schema}'"));
    }
}
