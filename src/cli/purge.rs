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
    /// Delete published events, beyond what the relay's retention deletes
    #[command(long_about = PUBLISHED)]
    Published(PurgeRowsArgs),
    /// Delete dead letters, which no timer ever deletes
    #[command(long_about = DEAD_LETTERS)]
    DeadLetters(PurgeDeadLettersArgs),
}

/// Which rows are deleted.
#[derive(Debug, Clone, Args)]
pub struct PurgeRowsArgs {
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
    /// Older than this, for example 30d
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<String>,
    /// Of this aggregate: a request for erasure
    #[arg(long, value_name = "ID")]
    pub aggregate_id: Option<String>,
    /// Whether.
    #[command(flatten)]
    pub consent: ConsentArgs,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// `purge dead-letters`.
#[derive(Debug, Clone, Args)]
pub struct PurgeDeadLettersArgs {
    /// Which rows.
    #[command(flatten)]
    pub rows: PurgeRowsArgs,
    /// Unresolved ones too: events that were never delivered are gone then
    #[arg(long)]
    pub unresolved: bool,
}

const PUBLISHED: &str = "\
Delete published events for good, beyond what the relay's --retention deletes. Pending events are never deleted.

The age counts from the publication. What is deleted cannot be traced or replayed any more. --aggregate-id serves a request for erasure and \
says what it cannot reach: the aggregate's pending events and dead letters ('purge dead-letters --aggregate-id'), the broker's queues, and \
what consumers keep. Both flags together mean both. Chunks of 1,000 rows, each whole or not at all; Ctrl-C ends it after the chunk at hand, \
the same command goes on.

  outbox-relay purge published --older-than 30d --dry-run
  outbox-relay purge published --aggregate-id order-42 --yes --note 'erasure request 99'

Exit codes: 0 done · 1 nothing matches, not confirmed, or only partly done · 64 wrong usage, or nobody to ask and no --yes · 69 the database \
cannot be reached.";

const DEAD_LETTERS: &str = "\
Delete dead letters for good. Without --unresolved only those that were replayed or discarded.

The age counts from when a dead letter was resolved, an unresolved one's from when it died. --unresolved deletes events that were never \
delivered and needs --yes; keys that wait because of them go on waiting ('keys release'). Chunks of 1,000 rows, each whole or not at all.

  outbox-relay purge dead-letters --older-than 90d
  outbox-relay purge dead-letters --aggregate-id order-42 --unresolved --yes --by alice

Exit codes: 0 done · 1 nothing matches, not confirmed, or only partly done · 64 wrong usage, or nobody to ask and no --yes · 69 the database \
cannot be reached.";
