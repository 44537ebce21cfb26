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
pub mod visible;

use std::path::Path;

/// Prefix of every relay's application and connection names.
pub const PROGRAM: &str = concat!("outbox-relay/", env!("CARGO_PKG_VERSION"));

/// This host's name, from the environment (Kubernetes and most shells set it) or from the kernel.
fn host() -> String {
    let from_kernel = || std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).ok();
    let name = std::env::var("HOSTNAME").ok().or_else(from_kernel).unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).take(30).collect();
    if name.is_empty() { "unknown".into() } else { name }
}

#[cfg(test)]
mod tests;
