//! The arguments of `dlq`.

use clap::{Args, Subcommand};

use crate::cli::command::CommandArgs;
use crate::cli::selection::{ExecutionArgs, SelectionArgs};

/// `dlq`.
#[derive(Debug, Clone, Args)]
pub struct DlqArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DlqCommand,
}

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DlqCommand {
    /// List unresolved dead letters, newest first
    #[command(long_about = LIST)]
    List(Box<DlqListArgs>),
    /// Show one dead letter: why it failed, which routes have it, what happened to it
    #[command(long_about = SHOW)]
    Show(Box<DlqShowArgs>),
    /// Send dead letters again
    #[command(long_about = REPLAY)]
    Replay(Box<DlqReplayArgs>),
    /// Resolve dead letters without sending them
    #[command(long_about = DISCARD)]
    Discard(Box<DlqDiscardArgs>),
}

/// `dlq list`.
#[derive(Debug, Clone, Args)]
pub struct DlqListArgs {
    /// Which dead letters; --since and --until filter by when they were dead-lettered.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Filters that only dead letters have.
    #[command(flatten)]
    pub failure: FailureArgs,
    /// Include resolved ones
    #[arg(long)]
    pub all: bool,
    /// Only count them, by reason, type and route
    #[arg(long, conflicts_with = "limit")]
    pub group: bool,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// Filters of dead letters, in addition to those of every event.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection (all filters must match)")]
pub struct FailureArgs {
    /// Failed on this route
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,
    /// Given up for this reason: UNROUTABLE, CHANNEL_CLOSED, PAYLOAD_TOO_LARGE, INVALID_EVENT or OPERATOR
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
}

/// `dlq show`.
#[derive(Debug, Clone, Args)]
pub struct DlqShowArgs {
    /// The dead letter's id as `dlq list` shows it, or the event's id
    #[arg(value_name = "ID")]
    pub id: String,
    /// Show the payload too
    #[arg(long, help_heading = "Output")]
    pub payload: bool,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// `dlq replay`.
#[derive(Debug, Clone, Args)]
pub struct DlqReplayArgs {
    /// Which dead letters.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Filters that only dead letters have.
    #[command(flatten)]
    pub failure: FailureArgs,
    /// Send on all routes, not only on those that failed
    #[arg(long)]
    pub all_routes: bool,
    /// How its confirm resolved.
    #[command(flatten)]
    pub execution: ExecutionArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// `dlq discard`.
#[derive(Debug, Clone, Args)]
pub struct DlqDiscardArgs {
    /// Which dead letters.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Filters that only dead letters have.
    #[command(flatten)]
    pub failure: FailureArgs,
    /// Also release the keys that wait because of them (--on-dead-letter hold)
    #[arg(long)]
    pub release_key: bool,
    /// How its confirm resolved.
    #[command(flatten)]
    pub execution: ExecutionArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

const LIST: &str = "\
List unresolved dead letters, newest first: 50, or --limit. With --all, also resolved ones. \
--since and --until filter by when they were dead-lettered. Changes nothing.

  outbox-relay dlq list
  outbox-relay dlq list --reason UNROUTABLE --since 2h --json

Exit codes: 0 listed, or none found · 1 a statement failed · 64 wrong usage · 69 the database \
cannot be reached.";

const SHOW: &str = "\
Show one dead letter: why it failed, which routes have it, and what happened to it since. For an \
event's id, show all of its dead letters. Shows the payload only with --payload. Changes nothing.

  outbox-relay dlq show 17
  outbox-relay dlq show msg-3f0c6c9e-6f0c-4d0a-9f43-0c3c5e1f1b7e --payload

Exit codes: 0 shown · 1 no such dead letter · 64 wrong usage · 69 the database cannot be reached.";

const REPLAY: &str = "\
Send dead letters again.

Each becomes a pending event again, and the relay sends it like any other. It keeps its id (and \
so its message_id), its payload byte for byte, and its place in its key: ahead of later events \
that still wait, but after those that have already left. It is sent only on the routes that \
failed, unless none had confirmed or you pass --all-routes. The dead letter is kept, resolved as \
'replayed'; if the event fails again, it becomes a new dead letter. A dead letter whose id is \
already among the events is skipped and reported.

Without --id, the command shows the count, a sample and the consequences, and asks for \
confirmation. It changes rows in chunks of 500, each completely or not at all. After Ctrl-C or a \
crash, run the same command again, or 'replay --resume RUN'. 'replay runs' shows the audit \
trail.

  outbox-relay dlq replay --id 17,18
  outbox-relay dlq replay --reason UNROUTABLE --since 2h --dry-run
  outbox-relay dlq replay --event-type order.paid --rate 50 --yes --note 'queue was missing'

Exit codes: 0 all done · 1 nothing matches, an id is unknown, or only partly done · 64 wrong \
usage, no filter, or no terminal and no --yes · 69 the database cannot be reached.";

const DISCARD: &str = "\
Resolve dead letters as 'discarded', without sending them. They stay readable until 'purge \
dead-letters'.

If the relay runs with --on-dead-letter hold, the key of a dead letter waits for an operator. It \
keeps waiting unless you pass --release-key; the output says how to release it later.

  outbox-relay dlq discard --id 17 --note 'test data'
  outbox-relay dlq discard --aggregate-id order-42 --release-key --yes --by alice

Exit codes: 0 all done · 1 nothing matches, an id is unknown, or only partly done · 64 wrong \
usage, no filter, or no terminal and no --yes · 69 the database cannot be reached.";
