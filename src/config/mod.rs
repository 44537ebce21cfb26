//! From arguments to a configuration. Checks every value before anything connects, and reports all
//! problems together.
//!
//! One file per command; `database` and `broker` read the URLs that several commands share. Called
//! by `main`.

mod broker;
pub mod check;
pub mod command;
mod database;
pub mod dlq;
pub mod health;
pub mod keys;
pub mod migrate;
mod problems;
pub mod purge;
pub mod replay;
pub mod holds;
pub mod routes_file;
pub mod routes_render;
pub mod run;
pub mod selection;
pub mod status;
pub mod visible;

use std::path::Path;

/// Prefix of every relay's application and connection names.
pub const PROGRAM: &str = concat!("outbox-relay/", env!("CARGO_PKG_VERSION"));

/// The longest part of a host's name that a relay's name contains, so that PostgreSQL's 63 bytes hold all of it.
const HOST_CHARACTERS_MAX: usize = 30;

/// This host's name, from the environment (Kubernetes and most shells set it) or from the kernel.
fn host() -> String {
    let from_kernel = || std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).ok();
    let name = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).or_else(from_kernel);
    short_host(name.unwrap_or_default().trim())
}

/// The end of a longer name, because replicas of one deployment differ only there.
fn short_host(name: &str) -> String {
    let name: Vec<char> = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect();
    let name: String = name[name.len().saturating_sub(HOST_CHARACTERS_MAX)..].iter().collect();
    match name.trim_start_matches(['-', '.']) {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
