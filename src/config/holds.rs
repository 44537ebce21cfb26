//! The configuration of `routes list`, `hold` and `release`.

use crate::cli::routes::{HoldArgs, ReleaseArgs, RoutesListArgs, Scope};
use crate::config::command::{CommandConfig, command_config};
use crate::config::problems::Problems;
use crate::config::routes_file::{file_routes, routes};
use crate::config::selection::{Audit, audit};
use crate::outbox::route::RouteTable;

/// `routes list`.
#[derive(Debug)]
pub struct RoutesListConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// The routes of a relay with these arguments.
    pub routes: RouteTable,
    /// Whether they come from a file.
    pub from_file: bool,
}

/// A route to put on hold, and who does it.
#[derive(Debug)]
pub struct HoldConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// The route.
    pub name: String,
    /// The file's routes, if a file is given.
    pub routes: Option<RouteTable>,
    /// Who makes the change, and why.
    pub audit: Audit,
}

/// A route or destination to release, and who does it.
#[derive(Debug)]
pub struct ReleaseConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// As given.
    pub name: String,
    /// Which kind of name it is.
    pub scope: Option<Scope>,
    /// Who makes the change, and why.
    pub audit: Audit,
}

/// Checks the arguments of `routes list`.
pub fn list_config(args: &RoutesListArgs) -> Result<RoutesListConfig, Vec<String>> {
    let mut problems = Problems::default();
    let routes = routes(&mut problems, &args.routes);
    let common = problems.with(command_config(&args.common, "routes"))?;
    let routes = routes.expect("routes without a problem were read");
    Ok(RoutesListConfig { common, routes: routes.table, from_file: args.routes.routes.is_some() })
}

/// Checks the arguments of `routes hold`.
pub fn hold_config(args: &HoldArgs) -> Result<HoldConfig, Vec<String>> {
    let mut problems = Problems::default();
    let audit = audit(&mut problems, &args.audit);
    let fits = args.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits || args.name.is_empty() || args.name.len() > 40 {
        problems.add("NAME", format_args!("'{}' is not a route's name ([a-z0-9-], at most 40 characters)", args.name));
    }
    let routes = file_routes(&mut problems, &args.routes);
    let common = problems.with(command_config(&args.common, "routes"))?;
    Ok(HoldConfig { common, name: args.name.clone(), routes, audit })
}

/// Checks the arguments of `routes release`.
pub fn release_config(args: &ReleaseArgs) -> Result<ReleaseConfig, Vec<String>> {
    let mut problems = Problems::default();
    let audit = audit(&mut problems, &args.audit);
    let common = problems.with(command_config(&args.common, "routes"))?;
    Ok(ReleaseConfig { common, name: args.name.clone(), scope: args.scope, audit })
}
