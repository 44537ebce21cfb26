//! The configuration of `health`.

use std::net::SocketAddr;

use crate::cli::health::HealthArgs;
use crate::config::problems::Problems;
use crate::config::run::admin_addr;

/// Everything that `health` needs.
#[derive(Debug, PartialEq, Eq)]
pub struct HealthConfig {
    /// Where the relay listens; none where it does not.
    pub admin_addr: Option<SocketAddr>,
    /// Ready rather than alive.
    pub ready: bool,
}

/// Checks `health`'s arguments.
pub fn health_config(args: &HealthArgs) -> Result<HealthConfig, Vec<String>> {
    let mut problems = Problems::default();
    let admin_addr = admin_addr(&mut problems, &args.admin_addr);
    problems.with(Ok(HealthConfig { admin_addr, ready: args.ready }))
}
