//! The configuration of `routes list`, `hold` and `release`.

use crate::cli::command::CommandArgs;
use crate::cli::routes::{HoldArgs, ReleaseArgs, Scope};
use crate::config::command::{CommandConfig, command_config};
use crate::config::problems::Problems;
use crate::config::selection::{Audit, audit};

/// One route or destination, and who changes it.
#[derive(Debug)]
pub struct RouteChangeConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// As given.
    pub name: String,
    /// Which kind is meant.
    pub scope: Option<Scope>,
    /// Who does it, and why.
    pub audit: Audit,
}

/// Checks the arguments of `routes list`.
pub fn list_config(args: &CommandArgs) -> Result<CommandConfig, Vec<String>> {
    command_config(args, "routes")
}

/// Checks the arguments of `routes hold`.
pub fn hold_config(args: &HoldArgs) -> Result<RouteChangeConfig, Vec<String>> {
    let mut problems = Problems::default();
    let audit = audit(&mut problems, &args.audit);
    let fits = args.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits || args.name.is_empty() || args.name.len() > 40 {
        problems.add("NAME", format_args!("'{}' is no route's name ([a-z0-9-], at most 40 long)", args.name));
    }
    let common = problems.with(command_config(&args.common, "routes"))?;
    Ok(RouteChangeConfig { common, name: args.name.clone(), scope: Some(Scope::Route), audit })
}

/// Checks the arguments of `routes release`.
pub fn release_config(args: &ReleaseArgs) -> Result<RouteChangeConfig, Vec<String>> {
    let mut problems = Problems::default();
    let audit = audit(&mut problems, &args.audit);
    let common = problems.with(command_config(&args.common, "routes"))?;
    Ok(RouteChangeConfig { common, name: args.name.clone(), scope: args.scope, audit })
}
