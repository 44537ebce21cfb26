//! The configuration of `dlq`.

use crate::cli::dlq::{DlqDiscardArgs, DlqListArgs, DlqReplayArgs, DlqShowArgs, FailureArgs};
use crate::cli::selection::SelectionArgs;
use crate::config::command::{CommandConfig, command_config};
use crate::config::problems::Problems;
use crate::config::selection::{Execution, Ids, Selection, event_id, execution, selection};
use crate::outbox::event::FailureReason;

const LISTED: usize = 50;
const LISTED_MAX: usize = 10_000;

/// `dlq list`.
#[derive(Debug)]
pub struct DlqListConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// Which dead letters.
    pub selection: Selection,
    /// The limit.
    pub limit: usize,
    /// Include resolved ones.
    pub all: bool,
    /// Only counts, by reason, type and route.
    pub group: bool,
}

/// `dlq show`.
#[derive(Debug)]
pub struct DlqShowConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// An event's id.
    pub event: Option<String>,
    /// Or a dead letter's id.
    pub dead_letter: Option<i64>,
    /// Whether to show the payload.
    pub payload: bool,
}

/// `dlq replay` and `dlq discard`.
#[derive(Debug)]
pub struct DlqChangeConfig {
    /// Which outbox.
    pub common: CommandConfig,
    /// Which dead letters.
    pub selection: Selection,
    /// How its confirm resolved.
    pub execution: Execution,
    /// `discard`: whether to release the keys that wait for the dead letters.
    pub release_key: bool,
}

/// Checks the arguments of `dlq list`.
pub fn list_config(args: &DlqListArgs) -> Result<DlqListConfig, Vec<String>> {
    let mut problems = Problems::default();
    let selection = chosen(&mut problems, &args.selection, &args.failure);
    if !selection.ids.is_empty() || !selection.dead_letter_ids.is_empty() {
        problems.add("id", "to show one dead letter, use: outbox-relay dlq show ID");
    }
    let limit = selection.limit.unwrap_or(LISTED);
    if limit > LISTED_MAX {
        problems.add("limit", format_args!("at most {LISTED_MAX}"));
    }
    let common = problems.with(command_config(&args.common, "dlq"))?;
    Ok(DlqListConfig { common, selection, limit, all: args.all, group: args.group })
}

/// Checks the arguments of `dlq show`.
pub fn show_config(args: &DlqShowArgs) -> Result<DlqShowConfig, Vec<String>> {
    let mut problems = Problems::default();
    let (event, dead_letter) = (event_id(&args.id), args.id.parse::<i64>().ok());
    if event.is_none() && dead_letter.is_none() {
        problems.add("ID", format_args!("'{}' is neither a dead letter's number nor an event id (a UUID)", args.id));
    }
    let common = problems.with(command_config(&args.common, "dlq"))?;
    Ok(DlqShowConfig { common, event: event.map(|id| id.to_string()), dead_letter, payload: args.payload })
}

/// Checks the arguments of `dlq replay`.
pub fn replay_config(args: &DlqReplayArgs) -> Result<DlqChangeConfig, Vec<String>> {
    let mut problems = Problems::default();
    let mut selection = chosen(&mut problems, &args.selection, &args.failure);
    require_filter(&mut problems, &selection);
    selection.all_routes = args.all_routes;
    let execution = execution(&mut problems, &args.execution);
    let common = problems.with(command_config(&args.common, "dlq"))?;
    Ok(DlqChangeConfig { common, selection, execution, release_key: false })
}

/// Checks the arguments of `dlq discard`.
pub fn discard_config(args: &DlqDiscardArgs) -> Result<DlqChangeConfig, Vec<String>> {
    let mut problems = Problems::default();
    let selection = chosen(&mut problems, &args.selection, &args.failure);
    require_filter(&mut problems, &selection);
    let execution = execution(&mut problems, &args.execution);
    let common = problems.with(command_config(&args.common, "dlq"))?;
    Ok(DlqChangeConfig { common, selection, execution, release_key: args.release_key })
}

pub(super) fn require_filter(problems: &mut Problems, selection: &Selection) {
    if selection.is_everything() {
        problems
            .0
            .push("no filter is given; select events, for example with --id, --aggregate-id or --since 2h".into());
    }
}

fn chosen(problems: &mut Problems, args: &SelectionArgs, failure: &FailureArgs) -> Selection {
    let mut selection = selection(problems, args, Ids::OfDeadLettersToo);
    selection.route.clone_from(&failure.route);
    selection.reason.clone_from(&failure.reason);
    if let Some(reason) = &failure.reason
        && FailureReason::parse(reason).is_none()
    {
        let known = FailureReason::ALL.map(FailureReason::as_str).join(", ");
        problems.add("reason", format_args!("must be one of {known}, got '{reason}'"));
    }
    selection
}
