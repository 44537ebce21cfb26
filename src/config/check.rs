//! The configuration of `check`: that of `run`, so that both see the same environment.

use crate::cli::check::CheckArgs;
use crate::cli::environment::{Unknown, unknown, variable_names};
use crate::config::run::{RunConfig, run_config};

/// Placeholder if no broker was named; nothing connects to it.
const NO_BROKER: &str = "amqp://localhost";

/// Everything that `check` needs.
#[derive(Debug)]
pub struct CheckConfig {
    /// The relay's arguments.
    pub run: RunConfig,
    /// Whether a broker was named.
    pub has_broker: bool,
    /// Variables that no flag reads.
    pub unknown_variables: Vec<Unknown>,
    /// Do not connect to anything.
    pub offline: bool,
    /// Print one JSON document.
    pub json: bool,
}

/// Checks `check`'s arguments as `run` would; only the broker may be missing.
pub fn check_config(args: &CheckArgs) -> Result<CheckConfig, Vec<String>> {
    let mut run = args.run.clone();
    let has_broker = !run.broker.amqp_urls.is_empty() || run.broker.amqp_url_file.is_some();
    if !has_broker {
        run.broker.amqp_urls.push(NO_BROKER.into());
    }
    let unknown_variables = unknown(variable_names());
    Ok(CheckConfig { run: run_config(&run)?, has_broker, unknown_variables, offline: args.offline, json: args.json })
}
