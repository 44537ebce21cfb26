//! The arguments of `keys`.

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::command::CommandArgs;
use crate::cli::selection::AuditArgs;
use crate::outbox::event::WaitReason;

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
    /// List the keys that wait, oldest first, each with its reason and what to type next
    List(KeysListArgs),
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
    #[arg(long, help_heading = "Execution")]
    pub yes: bool,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
}

/// `keys list`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = LIST)]
pub struct KeysListArgs {
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
    /// Only keys that wait for this reason
    #[arg(long, help_heading = "Output", value_enum, value_name = "REASON")]
    pub reason: Option<Reason>,
    /// Keys to list at the most, the ones that have waited longest
    #[arg(long, help_heading = "Output", default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

/// Why a key waits, as `outbox.waits.reason` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Reason {
    /// An attempt failed; the next one is due at a known time.
    Retry,
    /// Its destination is on hold.
    Held,
    /// No route names its type.
    NoRoute,
    /// Sent, and not confirmed yet.
    Unconfirmed,
    /// Its head became a dead letter under --on-dead-letter hold.
    AfterDeadLetter,
}

impl From<Reason> for WaitReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Retry => Self::Retry,
            Reason::Held => Self::Held,
            Reason::NoRoute => Self::NoRoute,
            Reason::Unconfirmed => Self::Unconfirmed,
            Reason::AfterDeadLetter => Self::AfterDeadLetter,
        }
    }
}

const RELEASE: &str = "\
End the wait of a key, so that it goes on at once.

What that means depends on why it waits:

  retry              its event is tried now instead of later; the attempts stay charged
  no_route           its routes are looked up now instead of within 30 s
  after_dead_letter  it goes on without the event that is in the dead letters;
                     to send that event first, use 'dlq replay --id EVENT' instead
  unconfirmed        its event was sent and may still be confirmed; it is sent again,
                     consumers may see it twice with the same message_id. Asks first.
                     Another relay sends it at once; the one that sent it, when its confirm
                     timeout is over
  held               nothing: its destination is on hold, and the answer says which
                     'routes release' ends that

  outbox-relay keys release order-42
  outbox-relay keys release order-42 --by alice --note 'incident 4711'

Exit codes: 0 released · 1 the key does not wait, is held, or was not confirmed · 64 wrong usage · 69 the database cannot be \
reached.";

const DEAD_LETTER: &str = "\
Move the event that a key waits for to the dead letters, so that its later events leave.

Only the key's first event that is not published is moved, with the reason OPERATOR. It is not lost: 'dlq show' shows it, 'dlq replay' \
sends it later (then after events that were behind it), 'dlq discard' gives it up. The event is shown and confirmation asked.

  outbox-relay keys dead-letter order-42 --by alice --note 'payload is nonsense, see ticket 17'
  outbox-relay keys dead-letter order-42 --yes

Exit codes: 0 moved · 1 nothing to move, changed meanwhile, or not confirmed · 64 wrong usage, or nobody to ask and no --yes · 69 the \
database cannot be reached.";

const LIST: &str = "\
Examples:
  outbox-relay keys list
  outbox-relay keys list --reason held --limit 10
  outbox-relay keys list --json | jq -r '.keys[].key'

Changes nothing, needs no broker, gives up after 2 s. `behind` counts the events that wait behind the head; N+ where counting stopped.

JSON: schema, at, keys_in_all, count_max, next[]{to, command}, keys[]{key, state, headline, reason, since, until, attempts, error, why,
  event_id, event_type, events_behind, events_behind_capped, hold{id, kind, destination, reason, since}, next[]{to, command}}.

Exit codes: 0 answered · 1 no tables, or the database said no · 64 usage or configuration · 69 the database cannot be reached, or is too \
slow";
