//! The arguments of `keys`.

use clap::{Args, Subcommand};

use crate::cli::command::CommandArgs;
use crate::cli::selection::AuditArgs;

/// `keys`.
#[derive(Debug, Clone, Args)]
pub struct KeysArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeysCommand,
}

/// What can be done about keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysCommand {
    /// End the wait of a key, so that it goes on at once
    #[command(long_about = RELEASE)]
    Release(KeyArgs),
    /// Move the event that a key waits for to the dead letters, so that its later events leave
    #[command(long_about = DEAD_LETTER)]
    DeadLetter(KeyArgs),
}

/// One key, and what a change needs.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// The key: an event's partition_key, or its aggregate_id where it has none
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
    /// Do not ask; needed where nobody can answer
    #[arg(long)]
    pub yes: bool,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
}

const RELEASE: &str = "\
End the wait of a key, so that it goes on at once.

What that means depends on why it waits:

  retry              its event is tried now instead of later; the attempts stay charged
  no_route           its routes are looked up now instead of within 30 s
  after_dead_letter  it goes on without the event that is in the dead letters; its later events leave.
                     To send that event first, use 'dlq replay --id EVENT' instead
  unconfirmed        its event was sent and may still be confirmed; it is sent again now, and consumers may see it
                     twice with the same message_id. Asks first
  held               nothing: its destination is on hold, and the answer says which 'routes release' ends that

  outbox-relay keys release order-42
  outbox-relay keys release order-42 --by alice --note 'incident 4711'

Exit codes: 0 released · 1 the key does not wait, is held, or was not confirmed · 64 wrong usage · 69 the database cannot be
reached.";

const DEAD_LETTER: &str = "\
Move the event that a key waits for to the dead letters, so that its later events leave.

Only the key's first event that is not published is moved, with the reason OPERATOR. It is not lost: 'dlq show' shows it, 'dlq replay'
sends it later (then after events that were behind it), 'dlq discard' gives it up. The event is shown and confirmation asked.

  outbox-relay keys dead-letter order-42 --by alice --note 'payload is nonsense, see ticket 17'
  outbox-relay keys dead-letter order-42 --yes

Exit codes: 0 moved · 1 nothing to move, changed meanwhile, or not confirmed · 64 wrong usage, or nobody to ask and no --yes · 69 the
database cannot be reached.";
