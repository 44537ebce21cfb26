//! The arguments of `purge`.

use clap::{Args, Subcommand};

use crate::cli::command::CommandArgs;
use crate::cli::selection::{AuditArgs, ConsentArgs};

/// `purge`.
#[derive(Debug, Clone, Args)]
pub struct PurgeArgs {
    /// What to delete.
    #[command(subcommand)]
    pub command: PurgeCommand,
}

/// What can be deleted.
#[derive(Debug, Clone, Subcommand)]
pub enum PurgeCommand {
    /// Delete published events before the relay's retention does
    #[command(long_about = PUBLISHED)]
    Published(PurgeRowsArgs),
    /// Delete dead letters (no timer deletes them)
    #[command(long_about = DEAD_LETTERS)]
    DeadLetters(PurgeDeadLettersArgs),
}

/// Which rows are deleted.
#[derive(Debug, Clone, Args)]
pub struct PurgeRowsArgs {
    /// Older than this, for example 30d
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<String>,
    /// Of this aggregate, for example after a request for erasure
    #[arg(long, value_name = "ID")]
    pub aggregate_id: Option<String>,
    /// Whether.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// `purge dead-letters`.
#[derive(Debug, Clone, Args)]
pub struct PurgeDeadLettersArgs {
    /// Which rows.
    #[command(flatten)]
    pub rows: PurgeRowsArgs,
    /// Also unresolved ones, which deletes events that were never delivered
    #[arg(long)]
    pub unresolved: bool,
}

const PUBLISHED: &str = "\
Delete published events for good, before the relay's --retention does. Never deletes pending \
events.

The age counts from publication. Deleted events can no longer be traced or replayed. Use \
--aggregate-id for a request for erasure; the output names what it cannot reach: the aggregate's \
pending events and dead letters ('purge dead-letters --aggregate-id'), the broker's queues, and \
what consumers keep. With both filters, both must match. Deletes chunks of 1,000 rows, each \
completely or not at all. Ctrl-C stops after the current chunk; run the same command to continue.

  outbox-relay purge published --older-than 30d --dry-run
  outbox-relay purge published --aggregate-id order-42 --yes --note 'erasure request 99'

Exit codes: 0 done · 1 nothing matches, you did not confirm, or only partly done · 64 wrong \
usage, or no terminal and no --yes · 69 the database cannot be reached.";

const DEAD_LETTERS: &str = "\
Delete dead letters for good. Without --unresolved, only those that were replayed or discarded.

The age of a dead letter counts from its resolution; the age of an unresolved one counts from \
when it was dead-lettered. --unresolved deletes events that were never delivered, and requires \
--yes. Keys that wait because of them keep waiting ('keys release'). Deletes chunks of 1,000 \
rows, each completely or not at all.

  outbox-relay purge dead-letters --older-than 90d
  outbox-relay purge dead-letters --aggregate-id order-42 --unresolved --yes --by alice

Exit codes: 0 done · 1 nothing matches, you did not confirm, or only partly done · 64 wrong \
usage, or no terminal and no --yes · 69 the database cannot be reached.";
