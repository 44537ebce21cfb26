//! The arguments of `replay`.

use clap::Args;

use crate::cli::command::CommandArgs;
use crate::cli::selection::{ExecutionArgs, SelectionArgs};
use crate::cli::services::RouteArgs;

/// `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
    /// Which events; --since and --until are about when they were published.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Send them on this route only
    #[arg(long, value_name = "NAME", help_heading = "Selection (all that is given must be true)")]
    pub route: Option<String>,
    /// The relays' routes, to see whether --route is one of them.
    #[command(flatten)]
    pub routes: RouteArgs,
    /// Go on with a run that was interrupted, of this command or of `dlq replay`
    #[arg(long, value_name = "RUN-ID", help_heading = "Runs", conflicts_with_all = ["ids", "aggregate_id", "event_type", "since", "until", "limit", "route", "dry_run"])]
    pub resume: Option<String>,
    /// List the latest 20 runs and do nothing
    #[arg(long, help_heading = "Runs", conflicts_with_all = ["resume", "ids", "aggregate_id", "event_type", "since", "until", "limit", "route", "dry_run", "yes", "rate"])]
    pub runs: bool,
    /// How.
    #[command(flatten)]
    pub execution: ExecutionArgs,
}

/// What `replay --help` opens with.
pub(super) const ABOUT: &str = "\
Send published events again, for a consumer that lost them or a new one.

Each becomes pending again and goes the usual way, with its id (so the same message_id: a consumer that drops duplicates drops it), the \
header x-outbox-replay with the run's id, and a new seq: it comes after everything that is pending in its key now, never before. Consumers \
see old events after newer ones of the same key; the count of those is shown. Only events that are still in the table can be sent, that is, \
younger than the relay's --retention. Dead letters are replayed with 'dlq replay'.

Without --id the count, a sample and the consequences are shown and confirmation is asked. Rows are changed in chunks of 500, each whole or \
not at all, and every run is recorded. After Ctrl-C or a crash 'replay --resume RUN' does the rest of the run, nothing twice; 'replay --runs' \
shows the runs. With --route only that route is sent: name event types that have it, since an event without any route waits as no_route \
and its key with it. With --routes beside it, a route that the file does not have is refused, and so are events of types without it.

  outbox-relay replay --aggregate-id order-42 --dry-run
  outbox-relay replay --event-type order.paid --since 2026-11-21T10:00:00Z --rate 100
  outbox-relay replay --since 2h --event-type order.paid --route order-paid-platform --yes
  outbox-relay replay --since 2h --until 1h --yes --by alice --note 'the queue was lost'
  outbox-relay replay --resume 3f0c6c9e-6f0c-4d0a-9f43-0c3c5e1f1b7e

Exit codes: 0 all done · 1 nothing matches, an id is unknown, or only partly done · 64 wrong usage, no filter at all, or nobody to ask \
and no --yes · 69 the database cannot be reached.";
