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

/// What to do with keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysCommand {
    /// List waiting keys, oldest first, each with its reason and what to do next
    List(KeysListArgs),
    /// End the wait of a key, so that it continues at once
    #[command(long_about = RELEASE)]
    Release(KeyArgs),
    /// Move the event that blocks a key to the dead letters, so that its later events leave
    #[command(long_about = DEAD_LETTER)]
    DeadLetter(KeyArgs),
}

/// One key, and the flags of a change.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// The key: an event's partition_key, or its aggregate_id if it has none
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Do not ask for confirmation; required without a terminal
    #[arg(long, help_heading = "Execution")]
    pub yes: bool,
    /// Audit.
    #[command(flatten)]
    pub audit: AuditArgs,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// `keys list`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = LIST)]
pub struct KeysListArgs {
    /// Only keys that wait for this reason
    #[arg(long, help_heading = "Output", value_enum, value_name = "REASON")]
    pub reason: Option<Reason>,
    /// At most this many keys, those that have waited longest
    #[arg(long, help_heading = "Output", default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Only count them, by reason, type and destination
    #[arg(long, help_heading = "Output", conflicts_with = "limit")]
    pub group: bool,
    /// Which outbox.
    #[command(flatten)]
    pub common: CommandArgs,
}

/// Why a key waits, as `outbox.waits.reason` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Reason {
    /// An attempt failed; the time of the next one is known.
    Retry,
    /// Its destination is on hold.
    Held,
    /// No route names its type.
    NoRoute,
    /// Sent, but not confirmed yet.
    Unconfirmed,
    /// Its head became a dead letter under --on-dead-letter hold.
    AfterDeadLetter,
    /// The database cannot deliver the event at its head.
    Unreadable,
    /// Its head was given up, and could not be moved to the dead letters.
    DeadLetterFailed,
}

impl From<Reason> for WaitReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Retry => Self::Retry,
            Reason::Held => Self::Held,
            Reason::NoRoute => Self::NoRoute,
            Reason::Unconfirmed => Self::Unconfirmed,
            Reason::AfterDeadLetter => Self::AfterDeadLetter,
            Reason::Unreadable => Self::Unreadable,
            Reason::DeadLetterFailed => Self::DeadLetterFailed,
        }
    }
}

const RELEASE: &str = "\
End the wait of a key, so that it continues at once.

The effect depends on why the key waits:

  retry              tries the event now instead of later; its attempts stay charged
  no_route           looks for a route now, on whichever relay claims it
  after_dead_letter  continues without the dead letter; to send that event
                     first, use 'dlq replay --id EVENT' instead
  unreadable         reads the event again, after its row was repaired or deleted
  dead_letter_failed tries again to send the event, or to move it to the dead
                     letters
  unconfirmed        sends the event again, although it may still be confirmed:
                     consumers may see it twice, with the same message_id. Asks
                     first. Another relay sends it at once; the one that sent it
                     does so after its confirm timeout
  held               nothing: the destination is on hold, and the output says
                     which 'routes release' ends that

  outbox-relay keys release order-42
  outbox-relay keys release order-42 --by alice --note 'incident 4711'

Exit codes: 0 released · 1 the key does not wait, is held, or you did not confirm · 64 wrong \
usage · 69 the database cannot be reached.";

const DEAD_LETTER: &str = "\
Move the event that blocks a key to the dead letters, so that its later events leave.

Moves only the key's first unpublished event, with the reason OPERATOR. The event is not lost: \
'dlq show' shows it, 'dlq replay' sends it later (after the events that were behind it), and 'dlq \
discard' gives it up. The command shows the event and asks for confirmation.

  outbox-relay keys dead-letter order-42 --by alice --note 'payload is wrong, see ticket 17'
  outbox-relay keys dead-letter order-42 --yes

Exit codes: 0 moved · 1 nothing to move, changed meanwhile, or you did not confirm · 64 wrong \
usage, or no terminal and no --yes · 69 the database cannot be reached.";

const LIST: &str = "\
Examples:
  outbox-relay keys list
  outbox-relay keys list --reason held --limit 10
  outbox-relay keys list --group
  outbox-relay keys list --json | jq -r '.keys[].key'

Changes nothing, needs no broker, and gives up after 2 s. `behind` counts the events behind the \
head; N+ means that counting stopped there.

JSON: schema, at, keys_in_all, count_max, groups[]{reason, event_type, exchange, route, keys, oldest_since}, next[]{to, command}, keys[]{key, state, headline, \
reason, since, until, attempts, error, why,
  event_id, event_type, events_behind, events_behind_capped, hold{id, kind, destination, reason, since}, next[]{to, command}}.

Exit codes: 0 answered · 1 no tables, or the database refused · 64 wrong usage or configuration · \
69 the database cannot be reached, or is too slow";
