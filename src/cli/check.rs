//! The arguments of `check`.

use clap::Args;

use crate::cli::run::RunArgs;

/// `check`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = AFTER)]
pub struct CheckArgs {
    /// The relay's arguments.
    #[command(flatten)]
    pub run: RunArgs,
    /// Check only the configuration, without connecting to anything
    #[arg(long, help_heading = "Check")]
    pub offline: bool,
    /// Print one JSON document
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// The long help. The command itself takes it, because otherwise its one-line help would replace
/// it.
pub(super) const LONG_ABOUT: &str = "\
Check everything a relay needs, and say how to fix what is missing.

Takes the arguments and the environment of `run`, and tries what the relay would do. Run it where \
the relay runs, before the relay starts.

It changes nothing and publishes nothing. To test the permission to write to an exchange, it \
sends a message with a property that the broker refuses, which the broker does only after it has \
checked the permission. Every step has a deadline of 2 to 5 s. Without --amqp-url, the broker is \
skipped.";

const AFTER: &str = "\
Examples:
  outbox-relay check
  outbox-relay check --offline        # in a build or an admission hook
  outbox-relay check --json | jq '.findings[] | select(.verdict == \"fail\")'

JSON: ok, findings[]{area (configuration, database, broker, routes), check, verdict (ok, warn, \
fail, skip), found, fix}.

Exit codes: 0 nothing failed (there may be warnings) · 1 something failed, or a service cannot be \
reached; all findings are printed first · 64 wrong usage or configuration; lists all problems";
