//! The configuration of `replay`.

use uuid::Uuid;

use crate::cli::replay::{ReplayArgs, ReplayCancelArgs, ReplayCommand};
use crate::config::command::{CommandConfig, command_config};
use crate::config::dlq::require_filter;
use crate::config::problems::Problems;
use crate::config::routes_file::file_routes;
use crate::config::selection::{Consent, Execution, Ids, Selection, audit, execution, selection};
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
    /// Take back what a run queued and what has not left.
    Cancel(Uuid),
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
    match &args.command {
        Some(ReplayCommand::Cancel(args)) => return cancel_config(args),
        Some(ReplayCommand::Runs(args)) => {
            let common = problems.with(command_config(&args.common, "replay"))?;
            return Ok(ReplayConfig { common, task: ReplayTask::Runs, execution });
        }
        None => {}
    }
    let task = match (&args.resume, args.runs) {
        (_, true) => ReplayTask::Runs,
        (Some(run), false) => ReplayTask::Resume(run_id(&mut problems, "resume", run)),
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

fn run_id(problems: &mut Problems, flag: &str, run: &str) -> Uuid {
    Uuid::try_parse(run).unwrap_or_else(|_| {
        problems.add(flag, format_args!("'{run}' is not a run's id; to list the runs: outbox-relay replay runs"));
        Uuid::nil()
    })
}

fn cancel_config(args: &ReplayCancelArgs) -> Result<ReplayConfig, Vec<String>> {
    let mut problems = Problems::default();
    let id = run_id(&mut problems, "RUN-ID", &args.run);
    let audit = audit(&mut problems, &args.audit);
    let common = problems.with(command_config(&args.common, "replay"))?;
    let execution = Execution { rate: None, consent: Consent { dry_run: false, yes: true }, audit };
    Ok(ReplayConfig { common, task: ReplayTask::Cancel(id), execution })
}
