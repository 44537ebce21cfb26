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
}

/// What `replay --help` opens with.
pub(super) const ABOUT: &str = "\
Send published events again, for a new consumer or one that lost them.

Each event becomes pending again and is sent as usual, with the same id and message_id, so \
consumers that drop duplicates drop it. It gets the header x-outbox-replay with the run's id, and \
a new seq: it goes behind everything that is pending in its key. Consumers therefore see old \
events after newer ones of the same key; the output counts those. Only events that are still in \
the table can be sent, that is, younger than the relay's --retention. For dead letters, use 'dlq \
replay'.

Without --id, the command shows the count, a sample and the consequences, and asks for \
confirmation. It changes rows in chunks of 500, each completely or not at all, and records every \
run. After Ctrl-C or a crash, 'replay --resume RUN' does the rest of the run and repeats nothing. \
'replay --runs' shows the runs.

With --route, events are sent only on that route. Choose event types that have it: an event \
without any route waits as no_route, and its key with it. With --routes too, routes that the file \
does not have are refused, and so are events of types without the route.

  outbox-relay replay --aggregate-id order-42 --dry-run
  outbox-relay replay --event-type order.paid --since 2026-11-21T10:00:00Z --rate 100
  outbox-relay replay --since 2h --event-type order.paid --route order-paid-platform --yes
  outbox-relay replay --since 2h --until 1h --yes --by alice --note 'the queue was lost'
  outbox-relay replay --resume 3f0c6c9e-6f0c-4d0a-9f43-0c3c5e1f1b7e

Exit codes: 0 all done · 1 nothing matches, an id is unknown, or only partly done · 64 wrong \
usage, no filter, or no terminal and no --yes · 69 the database cannot be reached.";
