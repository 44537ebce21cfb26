//! The configuration of `replay`.

use uuid::Uuid;

use crate::cli::replay::ReplayArgs;
use crate::config::command::{CommandConfig, command_config};
use crate::config::dlq::require_filter;
use crate::config::problems::Problems;
use crate::config::routes_file::file_routes;
use crate::config::selection::{Execution, Ids, Selection, execution, selection};
use crate::outbox::route::RouteTable;

/// What to do.
#[derive(Debug)]
pub enum ReplayTask {
    /// A new run, with the file's routes if both a route and a file are given.
    Start(Box<Selection>, Option<RouteTable>),
    /// Resume a run.
    Resume(Uuid),
    /// List the latest runs.
    Runs,
}

/// `replay`.
#[derive(Debug)]
pub struct ReplayConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// What to do.
    pub task: ReplayTask,
    /// How its confirm resolved.
    pub execution: Execution,
}

/// Checks the arguments.
pub fn replay_config(args: &ReplayArgs) -> Result<ReplayConfig, Vec<String>> {
    let mut problems = Problems::default();
    let execution = execution(&mut problems, &args.execution);
    let task = match (&args.resume, args.runs) {
        (_, true) => ReplayTask::Runs,
        (Some(run), false) => ReplayTask::Resume(Uuid::try_parse(run).unwrap_or_else(|_| {
            problems
                .add("resume", format_args!("'{run}' is not a run's id; to list the runs: outbox-relay replay --runs"));
            Uuid::nil()
        })),
        (None, false) => {
            let mut selection = selection(&mut problems, &args.selection, Ids::OfEvents);
            // The route says where to send events. It does not select any.
            require_filter(&mut problems, &selection);
            selection.route.clone_from(&args.route);
            let routes = args.route.as_ref().and_then(|_| file_routes(&mut problems, &args.routes));
            ReplayTask::Start(Box::new(selection), routes)
        }
    };
    let common = problems.with(command_config(&args.common, "replay"))?;
    Ok(ReplayConfig { common, task, execution })
}
