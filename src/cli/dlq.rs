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

/// What can be done about dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DlqCommand {
    /// The dead letters that nobody has resolved, the latest first
    #[command(long_about = LIST)]
    List(Box<DlqListArgs>),
    /// One dead letter: why, which routes have it, what became of it
    #[command(long_about = SHOW)]
    Show(Box<DlqShowArgs>),
    /// Send dead letters again
    #[command(long_about = REPLAY)]
    Replay(Box<DlqReplayArgs>),
    /// Give dead letters up: resolve them without sending
    #[command(long_about = DISCARD)]
    Discard(Box<DlqDiscardArgs>),
}

/// `dlq list`.
#[derive(Debug, Clone, Args)]
pub struct DlqListArgs {
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
    /// Which dead letters; --since and --until are about when they died.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// What only dead letters have.
    #[command(flatten)]
    pub failure: FailureArgs,
    /// Resolved ones too
    #[arg(long)]
    pub all: bool,
}

/// What dead letters can be chosen by besides what every event has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Selection (all that is given must be true)")]
pub struct FailureArgs {
    /// That failed on this route
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,
    /// That died for this reason: UNROUTABLE, CHANNEL_CLOSED, PAYLOAD_TOO_LARGE, INVALID_EVENT or OPERATOR
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
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
    /// Which dead letters.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// What only dead letters have.
    #[command(flatten)]
    pub failure: FailureArgs,
    /// Send every route, not only those that failed
    #[arg(long)]
    pub all_routes: bool,
    /// How.
    #[command(flatten)]
    pub execution: ExecutionArgs,
}

/// `dlq discard`.
#[derive(Debug, Clone, Args)]
pub struct DlqDiscardArgs {
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
    /// Which dead letters.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// What only dead letters have.
    #[command(flatten)]
    pub failure: FailureArgs,
    /// Let the keys go on that wait because of them (--on-dead-letter hold)
    #[arg(long)]
    pub release_key: bool,
    /// How.
    #[command(flatten)]
    pub execution: ExecutionArgs,
}

const LIST: &str = "\
The dead letters that nobody has resolved, the latest first; 50 unless --limit says otherwise, with --all the resolved ones too. --since and \
--until are about when they died. Changes nothing.

  outbox-relay dlq list
  outbox-relay dlq list --reason UNROUTABLE --since 2h --json

Exit codes: 0 also where there are none · 1 a statement failed · 64 wrong usage · 69 the database cannot be reached.";

const SHOW: &str = "\
One dead letter: why it died, which routes have it, what became of it since. By an event's id all of its dead letters. The payload is shown \
only with --payload. Changes nothing.

  outbox-relay dlq show 17
  outbox-relay dlq show msg-3f0c6c9e-6f0c-4d0a-9f43-0c3c5e1f1b7e --payload

Exit codes: 0 shown · 1 there is no such dead letter · 64 wrong usage · 69 the database cannot be reached.";

const REPLAY: &str = "\
Send dead letters again.

Each comes back among the pending events with its id (so the same message_id), its place in its key (ahead of later events that still \
wait; events that have left already cannot be called back), and its payload byte for byte; the relay sends it like any other. Only the \
routes that failed are sent, unless --all-routes says otherwise or none had confirmed. The dead letter stays, resolved as 'replayed'; one \
that fails again is a new dead letter. One whose id is among the events already is skipped, and said.

Without --id the count, a sample and the consequences are shown and confirmation is asked. Rows are changed in chunks of 500, each whole or \
not at all: after Ctrl-C or a crash the same command, or 'replay --resume RUN', goes on. 'replay --runs' shows the audit.

  outbox-relay dlq replay --id 17,18
  outbox-relay dlq replay --reason UNROUTABLE --since 2h --dry-run
  outbox-relay dlq replay --event-type order.paid --rate 50 --yes --note 'queue was missing'

Exit codes: 0 all done · 1 nothing matches, an id is unknown, or only partly done · 64 wrong usage, no filter at all, or nobody to ask \
and no --yes · 69 the database cannot be reached.";

const DISCARD: &str = "\
Give dead letters up: they are resolved as 'discarded' and never sent. They stay readable until 'purge dead-letters'.

Where a relay runs with --on-dead-letter hold, the key of a dead letter waits for an operator: it goes on waiting unless --release-key is \
given, and the answer says how to release it.

  outbox-relay dlq discard --id 17 --note 'test data'
  outbox-relay dlq discard --aggregate-id order-42 --release-key --yes --by alice

Exit codes: 0 all done · 1 nothing matches, an id is unknown, or only partly done · 64 wrong usage, no filter at all, or nobody to ask \
and no --yes · 69 the database cannot be reached.";
