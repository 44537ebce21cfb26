//! The configuration of `status`.

use std::time::Duration;

use crate::cli::status::StatusArgs;
use crate::config::command::{CommandConfig, command_config};
use crate::config::problems::Problems;

const HOUR: Duration = Duration::from_secs(3600);

/// `status`.
#[derive(Debug)]
pub struct StatusConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// Whether to end with 1 unless all is well.
    pub exit_code: bool,
    /// How often to look again; absent for one look.
    pub watch: Option<Duration>,
}

/// Checks the arguments.
pub fn status_config(args: &StatusArgs) -> Result<StatusConfig, Vec<String>> {
    let mut problems = Problems::default();
    let range = (Duration::from_millis(500), HOUR);
    let watch = args.watch.as_ref().map(|every| problems.duration("watch", every, range));
    let common = problems.with(command_config(&args.common, "status"))?;
    Ok(StatusConfig { common, exit_code: args.exit_code, watch })
}
