//! The arguments of `replay`.

use clap::{Args, Subcommand};

use crate::cli::command::CommandArgs;
use crate::cli::selection::{AuditArgs, ExecutionArgs, SelectionArgs};
use crate::cli::services::RouteArgs;

/// What to do with runs.
#[derive(Debug, Clone, Subcommand)]
pub enum ReplayCommand {
    /// Take back what a run queued and what has not left yet
    #[command(long_about = CANCEL)]
    Cancel(ReplayCancelArgs),
    /// List the latest 20 runs, and how many of their events are confirmed
    Runs(ReplayRunsArgs),
}

/// `replay cancel`.
#[derive(Debug, Clone, Args)]
pub struct ReplayCancelArgs {
    /// The run, as `replay runs` shows it
    #[arg(value_name = "RUN-ID")]
    pub run: String,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// `replay runs`.
#[derive(Debug, Clone, Args)]
pub struct ReplayRunsArgs {
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// `replay`.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ReplayArgs {
    /// What to do with a run; without it, a new run starts.
    #[command(subcommand)]
    pub command: Option<ReplayCommand>,
    /// Which events; --since and --until filter by when they were published.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Send only on this route
    #[arg(long, value_name = "NAME", help_heading = "Selection (all filters must match)")]
    pub route: Option<String>,
    /// The relays' routes, to check that --route is one of them.
    #[command(flatten)]
    pub routes: RouteArgs,
    /// Resume an interrupted run of this command or of `dlq replay`
    #[arg(long, value_name = "RUN-ID", help_heading = "Runs", conflicts_with_all = ["ids", "aggregate_id", "event_type", "since", "until", "limit", "route", "dry_run"])]
    pub resume: Option<String>,
    /// Only list the latest 20 runs
    #[arg(long, help_heading = "Runs", conflicts_with_all = ["resume", "ids", "aggregate_id", "event_type", "since", "until", "limit", "route", "dry_run", "yes", "rate"])]
    pub runs: bool,
    /// How its confirm resolved.
    #[command(flatten)]
    pub execution: ExecutionArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

const CANCEL: &str = "\
Take back what a run queued and what has not left yet.

The events are published again, as they were before the run, and their keys continue. What a relay has sent, or is sending, stays \
sent. Interrupt the command of the run first if it still works; a cancelled run cannot be resumed. Only runs of published events \
can be taken back.

  outbox-relay replay cancel 3f0c6c9e-6f0c-4d0a-9f43-0c3c5e1f1b7e

Exit codes: 0 done · 1 there is no such run, or it replays dead letters · 64 wrong usage · 69 the database cannot be reached.";

/// What `replay --help` opens with.
pub(super) const ABOUT: &str = "\
Send published events again, for a new consumer or one that lost them.

Each event becomes pending again and is sent as usual, with the same id and message_id, so \
consumers that drop duplicates drop it. It gets the header x-outbox-replay with the run's id, and \
a new seq: it goes behind everything that is pending in its key; x-outbox-first-seq has the one it \
had. Consumers therefore see old \
events after newer ones of the same key; the output counts those. Only events that are still in \
the table can be sent, that is, younger than the relay's --retention. For dead letters, use 'dlq \
replay'.

Without --id, the command shows the count, a sample and the consequences, and asks for \
confirmation. It changes rows in chunks of 500, each completely or not at all, and records every \
run. After Ctrl-C or a crash, 'replay --resume RUN' does the rest of the run and repeats nothing. \
'replay runs' shows the runs and how many of their events are confirmed.

With --route, events are sent only on that route. A name that no relay knows is refused: relays \
tell their routes with their heartbeats. Choose event types that have it: an event \
without any route waits as no_route, and its key with it. With --routes too, routes that the file \
does not have are refused, and so are events of types without the route. 'replay cancel RUN' takes \
back what has not left.

  outbox-relay replay --aggregate-id order-42 --dry-run
  outbox-relay replay --event-type order.paid --since 2026-11-21T10:00:00Z --rate 100
  outbox-relay replay --since yesterday --until '2026-11-30 12:00' --event-type order.paid --yes
  outbox-relay replay --since 2h --event-type order.paid --route order-paid-platform --yes
  outbox-relay replay --since 2h --until 1h --yes --by alice --note 'the queue was lost'
  outbox-relay replay --resume 3f0c6c9e-6f0c-4d0a-9f43-0c3c5e1f1b7e

Exit codes: 0 all done · 1 nothing matches, an id is unknown, or only partly done · 64 wrong \
usage, no filter, or no terminal and no --yes · 69 the database cannot be reached.";
