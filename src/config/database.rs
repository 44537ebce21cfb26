//! How to reach the database: PostgreSQL URLs as pasted, user and password beside them.

use tokio_postgres::config::{Host, SslMode};

use crate::cli::services::DatabaseArgs;
use crate::config::is_loopback;
use crate::config::problems::Problems;
use crate::link::database::DatabaseSettings;

pub(super) fn database(problems: &mut Problems, args: &DatabaseArgs, name: &str) -> Option<DatabaseSettings> {
    let password =
        problems.secret("database-password", args.database_password.as_ref(), args.database_password_file.as_ref());
    let Some(url) = &args.database_url else {
        problems.add("database-url", "missing (or OUTBOX_DATABASE_URL)");
        return None;
    };
    let mut config = postgres_url(problems, "database-url", url)?;
    if let Some(user) = &args.database_user {
        config.user(user);
    }
    Some(DatabaseSettings::new(config, password, name))
}

/// Reads a PostgreSQL URL. Secrets in it must not reach an error text, so the parser's own words are used and never the URL.
pub(super) fn postgres_url(problems: &mut Problems, flag: &str, url: &str) -> Option<tokio_postgres::Config> {
    let config: tokio_postgres::Config = match url.parse() {
        Ok(config) => config,
        Err(error) => {
            problems.add(
                flag,
                format_args!(
                    "no PostgreSQL URL such as postgres://user@host:5432/database: {}",
                    crate::link::database::chain(&error)
                ),
            );
            return None;
        }
    };
    if config.get_hosts().is_empty() {
        problems.add(flag, "names no host");
        return None;
    }
    let remote = config.get_hosts().iter().any(|host| match host {
        Host::Tcp(name) => !is_loopback(name),
        Host::Unix(_) => false,
    });
    match config.get_ssl_mode() {
        SslMode::Disable => Some(config),
        SslMode::Prefer if !remote => Some(config),
        _ => {
            problems.add(flag, "this version has no TLS, which another host is asked for unless told otherwise; where the network is trusted, append ?sslmode=disable");
            None
        }
    }
}

pub(super) fn check_schema(problems: &mut Problems, schema: &str) {
    let first = schema.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let rest = schema.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    // PostgreSQL cuts names at 63 bytes; the notification channel adds `_events`.
    if !first || !rest || schema.len() > 50 {
        problems.add("schema", format_args!("'{schema}' is not [a-z_][a-z0-9_]*, at most 50 long"));
    }
}
